"""A plain kafka-python loop, a message at a time: the loop of the library's first page."""

from kafka import KafkaConsumer, KafkaProducer

from benchmarks.peers.work import BlockingWork
from silofrei.streams.kafka_clients import kafka_python_options, kafka_python_producer_options
from silofrei.streams.topics import raw_record_bytes


def main() -> None:
    """Loop until killed; offsets are committed by time, behind the effects."""
    work = BlockingWork()
    producer = KafkaProducer(
        **kafka_python_producer_options(work.settings, max_request_size=raw_record_bytes(work.settings))
    )
    consumer = KafkaConsumer(
        work.topics.raw,
        **kafka_python_options(work.settings),
        group_id=work.group,
        enable_auto_commit=True,
        auto_offset_reset="earliest",
    )
    for record in consumer:
        work.apply([record])
        outgoing = work.outgoing()
        for future in [producer.send(event.topic, key=event.key, value=event.value) for event in outgoing.events]:
            future.get()
        work.sent(outgoing)


if __name__ == "__main__":
    main()
