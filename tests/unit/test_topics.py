from base64 import b64encode
from datetime import UTC, datetime

from kafka.errors import KafkaTimeoutError

from silofrei.schemas.config import parse_config
from silofrei.schemas.dead_letter import DeadLetter, Origin
from silofrei.schemas.names import DeadLetterReason
from silofrei.streams.kafka_clients import (
    aiokafka_options,
    aiokafka_producer_options,
    kafka_python_options,
    kafka_python_producer_options,
    unreachable,
)
from silofrei.streams.topics import Topics, dead_letter_bytes, plan, raw_record_bytes


def test_names_carry_the_prefix(make_settings):
    topics = Topics(make_settings(topic_prefix="staging."))
    assert topics.raw == "staging.mentions.raw"
    assert topics.events == "staging.tickets.events"
    assert topics.dead_letters == "staging.mentions.dead-letters"
    assert topics.department("hr") == "staging.tickets.hr"
    assert topics.worker_group == "staging.silofrei-worker"
    assert topics.ledger_group == "staging.silofrei-ledger"


def test_every_queue_has_a_feed(make_settings):
    text = '[departments.purchasing]\ntitle = {de = "Einkauf", en = "Purchasing"}\n'
    names = [one.name for one in plan(make_settings(), parse_config(text, "silofrei.toml"))]
    assert names == [
        "mentions.raw",
        "tickets.events",
        "mentions.dead-letters",
        "tickets.service",
        "tickets.sales",
        "tickets.hr",
        "tickets.pr",
        "tickets.purchasing",
        "tickets.triage",
    ]


def test_the_settings_rule_partitions_replicas_and_retention(make_settings):
    settings = make_settings(
        topic_partitions=12, topic_replication=3, retention_raw_hours=48, retention_dead_letters_hours=100
    )
    plans = {one.name: one for one in plan(settings, parse_config("", "silofrei.toml"))}
    assert {(one.partitions, one.replication) for one in plans.values()} == {(12, 3)}
    assert plans["mentions.raw"].retention_ms == 48 * 3_600_000
    assert plans["tickets.hr"].retention_ms == 48 * 3_600_000
    assert plans["mentions.dead-letters"].retention_ms == 100 * 3_600_000
    assert plans["tickets.events"].retention_ms == -1


def test_a_dead_letter_of_the_largest_record_fits_its_topic(make_settings):
    settings = make_settings(max_delivery_bytes=1_000_000)
    record = b"\xff" * raw_record_bytes(settings)
    letter = DeadLetter(
        dead_letter_id="staging.mentions.raw/999/123456789012/999",
        origin=Origin(topic="staging.mentions.raw", partition=999, offset=123_456_789_012, item=999),
        reason=DeadLetterReason.BROKEN_ENVELOPE,
        field="f" * 2000,
        detail="ü" * 2000,
        brand="b" * 40,
        channel="c" * 40,
        at=datetime(2026, 1, 1, tzinfo=UTC),
        value=record,
    )
    written = letter.model_dump_json().encode()
    assert len(b64encode(record)) < len(written) < dead_letter_bytes(settings)


def test_a_broker_that_does_not_let_us_in_is_told_from_one_that_is_not_there(make_settings):
    settings = make_settings(kafka_security="SASL_SSL", kafka_username="silofrei", kafka_password="secret")
    there = str(unreachable(settings, KafkaTimeoutError("Unable to bootstrap")))
    assert "no broker answers over SASL_SSL" in there
    assert "SILOFREI_KAFKA_PASSWORD" in there
    away = str(unreachable(settings, ConnectionRefusedError(111, "Connection refused")))
    assert "PASSWORD" not in away
    assert "correct the address" in away
    assert "secret" not in there + away


def test_the_clients_get_the_security_that_the_settings_name(make_settings):
    plain = make_settings(kafka="a:1,b:2")
    assert aiokafka_options(plain)["bootstrap_servers"] == ["a:1", "b:2"]
    assert "sasl_mechanism" not in aiokafka_options(plain)
    secure = make_settings(kafka_security="SASL_SSL", kafka_username="silofrei", kafka_password="secret")
    for options in (aiokafka_options(secure), kafka_python_options(secure)):
        assert options["security_protocol"] == "SASL_SSL"
        assert options["sasl_mechanism"] == "SCRAM-SHA-512"
        assert options["sasl_plain_username"] == "silofrei"
        assert options["sasl_plain_password"] == "secret"
        assert options["ssl_context"].check_hostname


def test_the_memory_cluster_gets_no_idempotent_producer(make_settings):
    for settings, idempotent in ((make_settings(), True), (make_settings(kafka_memory=True), False)):
        assert aiokafka_producer_options(settings, max_request_size=9)["enable_idempotence"] is idempotent
        assert kafka_python_producer_options(settings, max_request_size=9)["enable_idempotence"] is idempotent
