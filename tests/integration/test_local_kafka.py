"""The real Kafka on this machine: format, start, stop, crash, and its records through all of it."""

from pathlib import Path

import pytest
from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from kafka.admin import KafkaAdminClient

from silofrei.deploy.local.child import LocalError, listens
from silofrei.deploy.local.jars import Jar, KafkaLock
from silofrei.deploy.local.kafka import LocalKafka

TOPIC = "kept"


def write(bootstrap: str, *words: bytes) -> None:
    producer = KafkaProducer(bootstrap_servers=bootstrap)
    for word in words:
        producer.send(TOPIC, word).get(timeout=20)
    producer.close()


def read(bootstrap: str, count: int) -> list[bytes]:
    consumer = KafkaConsumer(
        bootstrap_servers=bootstrap, auto_offset_reset="earliest", enable_auto_commit=False, consumer_timeout_ms=10_000
    )
    consumer.assign([TopicPartition(TOPIC, 0)])
    words = [next(consumer).value for _ in range(count)]
    assert consumer.end_offsets([TopicPartition(TOPIC, 0)]) == {TopicPartition(TOPIC, 0): count}
    consumer.close()
    return words


def test_keeps_records_through_a_stop_and_a_crash(kafka_jars: Path, tmp_path: Path) -> None:
    folder = tmp_path / "Büro, oben"
    broker = LocalKafka(folder, jars=kafka_jars)
    broker.start()
    admin = KafkaAdminClient(bootstrap_servers=broker.bootstrap)
    admin.create_topics({TOPIC: {"num_partitions": 1, "replication_factor": 1}})
    admin.close()
    write(broker.bootstrap, b"one", b"two")
    broker.stop()
    assert broker.pid is None
    assert not listens(broker.bootstrap)

    again = LocalKafka(folder, jars=kafka_jars)
    assert again.bootstrap == broker.bootstrap
    again.start()
    write(again.bootstrap, b"three")
    again.kill()
    assert not listens(again.bootstrap)

    again.start()
    assert read(again.bootstrap, 3) == [b"one", b"two", b"three"]
    again.stop()


def test_makes_no_topic_by_use(local_kafka: str, topic_prefix: str) -> None:
    consumer = KafkaConsumer(bootstrap_servers=local_kafka)
    assert not consumer.partitions_for_topic(f"{topic_prefix}unknown")
    consumer.close()


def test_takes_another_port_where_the_former_one_is_taken(kafka_jars: Path, tmp_path: Path, local_kafka: str) -> None:
    (tmp_path / "server.properties").write_text(f"listeners=PLAINTEXT://{local_kafka},CONTROLLER://127.0.0.1:1\n")
    assert LocalKafka(tmp_path, jars=kafka_jars).bootstrap != local_kafka


def test_a_storage_that_cannot_be_formatted_is_told(kafka_jars: Path, tmp_path: Path) -> None:
    (tmp_path / "records").write_text("in the way")
    with pytest.raises(LocalError, match="could not format its storage"):
        LocalKafka(tmp_path, jars=kafka_jars).start()


def test_missing_jars_are_told_before_the_start(tmp_path: Path) -> None:
    lock = KafkaLock("0.0.0", (Jar("nobody:nothing:1", 1, "0" * 64),))
    with pytest.raises(LocalError, match=r"lacks jars of Kafka 0\.0\.0"):
        LocalKafka(tmp_path, lock=lock, jars=tmp_path)
