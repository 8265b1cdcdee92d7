"""The Kafka in memory: what the demo and the fast tests stand on."""

from pathlib import Path

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from silofrei.deploy.local.child import listens
from silofrei.deploy.local.memory_kafka import MemoryKafka


async def test_takes_and_gives_records(memory_kafka: str, topic_prefix: str) -> None:
    topic = f"{topic_prefix}words"
    async with AIOKafkaProducer(bootstrap_servers=memory_kafka) as producer:
        sent = [await producer.send_and_wait(topic, word, partition=0) for word in (b"one", b"two")]
    assert [record.offset for record in sent] == [0, 1]
    async with AIOKafkaConsumer(topic, bootstrap_servers=memory_kafka, auto_offset_reset="earliest") as consumer:
        assert [(await consumer.getone()).value for _ in range(2)] == [b"one", b"two"]


async def test_has_four_partitions_by_auto_creation(memory_kafka: str, topic_prefix: str) -> None:
    async with AIOKafkaProducer(bootstrap_servers=memory_kafka) as producer:
        assert len(await producer.partitions_for(f"{topic_prefix}made")) == 4


def test_ends_cleanly_and_starts_again(tmp_path: Path) -> None:
    broker = MemoryKafka(tmp_path)
    broker.start()
    first = broker.bootstrap
    assert listens(first)
    broker.stop()
    assert broker.pid is None
    assert not listens(first)
    broker.start()
    assert listens(broker.bootstrap)
    broker.stop()
