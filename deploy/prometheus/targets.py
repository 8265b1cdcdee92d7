"""What Prometheus must scrape on one machine, and the folder that it can be started from.

Owns: the targets file and a copy of the configuration beside it. Refuses: starting Prometheus.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from importlib.resources import files
from pathlib import Path

CONFIG = "prometheus.yml"
TARGETS = Path("targets", "silofrei.json")


class Role(StrEnum):
    """What a process does; a label of its every series."""

    WORKER = "worker"
    RELAY = "relay"
    LEDGER = "ledger"
    DESK = "desk"


@dataclass(frozen=True, slots=True)
class Target:
    """One process with a metrics port.

    Attributes:
        role: what it does.
        instance: a name that it keeps over restarts, such as `worker-0`; the address may change under it.
        address: HOST:PORT of its metrics.
    """

    role: Role
    instance: str
    address: str


def write_targets(path: Path, targets: Iterable[Target]) -> None:
    """Write the targets for Prometheus' file discovery; a reader sees the old file or the new one, never a part.

    Args:
        path: the file, ending in .json; its folder is made where it is missing.
        targets: all processes to scrape; none leaves an empty list, so that Prometheus forgets the former ones.
    """
    groups = [
        {"targets": [target.address], "labels": {"role": target.role.value, "instance": target.instance}}
        for target in targets
    ]
    path.parent.mkdir(parents=True, exist_ok=True)
    # Not *.json, or Prometheus would read the half-written file.
    part = path.with_name(path.name + ".part")
    part.write_text(json.dumps(groups, indent=2) + "\n", encoding="utf-8")
    part.replace(path)


def lay_out(folder: Path, targets: Iterable[Target]) -> Path:
    """Fill a folder so that `prometheus --config.file=FOLDER/prometheus.yml` watches these processes.

    Args:
        folder: where to put configuration, rules and targets; those of an earlier start are replaced, other files
            (Prometheus' data, further rules and targets) stay.
        targets: all processes to scrape.

    Returns:
        The path of the configuration.
    """
    source = files(__package__)
    (folder / "rules").mkdir(parents=True, exist_ok=True)
    for rule in (source / "rules").iterdir():
        if rule.name.endswith(".yml"):
            (folder / "rules" / rule.name).write_text(rule.read_text(encoding="utf-8"), encoding="utf-8")
    config = folder / CONFIG
    config.write_text((source / CONFIG).read_text(encoding="utf-8"), encoding="utf-8")
    write_targets(folder / TARGETS, targets)
    return config
