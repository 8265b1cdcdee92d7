"""Lag: how far the worker, or any group, is behind the end of a topic.

Owns: measuring, from inside a worker and from outside for tools. Refuses: judging it (watchdog.py).
"""

import asyncio
import contextlib
import time
from collections.abc import Mapping
from dataclasses import dataclass

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError
from kafka import KafkaAdminClient
from kafka import TopicPartition as AdminPartition
from kafka.admin import OffsetSpec
from kafka.errors import KafkaError as AdminError

from silofrei.routing.metrics import COMMITTED_OFFSET, CONSUMER_LAG
from silofrei.schemas.settings import Settings
from silofrei.streams.kafka_clients import admin_client, aiokafka_options, unreachable
from silofrei.streams.transport import BatchConsumer

_COORDINATOR_SECONDS = 10.0
_ANSWER_SECONDS = 10.0
"""Longest wait for the broker when measuring."""


@dataclass(frozen=True, slots=True)
class Position:
    """Where one partition stands.

    Attributes:
        committed: offset of the first record that is not committed.
        end: offset of the record that comes next.
        lag: records between; 0 also where only transaction markers lie there.
    """

    committed: int
    end: int
    lag: int


class Measure:
    """Where the partitions stand that a worker has.

    It asks the broker over a connection of its own: what it measures may be stuck, and must not wait for it either.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._asking: AIOKafkaConsumer | None = None

    async def positions(self, consumer: BatchConsumer) -> dict[TopicPartition, Position]:
        """Where they stand now.

        Raises:
            KafkaError, OSError, TimeoutError: the broker does not answer.
        """
        tps = list(consumer.assignment())
        if not tps:
            return {}
        try:
            async with asyncio.timeout(_ANSWER_SECONDS):
                asking = await self._connected()
                ends = await asking.end_offsets(tps)
                begins = await asking.beginning_offsets([tp for tp in tps if consumer.committed_offset(tp) is None])
        except BaseException:
            await self.close()
            raise
        positions = {}
        for tp in tps:
            offset = consumer.committed_offset(tp)
            committed = begins.get(tp, 0) if offset is None else offset
            end = max(ends[tp], committed)
            # All that was read is committed, and nothing is left to read: what lies there are transaction markers.
            read = consumer.ledger.first_held(tp) is None and (consumer.read_offset(tp) or 0) >= end
            positions[tp] = Position(committed, end, 0 if read else end - committed)
        return positions

    async def close(self) -> None:
        """Close the connection; the next measurement opens it again."""
        asking, self._asking = self._asking, None
        if asking is not None:
            with contextlib.suppress(KafkaError, OSError):
                await asking.stop()

    async def _connected(self) -> AIOKafkaConsumer:
        if self._asking is None:
            self._asking = AIOKafkaConsumer(**aiokafka_options(self._settings))
            await self._asking.start()
        return self._asking


class LagMetrics:
    """Shows the positions as metrics, and no longer those of partitions that went to somebody else."""

    def __init__(self) -> None:
        self._shown: set[TopicPartition] = set()

    def show(self, positions: Mapping[TopicPartition, Position]) -> None:
        """Set the gauges."""
        for tp in self._shown - positions.keys():
            CONSUMER_LAG.remove(tp.topic, str(tp.partition))
            COMMITTED_OFFSET.remove(tp.topic, str(tp.partition))
        self._shown = set(positions)
        for tp, position in positions.items():
            CONSUMER_LAG.labels(tp.topic, str(tp.partition)).set(position.lag)
            COMMITTED_OFFSET.labels(tp.topic, str(tp.partition)).set(position.committed)


def group_offsets(settings: Settings, group: str, topic: str) -> dict[int, int]:
    """What a group has committed in a topic, by partition; empty where it never committed or there is no such topic.

    Raises:
        ConfigurationError: no broker answers.
    """
    with admin_client(settings) as admin:
        try:
            return _group_offsets(admin, group, topic, _partitions(admin, topic))
        except AdminError as error:
            raise unreachable(settings, error) from error


def group_positions(settings: Settings, group: str, topic: str) -> dict[int, Position]:
    """Where a group stands in a topic, by partition; a partition without a commit counts from its beginning.

    Raises:
        ConfigurationError: no broker answers.
    """
    with admin_client(settings) as admin:
        try:
            partitions = _partitions(admin, topic)
            committed = _group_offsets(admin, group, topic, partitions)
            ends = _offsets(admin, topic, partitions, OffsetSpec.LATEST)
            begins = _offsets(admin, topic, partitions, OffsetSpec.EARLIEST)
        except AdminError as error:
            raise unreachable(settings, error) from error
    positions = {}
    for partition in partitions:
        offset = committed.get(partition, begins[partition])
        positions[partition] = Position(offset, ends[partition], max(ends[partition] - offset, 0))
    return positions


def _partitions(admin: KafkaAdminClient, topic: str) -> list[int]:
    return [one["partition_index"] for found in admin.describe_topics([topic]) for one in found["partitions"]]


def _offsets(admin: KafkaAdminClient, topic: str, partitions: list[int], spec: OffsetSpec) -> dict[int, int]:
    if not partitions:
        return {}
    found = admin.list_partition_offsets({AdminPartition(topic, partition): spec for partition in partitions})
    return {tp.partition: one.offset for tp, one in found.items()}


def _group_offsets(admin: KafkaAdminClient, group: str, topic: str, partitions: list[int]) -> dict[int, int]:
    if not partitions:
        return {}
    asked = [AdminPartition(topic, partition) for partition in partitions]
    deadline = time.monotonic() + _COORDINATOR_SECONDS
    while True:
        try:
            found = admin.list_group_offsets({group: asked})[group]
        except AdminError as error:
            # A new broker makes its offsets topic at the first question, a restarted one reads it first.
            if not error.retriable or time.monotonic() > deadline:
                raise
            time.sleep(0.2)
        else:
            return {tp.partition: one.offset for tp, one in found.items() if one.offset >= 0}
