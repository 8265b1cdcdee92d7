"""A hand-written loop over librdkafka (confluent-kafka): consume, effects, events, flush, commit. The bound."""

from confluent_kafka import Consumer, KafkaException, Message, Producer

from benchmarks.peers.work import BlockingWork, Delivery, batch_records

_ANSWER_SECONDS = 30.0


def main() -> None:
    """Loop until killed."""
    work = BlockingWork()
    common = {"bootstrap.servers": work.settings.kafka}
    producer = Producer(
        {
            **common,
            "acks": "all",
            "enable.idempotence": True,
            "linger.ms": 5,
            "message.max.bytes": work.settings.max_delivery_bytes,
            "queue.buffering.max.messages": 100_000,
        }
    )
    consumer = Consumer(
        {**common, "group.id": work.group, "enable.auto.commit": False, "auto.offset.reset": "earliest"}
    )
    consumer.subscribe([work.topics.raw])
    failed: list[object] = []

    def on_delivery(error: object, _message: object) -> None:
        if error is not None:
            failed.append(error)

    while True:
        messages = consumer.consume(batch_records(), timeout=0.1)
        if not messages:
            continue
        work.apply([_delivery(message) for message in messages])
        while (outgoing := work.outgoing()).events:
            for event in outgoing.events:
                producer.produce(event.topic, event.value, event.key, on_delivery=on_delivery)
            if producer.flush(_ANSWER_SECONDS) or failed:
                raise SystemExit(f"not all events were acknowledged: {failed[:1]}")
            work.sent(outgoing)
        consumer.commit(asynchronous=True)


def _delivery(message: Message) -> Delivery:
    if message.error() is not None:
        raise KafkaException(message.error())
    return Delivery(message.topic() or "", message.partition() or 0, message.offset() or 0, message.value())


if __name__ == "__main__":
    main()
