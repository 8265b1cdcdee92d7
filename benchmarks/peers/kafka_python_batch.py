"""A plain kafka-python loop, in batches: poll, effects, commit."""

import uvloop
from kafka import KafkaConsumer

from benchmarks.peers.effects import BATCH, Effects
from silofrei.schemas.settings import load_settings
from silofrei.streams.kafka_clients import kafka_python_options
from silofrei.streams.topics import Topics


def main() -> None:
    """Loop until killed."""
    settings = load_settings()
    loop = uvloop.new_event_loop()
    effects = Effects(settings)
    consumer = KafkaConsumer(
        Topics(settings).raw,
        **kafka_python_options(settings),
        group_id=f"{settings.topic_prefix}bench",
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        max_poll_records=BATCH,
    )
    while True:
        polled = consumer.poll(timeout_ms=500, max_records=BATCH)
        records = [record for found in polled.values() for record in found]
        if records:
            loop.run_until_complete(effects.apply(records))
            consumer.commit()


if __name__ == "__main__":
    main()
