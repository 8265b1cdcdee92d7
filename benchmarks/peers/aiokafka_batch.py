"""A plain aiokafka loop, in batches: getmany, effects, events, commit."""

import asyncio

import uvloop
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from benchmarks.peers.work import Work, batch_records
from silofrei.streams.kafka_clients import aiokafka_options, aiokafka_producer_options
from silofrei.streams.topics import raw_record_bytes


async def main() -> None:
    """Loop until killed."""
    work = Work()
    producer = AIOKafkaProducer(
        **aiokafka_producer_options(work.settings, max_request_size=raw_record_bytes(work.settings)),
        max_batch_size=262_144,
    )
    consumer = AIOKafkaConsumer(
        work.topics.raw,
        **aiokafka_options(work.settings),
        group_id=work.group,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
    )
    await producer.start()
    await consumer.start()
    while True:
        polled = await consumer.getmany(timeout_ms=500, max_records=batch_records())
        records = [record for found in polled.values() for record in found]
        if not records:
            continue
        await work.apply(records)
        while (outgoing := await work.outgoing()).events:
            waiting = [await producer.send(event.topic, event.value, event.key) for event in outgoing.events]
            await asyncio.gather(*waiting)
            await work.sent(outgoing)
        await consumer.commit()


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main())
