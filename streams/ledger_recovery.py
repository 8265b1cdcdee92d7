"""The check of a ledger's folder at start: what a crash left is finished or removed, what is wrong is told.

Owns: deciding whether the files of a partition are whole. Nothing but unfinished files and parts that a joined file
holds is ever removed.
"""

import logging
import os
from collections.abc import Iterable, Sequence
from itertools import pairwise
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from silofrei.schemas.ledger import Part, part_of, uncovered
from silofrei.schemas.settings import ConfigurationError

log = logging.getLogger(__name__)

TOPIC_KEY = b"silofrei.topic"
"""Where a file's metadata name the topic."""
UNFINISHED = ".tmp"
"""Ending of a file that is being written."""


class LedgerError(ConfigurationError):
    """The ledger cannot go on by itself; the message names the file or offset and the fix."""


def recover(folder: Path, topic: str) -> list[Part]:
    """The files of one partition, in order and without holes.

    Args:
        folder: the partition's folder.
        topic: full name of the topic that the ledger must be of.

    Raises:
        LedgerError: files are missing, overlap, are damaged, or are of another topic.
        OSError: the folder cannot be read or written.
    """
    found = _find(folder)
    parts = uncovered(found)
    for before, after in pairwise(parts):
        _check_border(folder, before, after)
    if parts and not parts[-1].gap:
        _check_topic(folder, parts[-1], topic)
    covered = [part for part in found if part not in parts]
    if covered:
        _finish_join(folder, parts, covered)
    return parts


def remove(folder: Path, parts: Iterable[Part]) -> None:
    """Remove files that a joined one holds."""
    for part in parts:
        (folder / part.name).unlink()
    force(folder)


def force(folder: Path) -> None:
    """Make names of files that were added or removed safe from a power cut."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _find(folder: Path) -> list[Part]:
    found: list[Part] = []
    for path in sorted(folder.iterdir()):
        part = part_of(path.name)
        if part is not None:
            found.append(part)
        elif path.suffix == UNFINISHED:
            log.info("removing %s, which a crash left unfinished", path)
            path.unlink()
        else:
            log.warning("%s is no file of the ledger; it is left alone", path)
    return found


def _check_border(folder: Path, before: Part, after: Part) -> None:
    if after.start < before.end:
        raise LedgerError(
            f"{folder}: {before.name} and {after.name} overlap, so one of them is not from this ledger; "
            "move the wrong one out of the folder and start again"
        )
    if after.start > before.end:
        raise LedgerError(
            f"{folder}: no file covers the offsets from {before.end} to {after.start - 1}; put the missing file "
            f"back, or move all files from {after.name} on away: they are then read from Kafka again"
        )


def _check_topic(folder: Path, newest: Part, topic: str) -> None:
    found = (_footer(folder, newest).metadata or {}).get(TOPIC_KEY, b"").decode()
    if found != topic:
        raise LedgerError(
            f"{folder.parent}: this ledger belongs to topic '{found}', not to '{topic}'; "
            "set SILOFREI_LEDGER to another folder or correct SILOFREI_TOPIC_PREFIX"
        )


def _finish_join(folder: Path, parts: Sequence[Part], covered: Sequence[Part]) -> None:
    """A crash came between the joined file and the removal of its parts; the joined one is whole by its name."""
    for whole in parts:
        inside = [part for part in covered if whole.covers(part)]
        if inside and _row_count(folder, whole) < sum(_row_count(folder, part) for part in uncovered(inside)):
            raise LedgerError(
                f"{folder / whole.name}: has fewer rows than the files that it covers; "
                "move it out of the folder and start again"
            )
    log.info("%s: removing %d files that a joined one covers", folder, len(covered))
    remove(folder, covered)


def _row_count(folder: Path, part: Part) -> int:
    return 0 if part.gap else int(_footer(folder, part).num_rows)


def _footer(folder: Path, part: Part) -> pq.FileMetaData:
    try:
        return pq.read_metadata(folder / part.name)
    except pa.ArrowInvalid as error:
        raise LedgerError(
            f"{folder / part.name}: damaged ({error}); remove it, it is then read from Kafka again"
        ) from None
