"""The ledger: `tickets.events` as Parquet files, every offset exactly once.

Owns: reading the topic and deciding from where. The position comes from the files (ledger_files.py); the group's
committed offsets only show operators the lag. One process reads all partitions, assigned by hand: there is no group to
rebalance, and the lock on the folder keeps a second writer away. Kafka away: it waits, for ever.
"""

import asyncio
import logging
import signal
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaConnectionError, KafkaError

from silofrei.routing.metrics import CONSUMER_LAG, DEPENDENCY_UP, LEDGER_ROWS, RETRIES, Dependency
from silofrei.schemas.settings import Settings
from silofrei.streams.backoff import Backoff
from silofrei.streams.kafka_clients import admin_client, aiokafka_options
from silofrei.streams.ledger_files import LedgerError, LedgerFiles
from silofrei.streams.ledger_rows import UNREADABLE, ledger_row
from silofrei.streams.metrics_port import serve_metrics
from silofrei.streams.topics import Topics

log = logging.getLogger(__name__)

_ASK_MS = 250
"""Longest wait for new records; also how soon a stop is noticed."""
_FETCH_RECORDS = 5000
_METADATA_MS = 30_000
"""How soon new partitions are noticed."""
_ANSWER_SECONDS = 15.0
_LAST_SECONDS = 3.0
"""Longest wait for Kafka when ending; all that counts is in the files by then."""
_LOOK_SECONDS = 5.0
"""How often the lag is measured while nothing comes."""


@dataclass(frozen=True, slots=True)
class Flush:
    """When rows become files: at so many rows, or so many seconds after the first."""

    rows: int = 20_000
    seconds: float = 2.0


class Ledger:
    """The writer of one ledger.

    Args:
        settings: where Kafka is.
        files: the opened files.
        flush: how many rows and seconds go into a file.
        monotonic: seconds of a clock that never goes back.
    """

    def __init__(
        self,
        settings: Settings,
        files: LedgerFiles,
        *,
        flush: Flush = Flush(),
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._settings = settings
        self._topics = Topics(settings)
        self._files = files
        self._flush_when = flush
        self._monotonic = monotonic
        self._rows: dict[int, list[dict[str, Any]]] = {}
        self._since: float | None = None

    async def run(self, stop: asyncio.Event) -> None:
        """Follow the topic until `stop`; what was read by then is written.

        Raises:
            LedgerError: topic and files do not belong together, or the files cannot be written.
        """
        backoff = Backoff(self._settings.retry_cap)
        while not stop.is_set():
            try:
                await self._follow(stop, backoff)
            except (KafkaError, OSError, TimeoutError) as error:
                # Rows that were read are good whatever became of the connection.
                await self._write()
                DEPENDENCY_UP.labels(Dependency.KAFKA).set(0)
                RETRIES.labels(Dependency.KAFKA).inc()
                log.warning("Kafka: %s; trying again", str(error) or type(error).__name__)
                await backoff.pause(stop)

    async def _follow(self, stop: asyncio.Event, backoff: Backoff) -> None:
        consumer = AIOKafkaConsumer(
            **aiokafka_options(self._settings),
            group_id=self._topics.ledger_group,
            enable_auto_commit=False,
            auto_offset_reset="none",
            metadata_max_age_ms=_METADATA_MS,
        )
        try:
            async with asyncio.timeout(_ANSWER_SECONDS):
                await consumer.start()
            assigned = await self._assign(consumer)
            looked = self._monotonic()
            while not stop.is_set():
                DEPENDENCY_UP.labels(Dependency.KAFKA).set(1)
                backoff.reset()
                self._take(await consumer.getmany(timeout_ms=_ASK_MS, max_records=_FETCH_RECORDS))
                if self._due():
                    await self._write()
                    looked = 0.0
                if self._monotonic() - looked >= _LOOK_SECONDS:
                    await self._show_lag(consumer, assigned)
                    looked = self._monotonic()
                if consumer.partitions_for_topic(self._topics.events) != {tp.partition for tp in assigned}:
                    await self._write()
                    assigned = await self._assign(consumer)
            await self._write()
            await self._show_lag(consumer, assigned, seconds=_LAST_SECONDS)
        finally:
            with suppress(TimeoutError, KafkaError):
                async with asyncio.timeout(_LAST_SECONDS):
                    await consumer.stop()

    async def _assign(self, consumer: AIOKafkaConsumer) -> list[TopicPartition]:
        """Assign all partitions of the topic, each from where its files end."""
        topic = self._topics.events
        found = await self._partitions(consumer, topic)
        gone = set(self._files.partitions()) - found
        if gone:
            raise LedgerError(self._recreated(f"has no partition {min(gone)}, the ledger has"))
        partitions = [TopicPartition(topic, partition) for partition in sorted(found)]
        async with asyncio.timeout(_ANSWER_SECONDS):
            begins = await consumer.beginning_offsets(partitions)
            ends = await consumer.end_offsets(partitions)
        starts = {tp: await self._start(consumer, tp, begins[tp], ends[tp]) for tp in partitions}
        consumer.assign(partitions)
        for tp, start in starts.items():
            consumer.seek(tp, start)
        log.info("following %s from %s", topic, ", ".join(f"{tp.partition}:{at}" for tp, at in starts.items()))
        return partitions

    async def _partitions(self, consumer: AIOKafkaConsumer, topic: str) -> set[int]:
        """The topic's partitions; a consumer learns only of topics that it has something of."""
        any_partition = TopicPartition(topic, 0)
        consumer.assign([any_partition])
        consumer.seek(any_partition, 0)
        consumer.pause(any_partition)
        for _ in range(20):
            found: set[int] | None = consumer.partitions_for_topic(topic)
            if found:
                return found
            await asyncio.sleep(0.1)
        raise KafkaConnectionError(f"topic {topic} is missing; `silofrei topics` creates it")

    async def _start(self, consumer: AIOKafkaConsumer, tp: TopicPartition, begin: int, end: int) -> int:
        ours = self._files.end(tp.partition)
        if ours is None:
            if begin > 0:
                log.warning(
                    "partition %d: the ledger begins at offset %d, Kafka has deleted what was before", *tp[1:], begin
                )
            return begin
        if ours > end:
            raise LedgerError(
                self._recreated(f"ends at offset {end} in partition {tp.partition}, the ledger at {ours}")
            )
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
        await self._compare_last(consumer, tp, begin)
        return ours

    async def _compare_last(self, consumer: AIOKafkaConsumer, tp: TopicPartition, begin: int) -> None:
        """A topic that was deleted and filled again may be as long as the old one; its events are others."""
        last = self._files.last_row(tp.partition)
        if last is None or last.offset < begin:
            return
        consumer.assign([tp])
        consumer.seek(tp, last.offset)
        async with asyncio.timeout(_ANSWER_SECONDS):
            record = await consumer.getone(tp)
        found = ledger_row(record.offset, record.value).get("event_id")
        if record.offset == last.offset and found != last.event_id:
            what = f"has another event at offset {last.offset} of partition {tp.partition} than the ledger"
            raise LedgerError(self._recreated(what))

    def _recreated(self, difference: str) -> str:
        return (
            f"topic {self._topics.events} {difference}: it was created anew, or the ledger belongs to another cluster. "
            "Move the ledger's folder away (its history stays readable there) and start again, "
            "or correct SILOFREI_KAFKA or SILOFREI_LEDGER"
        )

    def _take(self, fetched: dict[TopicPartition, list[Any]]) -> None:
        for tp, records in fetched.items():
            added = [ledger_row(record.offset, record.value) for record in records]
            self._rows.setdefault(tp.partition, []).extend(added)
            unreadable = [row["offset"] for row in added if row["type"] == UNREADABLE]
            if unreadable:
                log.error(
                    "partition %d: %d records, the first at offset %d, are no events that this version reads; "
                    "their offsets are kept, reports leave them out",
                    tp.partition,
                    len(unreadable),
                    unreadable[0],
                )
        if self._since is None and any(self._rows.values()):
            self._since = self._monotonic()

    def _due(self) -> bool:
        if self._since is None:
            return False
        waited = self._monotonic() - self._since
        return waited >= self._flush_when.seconds or sum(map(len, self._rows.values())) >= self._flush_when.rows

    async def _write(self) -> None:
        rows, self._rows, self._since = self._rows, {}, None
        await asyncio.to_thread(self._write_files, rows)

    def _write_files(self, rows: dict[int, list[dict[str, Any]]]) -> None:
        for partition, added in rows.items():
            self._files.write(partition, added[-1]["offset"] + 1, added)
            LEDGER_ROWS.inc(len(added))
            joined = self._files.join_small(partition)
            if joined:
                log.info("partition %d: joined small files into %s", partition, joined.name)

    async def _show_lag(
        self, consumer: AIOKafkaConsumer, assigned: Iterable[TopicPartition], *, seconds: float = _ANSWER_SECONDS
    ) -> None:
        """Tell operators how far we are; also notices a Kafka that is away, which the fetches would hide."""
        async with asyncio.timeout(seconds):
            ends = await consumer.end_offsets(list(assigned))
            done = {tp: self._files.end(tp.partition) for tp in assigned}
            committed = {tp: end for tp, end in done.items() if end is not None}
            if committed:
                await consumer.commit(committed)
        for tp, end in ends.items():
            CONSUMER_LAG.labels(tp.topic, tp.partition).set(max(0, end - (done[tp] or 0)))


def run_ledger(settings: Settings) -> int:
    """Write the ledger until SIGTERM or SIGINT; 0 then.

    Raises:
        LedgerError: the ledger cannot go on by itself.
        ConfigurationError: no broker answers, or the metrics port is taken.
    """
    with admin_client(settings):
        pass  # a wrong address shall be told at once; later outages are waited for
    serve_metrics(settings)
    with LedgerFiles(settings.ledger_folder, Topics(settings).events).opened() as files:
        asyncio.run(_until_stopped(Ledger(settings, files)))
    return 0


async def _until_stopped(ledger: Ledger) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await ledger.run(stop)
