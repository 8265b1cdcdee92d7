"""Sending events to Kafka so that the order within a key holds whatever fails.

Owns: the producer and its end. Records go out in waves: at most one batch per partition is under way, and the next
waits for its ack. A batch is taken whole or not at all, so a partition always holds a beginning of what it was to get.
Whoever sends the same records again only repeats some, and a reader that drops repeats by `event_id` has the order.
The producer is idempotent on top, so its own repeated requests leave no repeats. After any failure it is replaced,
since the broker then expects sequence numbers that the old one no longer has.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from functools import lru_cache
from itertools import islice
from typing import NamedTuple

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError, MessageSizeTooLargeError

from silofrei.routing.metrics import DEPENDENCY_UP, Dependency
from silofrei.schemas.settings import Settings
from silofrei.streams.dead_letter_writer import KafkaAway
from silofrei.streams.kafka_clients import aiokafka_producer_options
from silofrei.streams.murmur import partition_of
from silofrei.streams.producer_end import stop_producer
from silofrei.streams.topics import raw_record_bytes

_BATCH_BYTES = 512 * 1024
_LATE_SECONDS = 5.0
"""After so long without an ack the metrics tell that Kafka is away."""
_ANSWER_SECONDS = 45.0
"""Longest wait for the acks of a wave; above the client's own limit for one request."""
_OVERHEAD = 1024
"""Room for the frame of a record and its batch."""


Place = tuple[str, int]
"""Topic and partition."""


class EventRecord(NamedTuple):
    """A record for one topic; `number` is the caller's, to know it again."""

    topic: str
    key: bytes
    value: bytes
    number: int


class TooLarge(Exception):  # noqa: N818  # it names the state of the record
    """The broker takes no record of this size; `record` is the one."""

    def __init__(self, record: EventRecord) -> None:
        super().__init__(f"{record.topic} takes no record of {len(record.value)} bytes")
        self.record = record


class EventProducer:
    """Sends records in order; connects when it first sends.

    Args:
        settings: where Kafka is and how large a record may be.
        may_send: asked before each wave; raises where this process must not send any more.
    """

    def __init__(self, settings: Settings, may_send: Callable[[], None] = lambda: None) -> None:
        self._settings = settings
        self._limit = raw_record_bytes(settings) - _OVERHEAD
        self._may_send = may_send
        self._producer: AIOKafkaProducer | None = None
        self._under_way: dict[asyncio.Future[object], tuple[Place, int]] = {}
        self._most: int | None = None

    async def send(self, records: Sequence[EventRecord]) -> None:
        """Send the records and wait until all in-sync replicas have them.

        Args:
            records: in the order that must hold for records of the same topic and key.

        Raises:
            TooLarge: one of them is too large; none of its partition that come after it are on Kafka.
            KafkaAway: not all were taken; repeat the call.
        """
        for record in records:
            if len(record.key) + len(record.value) > self._limit:
                raise TooLarge(record)
        try:
            waiting = await self._by_partition(records)
            while waiting:
                self._may_send()
                await self._wave(waiting)
        except (KafkaError, OSError, TimeoutError) as error:
            await self.abandon()
            raise KafkaAway(f"it does not take events ({str(error) or type(error).__name__}).") from error
        except BaseException:
            # Too large, cancelled or no longer allowed: the client must not repeat anything in the background.
            await self.abandon()
            raise

    async def close(self) -> None:
        """Close the connections; nothing is under way then."""
        producer, self._producer = self._producer, None
        if producer is not None:
            await stop_producer(producer)

    async def abandon(self) -> None:
        """Drop what is under way and the connections, at once."""
        # A producer's stop waits for its batches, and an idempotent one repeats them for ever: so let go of them first.
        for future in self._under_way:
            if not future.cancel() and not future.cancelled():
                future.exception()  # seen, so that nobody is warned of it
        producer, self._producer = self._producer, None
        if producer is not None:
            await stop_producer(producer, drop=True)

    async def _started(self) -> AIOKafkaProducer:
        if self._producer is None:
            options = aiokafka_producer_options(self._settings, max_request_size=raw_record_bytes(self._settings))
            producer = AIOKafkaProducer(**options, max_batch_size=_BATCH_BYTES)
            self._producer = producer
            async with asyncio.timeout(_ANSWER_SECONDS):
                await producer.start()
        return self._producer

    async def _by_partition(self, records: Sequence[EventRecord]) -> dict[Place, deque[EventRecord]]:
        producer = await self._started()
        partitions: dict[str, list[int]] = {}
        waiting: dict[Place, deque[EventRecord]] = {}
        async with asyncio.timeout(_ANSWER_SECONDS):
            for topic in dict.fromkeys(record.topic for record in records):
                partitions[topic] = sorted(await producer.partitions_for(topic))
        for record in records:
            choice = partitions[record.topic]
            partition = choice[_chosen(record.key, len(choice))]
            waiting.setdefault((record.topic, partition), deque()).append(record)
        return waiting

    async def _wave(self, waiting: dict[Place, deque[EventRecord]]) -> None:
        """One batch for each partition; removes from `waiting` what is acknowledged."""
        producer = await self._started()
        self._under_way = {}
        for (topic, partition), records in waiting.items():
            batch = producer.create_batch()
            count = 0
            for record in islice(records, self._most):
                if batch.append(key=record.key, value=record.value, timestamp=None) is None:
                    break
                count += 1
            batch.close()
            future = await producer.send_batch(batch, topic, partition=partition)
            self._under_way[future] = ((topic, partition), count)
        _, late = await asyncio.wait(self._under_way, timeout=_LATE_SECONDS)
        if late:
            DEPENDENCY_UP.labels(Dependency.KAFKA).set(0)
            async with asyncio.timeout(_ANSWER_SECONDS):
                await asyncio.wait(late)
        failures = [failure for future in self._under_way if (failure := self._settle(future, waiting)) is not None]
        if any(isinstance(failure, MessageSizeTooLargeError) for failure in failures):
            await self._shrink(waiting)
        elif failures:
            raise failures[0]

    def _settle(self, future: asyncio.Future[object], waiting: dict[Place, deque[EventRecord]]) -> BaseException | None:
        place, count = self._under_way[future]
        failure = future.exception()
        if failure is None:
            for _ in range(count):
                waiting[place].popleft()
            if not waiting[place]:
                del waiting[place]
        return failure

    async def _shrink(self, waiting: dict[Place, deque[EventRecord]]) -> None:
        """The broker's limit holds for a whole batch, so try smaller ones; a record that stands alone is too large."""
        tried = [
            (place, count)
            for future, (place, count) in self._under_way.items()
            if isinstance(future.exception(), MessageSizeTooLargeError)
        ]
        await self.abandon()
        for place, count in tried:
            if count == 1:
                raise TooLarge(waiting[place][0])
        self._most = max(count for _, count in tried) // 2


_chosen = lru_cache(maxsize=4096)(partition_of)
"""Remembered, as a ticket's feeds share the key."""
