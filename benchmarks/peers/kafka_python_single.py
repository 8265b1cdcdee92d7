"""A plain kafka-python loop, a message at a time: the loop of the library's first page."""

import uvloop
from kafka import KafkaConsumer

from benchmarks.peers.effects import Effects
from silofrei.schemas.settings import load_settings
from silofrei.streams.kafka_clients import kafka_python_options
from silofrei.streams.topics import Topics


def main() -> None:
    """Loop until killed; offsets are committed by time, behind the effects."""
    settings = load_settings()
    loop = uvloop.new_event_loop()
    effects = Effects(settings)
    consumer = KafkaConsumer(
        Topics(settings).raw,
        **kafka_python_options(settings),
        group_id=f"{settings.topic_prefix}bench",
        enable_auto_commit=True,
        auto_offset_reset="earliest",
    )
    for record in consumer:
        loop.run_until_complete(effects.apply([record]))


if __name__ == "__main__":
    main()
