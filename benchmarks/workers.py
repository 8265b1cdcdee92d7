"""Two workers on two sets of partitions beside one, and how busy the machine was.

Where both cores are busy with one worker, the relay, the broker and Redis, a second worker cannot show twice the speed:
then `busy` is near 1 for both, and the CPU per mention tells what a larger machine would do.
"""

import time
from contextlib import suppress
from datetime import UTC, datetime
from statistics import median
from typing import Any

from kafka.errors import KafkaError

from benchmarks.constant import CONSTANT, REAL
from benchmarks.feed import deliveries
from benchmarks.neighbours import busy_seconds, busy_share
from benchmarks.stage import Overdue, Processes, Stage, fill
from benchmarks.systems import OURS, SYSTEMS, System
from benchmarks.throughput import first_sign
from silofrei.schemas.settings import Settings
from silofrei.streams.kafka_clients import admin_client
from silofrei.streams.topics import Topics

_PATIENCE_SECONDS = 180.0


def measure(stage: Stage, mentions: int, rounds: int) -> list[dict[str, Any]]:
    """The section `workers` of results.json.

    Args:
        stage: the services.
        mentions: in each run.
        rounds: runs of each number of workers.
    """
    ours = next(one for one in SYSTEMS if one.name == OURS)
    feed = list(deliveries(mentions, datetime.now(UTC)))
    found: dict[tuple[str, int], list[tuple[float, float, float]]] = {}
    for number in range(rounds):
        for classifier in (REAL, CONSTANT):
            for workers in (1, 2):
                run = _run(stage, ours, feed, workers, classifier, f"workers{number}-{classifier}-{workers}")
                found.setdefault((classifier, workers), []).append(run)
                print(f"  {classifier}, {workers} worker(s): {run[0]:.0f} mentions/s, busy {run[2]:.0%}", flush=True)
    return [
        {
            "classifier": classifier,
            "workers": workers,
            "mentions_per_s": round(median(rate for rate, _, _ in runs)),
            "cpu_us_per_mention": round(median(cpu for _, cpu, _ in runs), 1),
            "busy": round(median(busy for _, _, busy in runs), 2),
        }
        for (classifier, workers), runs in found.items()
    ]


def _run(
    stage: Stage, ours: System, feed: list[tuple[bytes, bytes]], workers: int, classifier: str, name: str
) -> tuple[float, float, float]:
    worker, relay = ours.commands()
    variables = {"BENCHMARK_CLASSIFIER": classifier}
    with stage.fresh(name) as settings:
        second = settings.model_copy(update={"worker_slot": "1"})
        with (
            Processes([worker, relay], settings, variables) as first,
            Processes([worker] * (workers - 1), second, variables) as others,
        ):
            _joined(workers, settings)
            fill(settings, feed)
            done, began, used = first_sign(stage, first)
            used += others.cpu()
            busy = busy_seconds()
            stage.wait(len(feed), first, _PATIENCE_SECONDS)
            seconds = time.monotonic() - began
            cpu = first.cpu() + others.cpu() - used
            share = busy_share(busy, seconds)
    worked = len(feed) - done
    return worked / seconds, cpu / worked * 1e6, share


def _joined(workers: int, settings: Settings) -> None:
    """Return once all workers are in the group and have their partitions."""
    group = Topics(settings).worker_group
    end = time.monotonic() + _PATIENCE_SECONDS
    with admin_client(settings) as admin:
        while time.monotonic() < end:
            # A new broker makes its offsets topic at the first question.
            with suppress(KafkaError):
                found = admin.describe_groups([group])[group]
                if found["group_state"] == "Stable" and len(found["members"]) == workers:
                    return
            time.sleep(0.2)
    raise Overdue(f"{workers} workers did not join within {_PATIENCE_SECONDS:.0f} s")
