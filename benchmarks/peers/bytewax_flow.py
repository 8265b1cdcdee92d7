"""Bytewax: a dataflow from Kafka to Kafka with the effects in between. It commits no offsets to Kafka.

Its own recovery keeps snapshots in SQLite instead; without them, as here, a restart begins anew. The sink waits for
Kafka, but nothing tells the flow that it did, so an event leaves the outbox before it is safe.
"""

import bytewax.operators as op
from bytewax.connectors.kafka import KafkaSink, KafkaSinkMessage, KafkaSource, KafkaSourceMessage
from bytewax.dataflow import Dataflow
from confluent_kafka import OFFSET_BEGINNING

from benchmarks.peers.work import BlockingWork, Delivery, batch_records


def flow() -> Dataflow:
    """The dataflow; `python -m bytewax.run` starts it."""
    work = BlockingWork()
    brokers = [work.settings.kafka]

    def events(messages: list[KafkaSourceMessage]) -> list[KafkaSinkMessage]:
        work.apply([Delivery(one.topic, one.partition, one.offset, one.value) for one in messages])
        found: list[KafkaSinkMessage] = []
        while (outgoing := work.outgoing()).events:
            found += [KafkaSinkMessage(event.key, event.value, topic=event.topic) for event in outgoing.events]
            work.sent(outgoing)
        return found

    dataflow = Dataflow("bench")
    source = KafkaSource(brokers, [work.topics.raw], starting_offset=OFFSET_BEGINNING, batch_size=batch_records())
    deliveries = op.input("deliveries", dataflow, source)
    routed = op.flat_map_batch("effects", deliveries, events)
    sink = KafkaSink(brokers, work.topics.events, {"acks": "all", "enable.idempotence": "true", "linger.ms": "5"})
    op.output("events", routed, sink)
    return dataflow
