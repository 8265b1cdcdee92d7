"""The ledger's files: written so that a crash at any moment leaves either the old state or the new one.

Owns: the lock, writing, and joining small files; ledger_recovery.py checks and heals at start. Refuses: Kafka. The
files are the truth about how far the ledger has come; `schemas/ledger.py` names them. Every file is written beside
its place, forced to disk and renamed, so a name stands for a whole file.
"""

import errno
import fcntl
import logging
import os
import socket
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from silofrei.schemas.ledger import EVENTS_FOLDER, Part, partition_folder, partition_of
from silofrei.streams.ledger_recovery import TOPIC_KEY, UNFINISHED, LedgerError, force, recover, remove
from silofrei.streams.ledger_rows import SCHEMA, ledger_table

log = logging.getLogger(__name__)

JOIN_COUNT = 50
"""So many neighbouring small files become one."""
SMALL_BYTES = 4 * 1024 * 1024
"""A file below this is small."""
_JOIN_WINDOW = 1000
"""Only so many of the newest files are looked at: older ones were joined when they were new."""
_ROW_GROUP = 50_000


class LastRow(NamedTuple):
    """The last row of a partition, to be compared with what Kafka has at that offset."""

    offset: int
    event_id: str | None


class LedgerFiles:
    """The files of one ledger, for one writer.

    Args:
        folder: the ledger's folder; created where it is missing.
        topic: full name of the topic; a ledger of another topic is refused.
    """

    def __init__(self, folder: Path, topic: str) -> None:
        self._folder = folder
        self._events = folder / EVENTS_FOLDER
        self._schema = SCHEMA.with_metadata({TOPIC_KEY: topic.encode()})
        self._topic = topic
        self._parts: dict[int, list[Part]] = {}

    @contextmanager
    def opened(self) -> Iterator["LedgerFiles"]:
        """Hold the lock, remove what a crash left, and check that every partition is whole.

        Raises:
            LedgerError: another process writes this ledger, files are missing or overlap, or the folder is unusable.
        """
        with self._usable():
            self._events.mkdir(parents=True, exist_ok=True)
        with (self._folder / "ledger.lock").open("a+", encoding="utf-8") as lock:
            self._take(lock)
            with self._usable():
                found = [partition_of(folder.name) for folder in self._events.iterdir() if folder.is_dir()]
                partitions = sorted(partition for partition in found if partition is not None)
                self._parts = {one: recover(self._folder_of(one), self._topic) for one in partitions}
            yield self

    def partitions(self) -> list[int]:
        """The partitions that have files."""
        return sorted(partition for partition, parts in self._parts.items() if parts)

    def end(self, partition: int) -> int | None:
        """The first offset that no file covers; None where there is no file."""
        parts = self._parts.get(partition)
        return parts[-1].end if parts else None

    def last_row(self, partition: int) -> LastRow | None:
        """The last row written; None where the newest file is a gap, has no rows, or none is there."""
        parts = self._parts.get(partition)
        if not parts or parts[-1].gap:
            return None
        with pq.ParquetFile(self._path(partition, parts[-1])) as file:
            if file.num_row_groups == 0:
                return None
            rows = file.read_row_group(file.num_row_groups - 1, columns=["offset", "event_id"])
        last = rows.slice(rows.num_rows - 1).to_pylist()
        return LastRow(**last[0]) if last else None

    def write(self, partition: int, end: int, rows: Sequence[Mapping[str, Any]]) -> Part:
        """Add the next file of a partition; it starts where the last one ends.

        Args:
            partition: the partition.
            end: offset after the last row.
            rows: the rows in order of their offsets, at least one.

        Raises:
            LedgerError: the file cannot be written.
        """
        start = self.end(partition)
        if not (start or 0) <= rows[0]["offset"] <= rows[-1]["offset"] < end:
            raise ValueError(f"rows from {rows[0]['offset']} to {rows[-1]['offset']} cannot follow offset {start}")
        part = Part(rows[0]["offset"] if start is None else start, end)
        table = ledger_table(rows).cast(self._schema)
        with self._usable(), self._replacing(partition, part) as file:
            pq.write_table(table, file, compression="zstd")
        self._parts.setdefault(partition, []).append(part)
        return part

    def write_gap(self, partition: int, end: int) -> Part:
        """Record that Kafka had deleted everything from the end of the last file up to `end` before it was read."""
        start = self.end(partition)
        if start is None:
            raise ValueError("a partition without files cannot have a gap")
        part = Part(start, end, gap=True)
        with self._usable(), self._replacing(partition, part):
            pass
        self._parts[partition].append(part)
        return part

    def join_small(self, partition: int) -> Part | None:
        """Join the first run of `JOIN_COUNT` neighbouring small files into one; None where there is no such run."""
        parts = self._parts.get(partition, [])
        with self._usable():
            old = self._small_run(partition, parts[-_JOIN_WINDOW:])
            if not old:
                return None
            joined = Part(old[0].start, old[-1].end)
            with self._replacing(partition, joined) as file:
                self._copy(partition, old, file)
            remove(self._folder_of(partition), old)
        first = parts.index(old[0])
        parts[first : first + len(old)] = [joined]
        return joined

    def _small_run(self, partition: int, parts: Sequence[Part]) -> list[Part]:
        run: list[Part] = []
        for part in parts:
            small = not part.gap and self._path(partition, part).stat().st_size < SMALL_BYTES
            run = [*run, part] if small else []
            if len(run) == JOIN_COUNT:
                return run
        return []

    def _folder_of(self, partition: int) -> Path:
        return self._events / partition_folder(partition)

    def _path(self, partition: int, part: Part) -> Path:
        return self._folder_of(partition) / part.name

    def _take(self, lock: IO[str]) -> None:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno not in (errno.EAGAIN, errno.EACCES):
                raise LedgerError(f"{lock.name}: cannot be locked: {error.strerror}; use a local disk") from None
            lock.seek(0)
            holder = lock.read().strip() or "another process"
            raise LedgerError(
                f"{self._folder}: this ledger is being written by {holder}; stop that one first, "
                "or set SILOFREI_LEDGER to a folder of its own"
            ) from None
        lock.truncate(0)
        lock.write(f"process {os.getpid()} on {socket.gethostname()}\n")
        lock.flush()

    def _copy(self, partition: int, parts: Sequence[Part], file: IO[bytes]) -> None:
        waiting: list[pa.Table] = []
        with pq.ParquetWriter(file, self._schema, compression="zstd") as writer:
            for part in parts:
                waiting.append(pq.read_table(self._path(partition, part), partitioning=None).cast(self._schema))
                if sum(table.num_rows for table in waiting) >= _ROW_GROUP:
                    writer.write_table(pa.concat_tables(waiting))
                    waiting = []
            if waiting:
                writer.write_table(pa.concat_tables(waiting))

    @contextmanager
    def _replacing(self, partition: int, part: Part) -> Iterator[IO[bytes]]:
        """A file to write that takes the part's name once it is whole and on disk."""
        path = self._path(partition, part)
        if not path.parent.is_dir():
            path.parent.mkdir()
            force(self._events)
        unfinished = path.with_name(path.name + UNFINISHED)
        with unfinished.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(path)
        force(path.parent)

    @contextmanager
    def _usable(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise LedgerError(
                f"{self._folder}: cannot be written: {error.strerror or error}; check space and rights, "
                "or set SILOFREI_LEDGER to another folder"
            ) from None
