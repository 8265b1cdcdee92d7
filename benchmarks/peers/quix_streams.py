"""Quix Streams: a sink that collects deliveries; at each checkpoint effects and events, then Quix commits."""

from typing import Any

from quixstreams import Application
from quixstreams.sinks.base import BaseSink

from benchmarks.peers.work import BlockingWork, Delivery, batch_records


class QueueSink(BaseSink):  # type: ignore[misc]  # untyped where the peers' environment is another one
    """Brings what was collected since the last checkpoint to the queue, and its events to Kafka."""

    def __init__(self, work: BlockingWork, application: Application) -> None:
        super().__init__()
        self._work = work
        self._producer = application.get_producer()
        self._records: list[Delivery] = []

    def add(self, value: Any, key: Any, timestamp: int, headers: Any, topic: str, partition: int, offset: int) -> None:
        """Collect one delivery."""
        self._records.append(Delivery(topic, partition, offset, value))

    def flush(self) -> None:
        """Called by Quix before it commits."""
        records, self._records = self._records, []
        if not records:
            return
        self._work.apply(records)
        while (outgoing := self._work.outgoing()).events:
            for event in outgoing.events:
                self._producer.produce(event.topic, value=event.value, key=event.key)
            if self._producer.flush():
                raise RuntimeError("not all events were acknowledged")
            self._work.sent(outgoing)


def main() -> None:
    """Run until killed."""
    work = BlockingWork()
    application = Application(
        broker_address=work.settings.kafka,
        consumer_group=work.group,
        auto_offset_reset="earliest",
        commit_every=batch_records(),
        commit_interval=1.0,
        producer_extra_config={"acks": "all", "enable.idempotence": True, "linger.ms": 5},
        use_changelog_topics=False,
        auto_create_topics=False,
        loglevel="WARNING",
    )
    deliveries = application.topic(work.topics.raw, key_deserializer="bytes", value_deserializer="bytes")
    application.dataframe(deliveries).sink(QueueSink(work, application))
    application.run()


if __name__ == "__main__":
    main()
