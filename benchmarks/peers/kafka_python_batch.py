"""A plain kafka-python loop, in batches: poll, effects, events, flush, commit."""

from kafka import KafkaConsumer, KafkaProducer

from benchmarks.peers.work import BlockingWork, batch_records
from silofrei.streams.kafka_clients import kafka_python_options, kafka_python_producer_options
from silofrei.streams.topics import raw_record_bytes


def main() -> None:
    """Loop until killed."""
    work = BlockingWork()
    options = kafka_python_options(work.settings)
    producer = KafkaProducer(
        **kafka_python_producer_options(work.settings, max_request_size=raw_record_bytes(work.settings)),
        linger_ms=5,
        batch_size=262_144,
    )
    consumer = KafkaConsumer(
        work.topics.raw,
        **options,
        group_id=work.group,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        max_poll_records=batch_records(),
    )
    while True:
        polled = consumer.poll(timeout_ms=500)
        records = [record for found in polled.values() for record in found]
        if not records:
            continue
        work.apply(records)
        while (outgoing := work.outgoing()).events:
            waiting = [producer.send(event.topic, key=event.key, value=event.value) for event in outgoing.events]
            producer.flush()
            for future in waiting:
                future.get()
            work.sent(outgoing)
        consumer.commit()


if __name__ == "__main__":
    main()
