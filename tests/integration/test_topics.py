"""Topics on a real broker: created as planned, compared, never altered."""

import pytest
from kafka import KafkaAdminClient
from kafka.admin import ConfigResource, ConfigResourceType

from silofrei.schemas.config import Config
from silofrei.schemas.settings import ConfigurationError
from silofrei.streams.lag import group_offsets, group_positions
from silofrei.streams.topics import compare, dead_letter_bytes, plan, provision

NAMES = ["mentions.raw", "tickets.events", "mentions.dead-letters"]
NAMES += [f"tickets.{queue}" for queue in ("service", "sales", "hr", "pr", "triage")]


def described(settings, names):
    admin = KafkaAdminClient(bootstrap_servers=settings.kafka)
    try:
        found = {
            topic["name"]: (len(topic["partitions"]), len(topic["partitions"][0]["replica_nodes"]))
            for topic in admin.describe_topics(names)
        }
        resources = [ConfigResource(ConfigResourceType.TOPIC, name) for name in names]
        configs = admin.describe_configs(resources, config_filter="all")["topic"]
        return {
            name: (
                *found[name],
                int(configs[name]["retention.ms"]["value"]),
                int(configs[name]["max.message.bytes"]["value"]),
            )
            for name in names
        }
    finally:
        admin.close()


def test_missing_topics_are_told_then_created_as_planned(make_settings, local_kafka, topic_prefix):
    settings = make_settings(kafka=local_kafka, topic_prefix=topic_prefix, topic_partitions=3, retention_raw_hours=5)
    told = compare(settings, Config())
    assert [report.name for report in told] == [topic_prefix + name for name in NAMES]
    assert not any(report.exists for report in told)
    assert told[0].problems == (f"topic {topic_prefix}mentions.raw is missing; run `silofrei topics` to create it",)
    made = provision(settings, Config())
    assert all(report.created and report.ok for report in made)
    assert described(settings, [report.name for report in made]) == {
        one.name: (one.partitions, one.replication, one.retention_ms, one.max_message_bytes)
        for one in plan(settings, Config())
    }
    assert all(report.ok for report in compare(settings, Config()))
    assert not any(report.created for report in provision(settings, Config()))


def test_what_differs_is_reported_with_its_fix_and_left_alone(make_settings, local_kafka, topic_prefix):
    before = make_settings(kafka=local_kafka, topic_prefix=topic_prefix)
    provision(before, Config())
    names = [topic_prefix + name for name in NAMES]
    found = described(before, names)
    after = make_settings(
        kafka=local_kafka,
        topic_prefix=topic_prefix,
        topic_partitions=6,
        topic_replication=3,
        retention_raw_hours=5,
        max_delivery_bytes=1_000_000,
    )
    raw, events, letters, *_ = provision(after, Config())
    assert described(before, names) == found
    assert not raw.ok
    assert not raw.created
    partitions, replicas, retention, size = raw.problems
    assert "has 4 partitions, SILOFREI_TOPIC_PARTITIONS says 6" in partitions
    assert "kafka-topics.sh --alter" in partitions
    assert "has 1 replicas, SILOFREI_TOPIC_REPLICATION says 3" in replicas
    assert "has retention.ms=604800000, the settings say 18000000" in retention
    assert "or change SILOFREI_RETENTION_RAW_HOURS" in retention
    assert "--add-config max.message.bytes=1016384" in size
    assert len(events.problems) == 3
    assert f"the settings say {dead_letter_bytes(after)}" in letters.problems[-1]


def test_fewer_partitions_than_there_are_cannot_be_had(make_settings, local_kafka, topic_prefix):
    provision(make_settings(kafka=local_kafka, topic_prefix=topic_prefix), Config())
    fewer = make_settings(kafka=local_kafka, topic_prefix=topic_prefix, topic_partitions=2)
    (problem,) = compare(fewer, Config())[0].problems
    assert "set SILOFREI_TOPIC_PARTITIONS=4, partitions cannot be taken away" in problem


def test_more_replicas_than_brokers_is_one_readable_error(make_settings, local_kafka, topic_prefix):
    settings = make_settings(kafka=local_kafka, topic_prefix=topic_prefix, topic_replication=3)
    with pytest.raises(ConfigurationError, match="lower SILOFREI_TOPIC_REPLICATION=3"):
        provision(settings, Config())


def test_an_unreachable_broker_is_one_readable_error(make_settings):
    with pytest.raises(ConfigurationError, match=r"SILOFREI_KAFKA='127\.0\.0\.1:1': no broker answers over PLAINTEXT"):
        compare(make_settings(kafka="127.0.0.1:1"), Config())


def test_ca_certificates_that_cannot_be_read_are_one_readable_error(make_settings, tmp_path):
    settings = make_settings(kafka_security="SSL", kafka_ca=tmp_path / "none.pem")
    with pytest.raises(ConfigurationError, match=r"SILOFREI_KAFKA_CA=.*none\.pem"):
        compare(settings, Config())


def test_the_memory_cluster_makes_topics_its_own_way(make_settings, memory_kafka, topic_prefix):
    settings = make_settings(kafka=memory_kafka, kafka_memory=True, topic_prefix=topic_prefix, topic_partitions=9)
    assert all(report.ok for report in provision(settings, Config()))
    assert all(report.ok for report in compare(settings, Config()))
    assert group_offsets(settings, "nobody", f"{topic_prefix}mentions.raw") == {}
    assert len(group_positions(settings, "nobody", f"{topic_prefix}mentions.raw")) == 4


def test_a_group_that_never_committed_stands_at_the_beginning(make_settings, local_kafka, topic_prefix):
    settings = make_settings(kafka=local_kafka, topic_prefix=topic_prefix)
    assert group_offsets(settings, "nobody", f"{topic_prefix}mentions.raw") == {}
    provision(settings, Config())
    positions = group_positions(settings, f"{topic_prefix}nobody", f"{topic_prefix}mentions.raw")
    assert {(one.committed, one.end, one.lag) for one in positions.values()} == {(0, 0, 0)}
