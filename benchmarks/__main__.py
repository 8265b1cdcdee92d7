"""The one command line of all benchmarks: `python -m benchmarks`, or `make bench`."""

import argparse
import json
import os
import platform
from pathlib import Path
from typing import Any

from benchmarks import throughput
from benchmarks.stage import Stage, stage
from benchmarks.systems import SYSTEMS

RESULTS = Path(__file__).parent / "results.json"
PARTS = ("throughput",)


def main() -> None:
    """Measure, print and write."""
    options = argparse.ArgumentParser(prog="make bench", description=__doc__)
    options.add_argument("--only", dest="parts", nargs="+", default=PARTS, choices=PARTS, help="what to measure")
    options.add_argument("--quick", action="store_true", help="one short round, to show that it works")
    options.add_argument("--mentions", type=int, help="mentions in each run")
    options.add_argument("--rounds", type=int, help="runs of each system")
    names = [system.name for system in SYSTEMS]
    options.add_argument("--systems", nargs="+", default=names, choices=names, help="whose throughput")
    options.add_argument("--out", type=Path, default=RESULTS, help="file for the results, JSON")
    chosen = options.parse_args()
    mentions = chosen.mentions or (1_000 if chosen.quick else 20_000)
    rounds = chosen.rounds or (1 if chosen.quick else 5)
    results = read(chosen.out)
    results |= {"machine": _machine(), "versions": _versions()}
    with stage() as running:
        for part in chosen.parts:
            results |= _measured(part, running, mentions, rounds, chosen.systems)
    chosen.out.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")


def read(path: Path) -> dict[str, Any]:
    """The results that a file holds; none where there is no such file."""
    if not path.exists():
        return {}
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found


def _measured(part: str, running: Stage, mentions: int, rounds: int, systems: list[str]) -> dict[str, Any]:
    before = os.getloadavg()[0]
    cases = throughput.measure(running, mentions, rounds, [one for one in SYSTEMS if one.name in systems])
    print(throughput.table(cases))
    return {"mentions": mentions, "rounds": rounds, "load": [before, os.getloadavg()[0]], "cases": cases}


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
