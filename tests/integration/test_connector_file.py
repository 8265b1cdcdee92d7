"""The file connector against a broker: what is accepted is there, byte for byte, and what is refused is named."""

import json
import subprocess
import sys
from datetime import UTC, datetime

import pytest
from kafka import KafkaConsumer, TopicPartition

from silofrei.schemas.delivery import RawDelivery
from silofrei.schemas.names import Channel
from silofrei.streams.connectors.file import ingest
from silofrei.streams.kafka_clients import kafka_python_options
from silofrei.streams.topics import Topics

NOW = datetime(2026, 11, 3, 9, tzinfo=UTC)


@pytest.fixture
def settings(make_settings, memory_kafka, topic_prefix):
    return make_settings(kafka=memory_kafka, kafka_memory=True, topic_prefix=topic_prefix, max_delivery_bytes=10_000)


def records(settings, count):
    consumer = KafkaConsumer(auto_offset_reset="earliest", consumer_timeout_ms=10_000, **kafka_python_options(settings))
    try:
        # Assigned, not subscribed: a subscription may see the topic only when metadata grow old, after minutes.
        topic = Topics(settings).raw
        consumer.assign([TopicPartition(topic, number) for number in sorted(consumer.partitions_for_topic(topic))])
        return [record for _, record in zip(range(count), consumer, strict=False)]
    finally:
        consumer.close()


def test_rows_reach_the_topic_and_bad_lines_are_named(settings):
    reported = []
    lines = [
        b'{"channel": "mastodon", "body": {"event": "delete", "payload": "7"}, "brand": "acme"}\n',
        b"\n",
        b"{\n",
        b'{"channel": "mastodon", "body": "not even JSON"}\n',
        b'{"channel": "mastodon", "body": "' + b"x" * 10_000 + b'"}\n',
    ]
    result = ingest(settings, lines, brand="demo", clock=lambda: NOW, report=reported.append)
    assert (result.accepted, result.refused) == (2, 2)
    assert [one.line for one in result.refusals] == [3, 5]
    assert "SILOFREI_MAX_DELIVERY_BYTES=10000" in result.refusals[1].reason
    assert reported == [str(one) for one in result.refusals]
    assert json.loads(result.as_json())["accepted"] == 2
    assert result.as_text() == "2 deliveries accepted, 2 refused"

    found = {record.key: RawDelivery.model_validate_json(record.value) for record in records(settings, 2)}
    assert found[b"mastodon:7"].brand == "acme"
    assert found[b"mastodon:7"].received_at == NOW
    unreadable = next(one for one in found.values() if one.body == "not even JSON")
    assert (unreadable.brand, unreadable.channel) == ("demo", "mastodon")


def test_native_payloads_arrive_byte_for_byte(settings):
    bodies = [b'{"event":  "delete", "payload": "1"}', b"\xff\xfe", '{"event": "ä"}'.encode()]
    lines = [body + b"\n" for body in bodies]
    result = ingest(settings, lines, channel=Channel.MASTODON, brand="demo", clock=lambda: NOW, report=pytest.fail)
    assert (result.accepted, result.refused) == (3, 0)
    arrived = [RawDelivery.model_validate_json(record.value).raw_body() for record in records(settings, 3)]
    assert sorted(arrived) == sorted(bodies)


def test_more_than_the_broker_is_asked_for_at_once(settings):
    lines = (
        json.dumps({"channel": "mastodon", "body": {"event": "delete", "payload": str(number)}}).encode()
        for number in range(1203)
    )
    result = ingest(settings, lines, brand="demo", clock=lambda: NOW, report=pytest.fail)
    assert result.accepted == 1203
    assert len(records(settings, 1203)) == 1203


NO_BROKER = """
from datetime import UTC, datetime
from silofrei.schemas.settings import ConfigurationError, load_settings
from silofrei.streams import kafka_clients
from silofrei.streams.connectors.file import ingest

kafka_clients.REACH_MS = 500
try:
    ingest(load_settings(kafka="127.0.0.1:1"), [b"{}"], clock=lambda: datetime.now(UTC), report=print)
except ConfigurationError as error:
    print(error)
"""


def test_without_a_broker_it_says_so():
    # In a process of its own: kafka-python leaves the sockets of a client that never came up to the garbage collector.
    ran = subprocess.run([sys.executable, "-c", NO_BROKER], capture_output=True, text=True, timeout=60, check=True)
    assert ran.stdout.startswith("SILOFREI_KAFKA='127.0.0.1:1': no broker answers")
