"""The one command line of all benchmarks: `python -m benchmarks`, or `make bench`."""

import argparse
import json
import os
import platform
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks import claims, classifier, growth, idle, latency, readme, shapes, storage, throughput, workers
from benchmarks.neighbours import Neighbours, wait_for_quiet
from benchmarks.stage import Stage, stage
from benchmarks.systems import SYSTEMS

RESULTS = Path(__file__).parent / "results.json"


@dataclass(frozen=True)
class Size:
    """How much is measured: the whole, or a short run that shows that it works."""

    mentions: int
    rounds: int
    systems: tuple[str, ...]
    quick: bool
    patience: float

    def pick(self, whole: int, quick: int) -> int:
        """One of the two."""
        return quick if self.quick else whole


def _throughput(running: Stage, size: Size) -> list[dict[str, Any]]:
    cases = throughput.measure(
        running, size.mentions, size.rounds, [one for one in SYSTEMS if one.name in size.systems], size.patience
    )
    print(throughput.table(cases))
    return cases


PARTS: dict[str, Callable[[Stage, Size], Any]] = {
    "cases": _throughput,
    "latency": lambda running, size: latency.measure(running, size.pick(15, 2)),
    "classifier": lambda _, size: classifier.measure(size.pick(4_000, 500), size.pick(5, 1)),
    "claims": lambda running, size: claims.measure(running, size.pick(100_000, 8_000), size.pick(10, 1)),
    "growth": lambda running, size: growth.measure(running, size.pick(1_000_000, 10_000)),
    "shapes": lambda running, size: shapes.measure(running, size.pick(4_000, 200), size.pick(5, 1)),
    "workers": lambda running, size: workers.measure(running, size.pick(30_000, 500), size.pick(3, 1)),
    "storage": lambda running, size: storage.measure(running, size.pick(100_000, 500)),
    "idle": lambda running, size: idle.measure(running, size.pick(30, 1)),
}
"""What can be measured, by its name in results.json."""
QUICK_PARTS = ("cases", "classifier", "claims", "storage")
"""What the short form shows to work, within three minutes."""


def main() -> None:
    """Measure, print and write."""
    options = argparse.ArgumentParser(prog="make bench", description=__doc__)
    options.add_argument("--only", dest="parts", nargs="+", choices=PARTS, help="what to measure; all by default")
    options.add_argument("--quick", action="store_true", help="one short round, to show that it works")
    options.add_argument("--mentions", type=int, help="mentions in each run of a system")
    options.add_argument("--rounds", type=int, help="runs of each system")
    names = [system.name for system in SYSTEMS]
    options.add_argument("--systems", nargs="+", default=names, choices=names, help="whose throughput")
    options.add_argument("--out", type=Path, help="file for the results; benchmarks/results.json, or with --quick none")
    options.add_argument("--patience", type=float, default=0, help="longest wait for a quiet machine, each, seconds")
    options.add_argument("--readme", action="store_true", help="write the README's table from the results")
    chosen = options.parse_args()
    size = Size(
        mentions=chosen.mentions or (1_000 if chosen.quick else 20_000),
        rounds=chosen.rounds or (1 if chosen.quick else 5),
        systems=tuple(chosen.systems),
        quick=chosen.quick,
        patience=chosen.patience,
    )
    out: Path | None = chosen.out or (None if chosen.quick else RESULTS)
    results = read(out) if out else {}
    results |= {"machine": _machine(), "versions": _versions()}
    for part in chosen.parts or (QUICK_PARTS if chosen.quick else PARTS):
        print(f"{part}:", flush=True)
        # Services of its own, so that no part runs on the leavings of another.
        wait_for_quiet(size.patience)
        with stage() as running:
            neighbours = Neighbours()
            before = os.getloadavg()[0]
            results[part] = PARTS[part](running, size)
            others = round(neighbours.cores(), 2)
        load = {"before": round(before, 2), "after": round(os.getloadavg()[0], 2)}
        results.setdefault("runs", {})[part] = {"load": load, "others_cores": others}
        if part == "cases":
            results["runs"][part] |= {"mentions": size.mentions, "rounds": size.rounds}
        if out:
            out.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")
    if chosen.readme:
        readme.write(results)


def read(path: Path) -> dict[str, Any]:
    """The results that a file holds; none where there is no such file."""
    if not path.exists():
        return {}
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found


def _machine() -> dict[str, Any]:
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {
        "cores": os.cpu_count(),
        "memory_gb": round(memory / 1e9),
        "architecture": platform.machine(),
        "kernel": platform.system(),
        "python": platform.python_version(),
    }


def _versions() -> dict[str, str]:
    found: dict[str, str] = {}
    for system in SYSTEMS:
        if system.missing() is None:
            found |= {
                name if not system.elsewhere else f"{name} ({system.name})": it
                for name, it in system.versions().items()
            }
    return found


if __name__ == "__main__":
    main()
