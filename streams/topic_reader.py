"""Reading a topic from its beginning to its present end, for tools; no group, nothing is committed."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from kafka import KafkaConsumer, TopicPartition
from kafka.errors import KafkaError

from silofrei.schemas.settings import ConfigurationError, Settings
from silofrei.streams.kafka_clients import kafka_python_options, reach, unreachable

if TYPE_CHECKING:
    from silofrei.streams.fetches import Record

_ASK_MS = 1_000
_PATIENCE = 30
"""Empty answers in a row after which the broker counts as away."""


def read_topic(settings: Settings, topic: str) -> "Iterator[Record]":
    """Every record that the topic has now, partition by partition in the order of the offsets.

    Raises:
        ConfigurationError: no broker answers, or there is no such topic.
    """
    with _consumer(settings) as consumer:
        partitions = consumer.partitions_for_topic(topic)
        if not partitions:
            raise ConfigurationError(f"topic {topic} is missing; run `silofrei topics` to create it")
        for partition in sorted(partitions):
            yield from _read_partition(settings, consumer, TopicPartition(topic, partition))


def read_one(settings: Settings, topic: str, partition: int, offset: int) -> bytes | None:
    """The value of one record; None where it is gone.

    Raises:
        ConfigurationError: no broker answers.
    """
    with _consumer(settings) as consumer:
        tp = TopicPartition(topic, partition)
        if partition not in (consumer.partitions_for_topic(topic) or ()):
            return None
        found = next(_read_partition(settings, consumer, tp, begin=offset), None)
        return found.value if found is not None and found.offset == offset else None


def _read_partition(
    settings: Settings, consumer: KafkaConsumer, tp: TopicPartition, begin: int | None = None
) -> "Iterator[Record]":
    try:
        consumer.assign([tp])
        first = consumer.beginning_offsets([tp])[tp]
        end = consumer.end_offsets([tp])[tp]
        position = first if begin is None else begin
        if position < first or position >= end:
            return
        consumer.seek(tp, position)
        empty = 0
        while position < end:
            records = consumer.poll(timeout_ms=_ASK_MS).get(tp, [])
            yield from (record for record in records if record.offset < end)
            position = consumer.position(tp)
            empty = 0 if records else empty + 1
            if empty >= _PATIENCE:
                raise unreachable(settings, TimeoutError(f"{tp.topic} gives no records"))
    except KafkaError as error:
        raise unreachable(settings, error) from error


@contextmanager
def _consumer(settings: Settings) -> Iterator[KafkaConsumer]:
    options = kafka_python_options(settings)
    reach(settings)
    try:
        consumer = KafkaConsumer(**options, group_id=None, enable_auto_commit=False, auto_offset_reset="earliest")
    except KafkaError as error:
        raise unreachable(settings, error) from error
    try:
        yield consumer
    finally:
        consumer.close()
