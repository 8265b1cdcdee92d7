"""Reading `tickets.events` for the ledger: from where, and whether topic and files belong together.

Owns: the connections. Positions come from the files; two consumers share the work, since aiokafka's group coordinator
bears no change of an assignment made by hand: one without a group reads, one with a group commits, which only shows
operators the lag. Every method raises `KafkaError`, `OSError` or `TimeoutError` while Kafka is away.
"""

import asyncio
import logging
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.errors import KafkaConnectionError, KafkaError

from silofrei.routing.metrics import CONSUMER_LAG
from silofrei.schemas.settings import Settings
from silofrei.streams.kafka_clients import aiokafka_options
from silofrei.streams.ledger_files import LedgerFiles
from silofrei.streams.ledger_recovery import LedgerError
from silofrei.streams.ledger_rows import ledger_row
from silofrei.streams.topics import Topics

log = logging.getLogger(__name__)

METADATA_MS = 30_000
"""How soon new partitions are noticed."""
_ANSWER_SECONDS = 15.0
_CLOSE_SECONDS = 3.0
"""Longest wait for what matters little: a commit, a good-bye."""
_TOPIC_SECONDS = 2.0
"""Longest wait for the first word of a topic."""


class LedgerReader:
    """Reads all partitions of the topic from where the files end.

    Args:
        settings: where Kafka is.
        files: the opened files.
    """

    def __init__(self, settings: Settings, files: LedgerFiles) -> None:
        self._files = files
        topics = Topics(settings)
        self._topic = topics.events
        options: dict[str, Any] = {
            **aiokafka_options(settings),
            "enable_auto_commit": False,
            # Never skip by itself: what is missing must be told.
            "auto_offset_reset": "none",
            "metadata_max_age_ms": METADATA_MS,
        }
        self._reader = AIOKafkaConsumer(**options)
        self._committer = AIOKafkaConsumer(**options, group_id=topics.ledger_group)
        self._assigned: list[TopicPartition] = []

    async def open(self) -> None:
        """Connect and find out from where to read.

        Raises:
            LedgerError: the topic is not the one that the files are of.
        """
        async with asyncio.timeout(_ANSWER_SECONDS):
            await self._reader.start()
        found = await self._partitions()
        gone = set(self._files.partitions()) - found
        if gone:
            raise LedgerError(self._recreated(f"has no partition {min(gone)}, the ledger has"))
        partitions = [TopicPartition(self._topic, partition) for partition in sorted(found)]
        async with asyncio.timeout(_ANSWER_SECONDS):
            begins = await self._reader.beginning_offsets(partitions)
            ends = await self._reader.end_offsets(partitions)
        starts = {tp: await self._start(tp, begins[tp], ends[tp]) for tp in partitions}
        self._reader.assign(partitions)
        for tp, start in starts.items():
            self._reader.seek(tp, start)
        self._committer.assign(partitions)
        self._committer.pause(*partitions)
        async with asyncio.timeout(_ANSWER_SECONDS):
            await self._committer.start()
        self._assigned = partitions
        log.info("following %s from %s", self._topic, ", ".join(f"{tp.partition}:{at}" for tp, at in starts.items()))

    async def close(self) -> None:
        """Close the connections."""
        for consumer in (self._reader, self._committer):
            with suppress(TimeoutError, KafkaError, OSError):
                async with asyncio.timeout(_CLOSE_SECONDS):
                    await consumer.stop()

    async def fetch(self, milliseconds: int, most: int) -> dict[int, Sequence[ConsumerRecord]]:
        """New records by partition, in the order of their offsets; empty when none came in time."""
        fetched = await self._reader.getmany(timeout_ms=milliseconds, max_records=most)
        return {tp.partition: records for tp, records in fetched.items()}

    @property
    def outgrown(self) -> bool:
        """Whether the topic has other partitions than are read; open another reader then."""
        found = self._reader.partitions_for_topic(self._topic)
        return found is not None and found != {tp.partition for tp in self._assigned}

    async def show_lag(self, seconds: float = _ANSWER_SECONDS) -> None:
        """Tell operators how far the files are; notices a Kafka that is away, too, which fetches would hide."""
        async with asyncio.timeout(seconds):
            ends = await self._reader.end_offsets(self._assigned)
        done = {tp: self._files.end(tp.partition) for tp in self._assigned}
        for tp, end in ends.items():
            CONSUMER_LAG.labels(tp.topic, tp.partition).set(max(0, end - (done[tp] or 0)))
        await self._commit({tp: end for tp, end in done.items() if end is not None})

    async def _commit(self, ends: dict[TopicPartition, int]) -> None:
        if not ends:
            return
        try:
            async with asyncio.timeout(_CLOSE_SECONDS):
                await self._committer.commit(ends)
        except (KafkaError, TimeoutError) as error:
            # The files know the position; the next look commits it.
            log.warning("cannot commit how far the ledger is: %s", str(error) or type(error).__name__)

    async def _partitions(self) -> set[int]:
        """The topic's partitions; a consumer learns only of topics that it has something of."""
        any_partition = TopicPartition(self._topic, 0)
        self._reader.assign([any_partition])
        self._reader.seek(any_partition, 0)
        self._reader.pause(any_partition)
        with suppress(TimeoutError):
            async with asyncio.timeout(_TOPIC_SECONDS):
                while True:
                    found: set[int] | None = self._reader.partitions_for_topic(self._topic)
                    if found:
                        return found
                    await asyncio.sleep(0.05)
        raise KafkaConnectionError(f"topic {self._topic} is missing; `silofrei topics` creates it")

    async def _start(self, tp: TopicPartition, begin: int, end: int) -> int:
        ours = self._files.end(tp.partition)
        if ours is None:
            if begin > 0:
                log.warning("partition %d: Kafka has deleted what was before offset %d", tp.partition, begin)
            return begin
        if ours > end:
            what = f"ends at offset {end} in partition {tp.partition}, the ledger at {ours}"
            raise LedgerError(self._recreated(what))
        if ours < begin:
            log.error(
                "partition %d: offsets %d to %d were deleted by Kafka's retention before the ledger read them; "
                "raise SILOFREI_RETENTION_EVENTS_HOURS (-1 keeps all)",
                tp.partition,
                ours,
                begin - 1,
            )
            await asyncio.to_thread(self._files.write_gap, tp.partition, begin)
            return begin
        await self._compare_last(tp, begin)
        return ours

    async def _compare_last(self, tp: TopicPartition, begin: int) -> None:
        """A topic that was deleted and filled again may be as long as the old one; its events are others."""
        last = await asyncio.to_thread(self._files.last_row, tp.partition)
        if last is None or last.offset < begin:
            return
        self._reader.assign([tp])
        self._reader.seek(tp, last.offset)
        async with asyncio.timeout(_ANSWER_SECONDS):
            record = await self._reader.getone(tp)
        found = ledger_row(record.offset, record.value).get("event_id")
        if record.offset == last.offset and found != last.event_id:
            what = f"has another event at offset {last.offset} of partition {tp.partition} than the ledger"
            raise LedgerError(self._recreated(what))

    def _recreated(self, difference: str) -> str:
        return (
            f"topic {self._topic} {difference}: it was created anew, or the ledger belongs to another cluster. "
            "Move the ledger's folder away (its history stays readable there) and start again, "
            "or correct SILOFREI_KAFKA or SILOFREI_LEDGER"
        )
