"""Declares a Redis valid for a local system, unless the tickets that it should hold are in Kafka alone.

A worker refuses a Redis without an epoch, because an empty one would open every ticket anew. A new system has to
begin one; a system whose Redis was lost must not.
"""

import asyncio

from kafka import KafkaConsumer, TopicPartition
from kafka.errors import KafkaError

from silofrei.deploy.local.child import LocalError
from silofrei.routing.queue.codes import Unavailable
from silofrei.routing.queue.queue import TicketQueue
from silofrei.schemas.config import Config
from silofrei.schemas.settings import Settings
from silofrei.streams.epochs import begin_missing
from silofrei.streams.kafka_clients import kafka_python_options, unreachable
from silofrei.streams.topics import Topics


async def begin_epochs(settings: Settings, config: Config) -> list[str]:
    """Begins the epoch of each brand that has none.

    Args:
        settings: where Kafka, with its topics, and Redis are.
        config: the brands.

    Returns:
        What in Redis' settings does not keep what it shall; sentences for people.

    Raises:
        LocalError: Redis does not answer, or has lost the tickets of which Kafka knows.
    """

    async def refuse_if_known() -> None:
        known = 0 if settings.kafka_memory else await asyncio.to_thread(_known_events, settings)
        if known:
            raise LocalError(
                f"{settings.redis} holds no tickets, but Kafka has {known} of their events: it is another "
                "Redis than before, or its data was lost. Bring that one or its data back, or begin anew: on "
                "another data folder, or where Kafka stays the same with another SILOFREI_TOPIC_PREFIX."
            )

    queue = TicketQueue.connect(settings, departments=config.queue_names())
    try:
        await begin_missing(queue, config.brands, refuse_if_known)
        return await queue.durability_problems()
    except Unavailable as error:
        raise LocalError(f"{settings.redis}: {error}") from None
    finally:
        await queue.close()


def _known_events(settings: Settings) -> int:
    """How many events of tickets Kafka keeps."""
    topic = Topics(settings).events
    try:
        consumer = KafkaConsumer(**kafka_python_options(settings))
        try:
            partitions = [TopicPartition(topic, number) for number in consumer.partitions_for_topic(topic) or ()]
            first, last = consumer.beginning_offsets(partitions), consumer.end_offsets(partitions)
            return sum(last[partition] - first[partition] for partition in partitions)
        finally:
            consumer.close()
    except KafkaError as error:
        raise unreachable(settings, error) from error
