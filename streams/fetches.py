"""Fetches and the ledger of offsets: what was taken from Kafka, and up to where it may be committed.

Owns: the rule that a commit never passes a record that was not applied. Refuses: Faust and the network, so that the
rule can be tested alone. Used from two threads: fetches begin in the consumer's, the rest happens in the worker's.
"""

import asyncio
import time
from collections import deque
from collections.abc import Iterable, Sequence
from threading import Lock
from typing import Protocol

from aiokafka import TopicPartition


class Record(Protocol):
    """What the worker reads of a Kafka record."""

    @property
    def topic(self) -> str:
        """Name of the topic."""

    @property
    def partition(self) -> int:
        """Number of the partition."""

    @property
    def offset(self) -> int:
        """Place within the partition."""

    @property
    def value(self) -> bytes | None:
        """The record's bytes; None is a tombstone."""


class Fetch:
    """The records of one partition that one fetch returned, one after the other.

    Attributes:
        tp: topic and partition.
        records: at least one.
        size: bytes of its records' values.
        taken_at: when it was fetched, seconds of the monotonic clock.
        halt: set when the partition is being taken away or the worker stops: end as soon as something fails. Fetches
            of one haul share it.
        halted: whether that is so for this very fetch.
        forgotten: the partition was taken away or read anew; somebody gets these records again.
        settled: every record has left in one of the three ways.
    """

    __slots__ = ("__weakref__", "forgotten", "halt", "halted", "records", "settled", "size", "taken_at", "tp")

    def __init__(self, tp: TopicPartition, records: Sequence[Record]) -> None:
        self.tp = tp
        self.records = tuple(records)
        self.size = sum(len(record.value) for record in self.records if record.value is not None)
        self.taken_at = time.monotonic()
        self.halt = asyncio.Event()
        self.halted = False
        self.forgotten = False
        self.settled = False

    @property
    def first_offset(self) -> int:
        """Offset of the first record."""
        return self.records[0].offset

    @property
    def last_offset(self) -> int:
        """Offset of the last record."""
        return self.records[-1].offset

    def stop(self) -> None:
        """Ask for it to be finished at once or let go; called from both threads."""
        # In this order, see Haul.
        self.halted = True
        self.halt.set()


class Haul:
    """Fetches that are brought to their end together, and halted together.

    Attributes:
        fetches: those of a partition in their order.
        records: of all fetches.
        halt: set as soon as one of them is halted.
    """

    def __init__(self, fetches: Sequence[Fetch]) -> None:
        self.fetches = fetches
        self.records = [record for fetch in fetches for record in fetch.records]
        self.halt = asyncio.Event()
        for fetch in fetches:
            # The other thread writes `halted` and then reads `halt`; here it is the other way round, so neither misses.
            fetch.halt = self.halt
            if fetch.halted:
                self.halt.set()


class OffsetLedger:
    """Which fetches are in hand, and the offset up to which each partition may be committed.

    A fetch enters in the very step that takes it from the client, so that none can be lost between client and worker
    without holding the commit back. Only `settle` lets a commit move: an ack that Faust makes by itself, for what it
    skips in a rebalance, counts for nothing. Offsets missing between records (compaction, transaction markers) hold
    nothing back, since only fetches count.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._held: dict[TopicPartition, deque[Fetch]] = {}
        self._committable: dict[TopicPartition, int] = {}

    def take(self, fetch: Fetch) -> None:
        """A fetch left the client; its partition's commit waits for it."""
        with self._lock:
            self._held.setdefault(fetch.tp, deque()).append(fetch)

    def settle(self, fetch: Fetch) -> None:
        """Every record of the fetch has been applied. Without effect once the fetch is forgotten."""
        with self._lock:
            fetch.settled = True
            held = self._held.get(fetch.tp)
            while held and held[0].settled:
                self._committable[fetch.tp] = held.popleft().last_offset + 1

    def committable(self, tp: TopicPartition) -> int | None:
        """Where to commit: behind the last record of the unbroken run of settled fetches; None before the first."""
        with self._lock:
            return self._committable.get(tp)

    def partitions(self) -> list[TopicPartition]:
        """Partitions that have something to commit."""
        with self._lock:
            return list(self._committable)

    def first_held(self, tp: TopicPartition) -> int | None:
        """Offset of the first record in hand that is not yet behind the committable offset; None without one."""
        with self._lock:
            held = self._held.get(tp)
            return held[0].first_offset if held else None

    def forget(self, tps: Iterable[TopicPartition]) -> None:
        """The partitions were taken away: nothing in hand counts, and what was applied is no longer ours to commit."""
        with self._lock:
            for tp in tps:
                self._committable.pop(tp, None)
                self._let_go(tp)

    def let_go(self, tp: TopicPartition) -> None:
        """The partition is read anew: nothing in hand counts, what was applied may still be committed."""
        with self._lock:
            self._let_go(tp)

    def _let_go(self, tp: TopicPartition) -> None:
        for fetch in self._held.pop(tp, ()):
            fetch.forgotten = True
            fetch.stop()

    def halt(self) -> None:
        """Ask for everything in hand to be finished at once or let go."""
        with self._lock:
            for held in self._held.values():
                for fetch in held:
                    fetch.stop()
