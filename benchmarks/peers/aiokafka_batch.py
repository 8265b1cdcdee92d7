"""A plain aiokafka loop, in batches: getmany, effects, commit."""

from aiokafka import AIOKafkaConsumer

from benchmarks.peers.effects import BATCH, Effects, run
from silofrei.schemas.settings import load_settings
from silofrei.streams.kafka_clients import aiokafka_options
from silofrei.streams.topics import Topics


async def main() -> None:
    """Loop until killed."""
    settings = load_settings()
    effects = Effects(settings)
    consumer = AIOKafkaConsumer(
        Topics(settings).raw,
        **aiokafka_options(settings),
        group_id=f"{settings.topic_prefix}bench",
        enable_auto_commit=False,
        auto_offset_reset="earliest",
    )
    await consumer.start()
    while True:
        polled = await consumer.getmany(timeout_ms=500, max_records=BATCH)
        records = [record for found in polled.values() for record in found]
        if records:
            await effects.apply(records)
            await consumer.commit()


if __name__ == "__main__":
    run(main())
