"""Mentions per second from the topic to the queue and on to Kafka: Silofrei beside what a user would pick instead.

One broker, one Valkey and one feed for all; the systems take turns over several rounds. What is measured is the same
for all and lies outside of them: the outbox in Redis, which gets one entry per mention, from the first entry until all
were added and Kafka has acknowledged every one.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import count
from statistics import median
from typing import Any

from benchmarks.constant import CONSTANT, REAL
from benchmarks.feed import deliveries
from benchmarks.neighbours import Neighbours, wait_for_quiet
from benchmarks.stage import Overdue, Processes, Stage, fill
from benchmarks.systems import OURS, SYSTEMS, System

CASES = {"one-per-delivery": 1, "ten-per-delivery": 10}
CLASSIFIERS = (REAL, CONSTANT)
_PATIENCE_SECONDS = 180.0
_LOOK_SECONDS = 0.005
_RUNS = count()


@dataclass(frozen=True)
class Run:
    """One run of one system; CPU counts all of its processes, without broker and Redis; others are not of this run."""

    mentions_per_s: float
    cpu_us_per_mention: float
    others_cores: float


def measure(
    stage: Stage, mentions: int, rounds: int, systems: Sequence[System] = SYSTEMS, patience: float = 0
) -> list[dict[str, Any]]:
    """The rows of results.json.

    Args:
        stage: the services.
        mentions: in each run.
        rounds: runs of each system in each case.
        systems: what to measure.
        patience: longest wait for a quiet machine before each run, seconds.
    """
    rows = []
    for case in CASES:
        feed = list(deliveries(mentions, datetime.now(UTC), CASES[case]))
        for classifier in CLASSIFIERS:
            found: dict[System, list[Run]] = {system: [] for system in systems}
            failed: dict[System, str] = {one: why for one in systems if (why := one.missing())}
            for number in range(rounds):
                # Each begins a round in turn, so that none always follows the same one.
                order = [*systems[number % len(systems) :], *systems[: number % len(systems)]]
                for system in order:
                    if system in failed:
                        continue
                    try:
                        run = _run(stage, system, feed, CASES[case], classifier, patience)
                    except Overdue as error:
                        failed[system] = str(error)
                        continue
                    found[system].append(run)
                    print(
                        f"  {case}, {classifier}, round {number + 1}: {system.name:<28}"
                        f"{run.mentions_per_s:>8.0f} mentions/s {run.cpu_us_per_mention:>6.0f} us of CPU each, "
                        f"others {run.others_cores:.1f} cores",
                        flush=True,
                    )
            rows += _rows(case, classifier, found, failed)
    return rows


def _run(
    stage: Stage, system: System, feed: list[tuple[bytes, bytes]], per_delivery: int, classifier: str, patience: float
) -> Run:
    part = feed[: max(1, int(len(feed) * system.share))]
    mentions = len(part) * per_delivery
    variables = {"BENCHMARK_CLASSIFIER": classifier, "BENCHMARK_PER_DELIVERY": str(per_delivery)}
    variables |= dict(system.variables)
    with stage.fresh(f"run{next(_RUNS)}") as settings:
        fill(settings, part)
        wait_for_quiet(patience)
        with Processes(system.commands(), settings, variables) as processes:
            first, began, used = first_sign(stage, processes)
            neighbours = Neighbours()
            stage.wait(mentions, processes, _PATIENCE_SECONDS)
            seconds, cpu = time.monotonic() - began, processes.cpu() - used
            others = neighbours.cores()
    # From the first sign of work on, so that nobody's start counts.
    worked = max(mentions - first, 1)
    return Run(worked / seconds, cpu / worked * 1e6, others)


def first_sign(stage: Stage, processes: Processes) -> tuple[int, float, float]:
    """Wait for the first mention in the queue: how many there are, when that was, and the CPU used until then."""
    end = time.monotonic() + _PATIENCE_SECONDS
    while time.monotonic() < end:
        processes.check()
        applied, _ = stage.applied()
        if applied:
            return applied, time.monotonic(), processes.cpu()
        time.sleep(_LOOK_SECONDS)
    raise Overdue(f"no mention in the queue after {_PATIENCE_SECONDS:.0f} s")


def _rows(
    case: str, classifier: str, found: dict[System, list[Run]], failed: dict[System, str]
) -> list[dict[str, Any]]:
    rates = {system.name: median(run.mentions_per_s for run in runs) for system, runs in found.items() if runs}
    rows = []
    for system, runs in found.items():
        row: dict[str, Any] = {"case": case, "classifier": classifier, "system": system.name}
        if system.weaker:
            row["weaker"] = system.weaker
        if system in failed:
            row["missing"] = failed[system]
        if runs:
            row["mentions_per_s"] = spread([run.mentions_per_s for run in runs])
            row["cpu_us_per_mention"] = spread([run.cpu_us_per_mention for run in runs])
            row["others_cores"] = spread([run.others_cores for run in runs])
            row["ratio"] = {name: round(rates[system.name] / rate, 2) for name, rate in rates.items()}
            row["ratio"].pop(system.name)
        rows.append(row)
    return rows


def spread(values: list[float]) -> dict[str, float]:
    """Least, median and most."""
    return {"min": round(min(values), 1), "median": round(median(values), 1), "max": round(max(values), 1)}


def table(rows: list[dict[str, Any]]) -> str:
    """The rows for a terminal."""
    lines = []
    for case, classifier in dict.fromkeys((row["case"], row["classifier"]) for row in rows):
        lines += [
            "",
            f"{f'{case}, {classifier} classifier':<42}{'mentions/s':>12}{'(min-max)':>16}{'CPU us each':>13}"
            f"{'silofrei is':>13}",
        ]
        own = [row for row in rows if (row["case"], row["classifier"]) == (case, classifier)]
        ours: dict[str, float] = next((row.get("ratio", {}) for row in own if row["system"] == OURS), {})
        for row in own:
            if "mentions_per_s" not in row:
                lines.append(f"{row['system']:<42}{row.get('missing', 'not measured')}")
                continue
            speed, ratio = row["mentions_per_s"], ours.get(row["system"])
            name = row["system"] + (" *" if "weaker" in row else "")
            lines.append(
                f"{name:<42}{speed['median']:>12.0f}{speed['min']:>9.0f}-{speed['max']:<6.0f}"
                f"{row['cpu_us_per_mention']['median']:>13.0f}" + (f"{ratio:>11.2f} x" if ratio else "")
            )
    weaker = {row["system"]: row["weaker"] for row in rows if "weaker" in row}
    return "\n".join([*lines, "", *(f"* {name}: {what}" for name, what in weaker.items())])
