"""Faust's transport, changed so that one event is one whole fetch of a partition.

Owns: BatchTransport and what it needs of Faust's consumer. Refuses: what is done with a fetch (worker.py).

Faust's own way costs two tasks and a queue for each record, and its book of acks can commit past a record that was
never acked. Here the OffsetLedger alone says what may be committed; Faust's book stays empty.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, cast

import faust
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import IllegalStateError
from faust.transport.drivers.aiokafka import AIOKafkaConsumerThread, Consumer, Transport
from faust.types import TP, AppT, ConsumerMessage, Message
from faust.types.tuples import ack_lock
from mode import get_logger
from mode.utils.futures import notify

from silofrei.streams.backoff import wait_until
from silofrei.streams.fetches import Fetch, OffsetLedger

log = get_logger("faust.silofrei")
"""A child of Faust's logger, so that one level rules both."""
_FIGHT_SECONDS = 60.0
"""Memberships lost within this time belong to one fight."""
_NEWCOMER_SECONDS = 8.0
"""Who loses its membership so soon, two heartbeats after it joined, took the place of another one."""
_NEWCOMER_LIMIT = 3
_OLD_LIMIT = 8


class _NoReadOffsets(dict[Any, Any]):
    """Faust's memory of what it has read, switched off.

    With it, Faust drops what lies before the last offset that it saw; after a rewind, with fetches of other sizes, such
    a drop would hold the commit for ever.
    """

    def __getitem__(self, _tp: object) -> None:
        return None

    def __setitem__(self, _tp: object, _offset: object) -> None:
        """Remembers nothing."""

    def update(self, *_args: object, **_kwargs: object) -> None:
        """Remembers nothing."""


class Evictions:
    """Tells a lost membership, as after an outage, from a fight for one place in the group.

    Two members with one static id push each other out at every heartbeat, and both would work in fragments for ever.
    The newcomer gives up first.
    """

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._began = monotonic()
        self._at: deque[float] = deque()

    def lost(self) -> bool:
        """Note a lost membership; whether it is a fight, and lost."""
        now = self._monotonic()
        if not self._at:
            self._limit = _NEWCOMER_LIMIT if now - self._began <= _NEWCOMER_SECONDS else _OLD_LIMIT
        self._at.append(now)
        while now - self._at[0] > _FIGHT_SECONDS:
            self._at.popleft()
        return len(self._at) >= self._limit


class BatchConsumerThread(AIOKafkaConsumerThread):
    """The thread that talks to Kafka: fetches enter the ledger here, in the step that takes them from the client."""

    logger = log
    consumer: "BatchConsumer"

    async def on_start(self) -> None:
        """Connect, and listen for lost memberships: aiokafka only logs them and joins again."""
        await super().on_start()
        coordinator = self._ensure_consumer()._coordinator
        evictions, reset = Evictions(), coordinator.reset_generation

        def reset_generation() -> None:
            reset()
            if evictions.lost():
                self.consumer.evicted = True

        coordinator.reset_generation = reset_generation

    async def _fetch_records(
        self,
        consumer: AIOKafkaConsumer,
        active_partitions: set[TP],
        timeout: float | None = None,  # noqa: ASYNC109  # Faust's signature
        max_records: int | None = None,
    ) -> dict[TopicPartition, list[Fetch]]:
        found = await super()._fetch_records(consumer, active_partitions, timeout=timeout, max_records=max_records)
        fetches = {tp: [Fetch(tp, records)] for tp, records in found.items() if records}
        for (fetch,) in fetches.values():
            self.consumer.ledger.take(fetch)
        return fetches

    def read_offset(self, tp: TopicPartition) -> int | None:
        """The position in memory; unlike `position` it asks nobody and waits for nothing."""
        subscription = self._ensure_consumer()._subscription.subscription
        assignment = subscription.assignment if subscription else None
        if assignment is None or tp not in assignment.tps:
            return None
        state = assignment.state_value(tp)
        return state.position if state.has_valid_position else None

    async def seek_to_committed(self) -> Mapping[TopicPartition, int | None]:  # type: ignore[override]  # None occurs
        """Read every assigned partition anew from behind what was applied; returns the committed offsets."""
        committed: Mapping[TopicPartition, int | None] = await self.call_thread(self._seek_to_committed)
        return committed

    async def _seek_to_committed(self) -> dict[TopicPartition, int | None]:
        client = self._ensure_consumer()
        committed = {}
        for tp in client.assignment():
            committed[tp] = await client.committed(tp)
            self._rewind(client, tp, committed[tp])
        return committed

    def _rewind(self, client: AIOKafkaConsumer, tp: TopicPartition, committed: int | None) -> None:
        # No await between the seek and the ledger: what is fetched before is forgotten, what is fetched after counts.
        ledger = self.consumer.ledger
        # Faust rewinds in the middle of work too, when it stops or before a rebalance: what was applied since the last
        # commit is not done again. Nothing committed yet: aiokafka would stay where it is, behind the records in hand.
        done = [offset for offset in (committed, ledger.committable(tp)) if offset is not None]
        target = max(done, default=ledger.first_held(tp))
        if target is not None:
            try:
                client.seek(tp, target)
            except IllegalStateError:
                return  # taken away in the meantime; the next assignment begins at the committed offset
        ledger.let_go(tp)


class BatchConsumer(Consumer):
    """A consumer that hands out whole fetches and commits by its own ledger.

    Attributes:
        ledger: what is in hand, and up to where may be committed.
        evicted: another worker has this one's place in the group.
    """

    logger = log
    _thread: BatchConsumerThread

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.evicted = False
        self.ledger = OffsetLedger()
        self._room = asyncio.Event()
        super().__init__(*args, **kwargs)
        self._read_offset = _NoReadOffsets()

    def _new_consumer_thread(self) -> BatchConsumerThread:
        return BatchConsumerThread(self, loop=self.loop, beacon=self.beacon)

    def _to_message(self, tp: TP, record: Fetch) -> ConsumerMessage:
        last: Any = record.records[-1]
        return ConsumerMessage(
            tp.topic,
            tp.partition,
            record.last_offset,
            (last.timestamp or 0) / 1000.0,
            last.timestamp_type,
            None,  # headers
            None,  # key
            cast(Any, record),  # a fetch in place of bytes; FetchSchema hands it on
            None,  # checksum
            0,  # sizes
            0,
            tp,
            generation_id=self.app.consumer_generation_id,
        )

    def ack(self, message: Message) -> bool:
        """Faust need not wait for the message any more, applied or not. Commits look at the ledger, never at acks."""
        with ack_lock:
            if message.acked:
                return False
            message.acked = True
            self._unacked_messages.discard(message)
            notify(self._waiting_for_ack)
            return True

    def on_buffer_full(self, tp: TP) -> None:
        """Enough fetches of this partition wait in memory."""
        super().on_buffer_full(tp)
        self._room.clear()

    def on_buffer_drop(self, tp: TP) -> None:
        """There is room again."""
        super().on_buffer_drop(tp)
        self._room.set()

    async def _wait_next_records(self, timeout: float) -> Any:  # noqa: ASYNC109  # Faust's signature
        if self.flow_active and not self._get_active_partitions():
            # Faust would sleep for a second, long after small fetches have made room.
            await wait_until(self._room, timeout)
        return await super()._wait_next_records(timeout)

    def stop_flow(self) -> None:
        """Faust stops the flow when partitions are taken away and when the worker stops."""
        super().stop_flow()
        self.ledger.halt()

    async def on_partitions_revoked(self, revoked: set[TP]) -> None:
        """Faust waits for what is in hand and commits it; what is left belongs to others."""
        await super().on_partitions_revoked(revoked)
        self.ledger.forget(revoked)

    async def _add_gap(self, _tp: TP, _offset_from: int, _offset_to: int) -> None:
        """Faust would count the offsets between two events as acked: here, those are a fetch's records."""

    def _filter_tps_with_pending_acks(self, topics: Iterable[Any] | None = None) -> Iterator[TP]:
        return (tp for tp in self.ledger.partitions() if topics is None or tp in topics or tp.topic in topics)

    def _new_offset(self, tp: TP) -> int | None:
        return self.ledger.committable(tp)

    async def _commit_offsets(self, offsets: Mapping[TP, int], start_new_transaction: bool = True) -> bool:
        before = {tp: self._committed_offset[tp] for tp in offsets}
        committed: bool = await super()._commit_offsets(offsets, start_new_transaction=start_new_transaction)
        if not committed:
            # Faust notes the offsets as committed even where the broker refused.
            self._committed_offset.update(before)
        return committed

    def committed_offset(self, tp: TP) -> int | None:
        """The offset that Kafka has as committed; None before the first commit."""
        return self._committed_offset[tp]

    def read_offset(self, tp: TP) -> int | None:
        """The offset that is fetched next; None before the first fetch, or where the partition went away."""
        return self._thread.read_offset(tp)

    def verify_event_path(self, _now: float, _tp: TP) -> None:
        """Faust's complaints about slow streams take a long outage for a fault; watchdog.py knows the difference."""


class BatchTransport(Transport):
    """The aiokafka transport with BatchConsumer."""

    Consumer = BatchConsumer


class FetchSchema(faust.Schema[None, Fetch]):
    """Hands the fetch through: the worker reads the records' bytes itself, so that no mistake in them is swallowed."""

    def loads_key(self, app: AppT, message: Message, *, loads: Any = None, serializer: Any = None) -> None:
        """A fetch has no key."""

    def loads_value(self, app: AppT, message: Message, *, loads: Any = None, serializer: Any = None) -> Fetch:
        """The fetch itself."""
        return cast(Fetch, message.value)
