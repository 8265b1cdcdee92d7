"""The ledger on disk: how its files are named, so that writer and readers agree without knowing each other.

    LEDGER/tickets.events/partition=3/00000000000000000000-00000000000000000812.parquet
    LEDGER/tickets.events/partition=3/00000000000000000812-00000000000000000900.gap

A file holds the events of one partition from the first offset to the second, which is exclusive; the end of the last
file is the position of the writer. A `.gap` says that Kafka had already deleted these offsets. One file may cover
others while small ones are joined; `uncovered` leaves out those that are covered, and since events repeat in Kafka
itself, a reader drops repeats by `event_id`.
"""

import re
from collections.abc import Iterable
from typing import NamedTuple

EVENTS_FOLDER = "tickets.events"
"""Folder of the events within the ledger, whatever prefix the topic has."""

_PARTITION = re.compile(r"partition=(\d{1,9})")
_PART = re.compile(r"(\d{20})-(\d{20})\.(parquet|gap)")


class Part(NamedTuple):
    """What one file covers: offsets `start` to `end` (exclusive); a gap has no events."""

    start: int
    end: int
    gap: bool = False

    @property
    def name(self) -> str:
        """The file's name; names sort as offsets do."""
        return f"{self.start:020d}-{self.end:020d}.{'gap' if self.gap else 'parquet'}"

    def covers(self, other: "Part") -> bool:
        """Whether this file holds all that `other` holds."""
        return self.start <= other.start and other.end <= self.end


def part_of(name: str) -> Part | None:
    """What the file with this name covers; None where it is no file of the ledger."""
    match = _PART.fullmatch(name)
    if match is None:
        return None
    part = Part(int(match[1]), int(match[2]), match[3] == "gap")
    return part if part.start < part.end else None


def partition_folder(partition: int) -> str:
    """Name of a partition's folder."""
    return f"partition={partition}"


def partition_of(name: str) -> int | None:
    """The partition whose folder has this name; None where it is no such folder."""
    match = _PARTITION.fullmatch(name)
    return int(match[1]) if match else None


def uncovered(parts: Iterable[Part]) -> list[Part]:
    """The parts in order, without those that another part covers whole."""
    kept: list[Part] = []
    for part in sorted(parts, key=lambda part: (part.start, -part.end, part.gap)):
        if not (kept and kept[-1].covers(part)):
            kept.append(part)
    return kept
