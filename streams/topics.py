"""Topics: their names, how they must be set up, and a comparison with what the broker has.

Owns: names, sizes and retention. Refuses: altering a topic that exists; a mismatch is reported with its fix, because
more partitions break the order within threads and less retention destroys data.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from kafka import KafkaAdminClient, KafkaProducer
from kafka.admin import ConfigResource, ConfigResourceType
from kafka.errors import KafkaError, KafkaTimeoutError, TopicAlreadyExistsError

from silofrei.schemas.config import Config
from silofrei.schemas.settings import ConfigurationError, Settings
from silofrei.streams.kafka_clients import admin_client, kafka_python_producer_options, unreachable

_RECORD_OVERHEAD = 16_384
"""Room for a record's key and headers and for the frame of its batch."""
_DEAD_LETTER_OVERHEAD = 65_536
"""Room for what a dead letter says about its record."""
_HOUR_MS = 3_600_000


class Topics:
    """Names of topics and consumer groups, with the prefix of the settings."""

    def __init__(self, settings: Settings) -> None:
        self._prefix = settings.topic_prefix
        self.raw = f"{self._prefix}mentions.raw"
        self.events = f"{self._prefix}tickets.events"
        self.dead_letters = f"{self._prefix}mentions.dead-letters"
        self.worker_group = f"{self._prefix}silofrei-worker"
        self.ledger_group = f"{self._prefix}silofrei-ledger"

    def department(self, name: str) -> str:
        """The feed of one queue: a department's or triage's."""
        return f"{self._prefix}tickets.{name}"


@dataclass(frozen=True, slots=True)
class TopicPlan:
    """How one topic must be set up; retention in milliseconds, -1 for ever."""

    name: str
    partitions: int
    replication: int
    retention_ms: int
    max_message_bytes: int
    retention_setting: str


@dataclass(frozen=True, slots=True)
class TopicReport:
    """What was found, and done, about one topic; each problem is a sentence with its fix."""

    name: str
    exists: bool
    created: bool = False
    problems: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether the topic is there and as planned."""
        return self.exists and not self.problems


def raw_record_bytes(settings: Settings) -> int:
    """Largest record of `mentions.raw` and of the tickets' topics, in bytes."""
    return settings.max_delivery_bytes + _RECORD_OVERHEAD


def dead_letter_bytes(settings: Settings) -> int:
    """Largest record of `mentions.dead-letters`, in bytes: a whole raw record in Base64 and what is said of it."""
    return raw_record_bytes(settings) * 4 // 3 + _DEAD_LETTER_OVERHEAD


def plan(settings: Settings, config: Config) -> list[TopicPlan]:
    """All topics of an installation."""
    topics = Topics(settings)
    raw_ms = settings.retention_raw_hours * _HOUR_MS
    events_ms = settings.retention_events_hours * _HOUR_MS if settings.retention_events_hours > 0 else -1
    record = raw_record_bytes(settings)

    def one(name: str, retention_ms: int, size: int, setting: str) -> TopicPlan:
        return TopicPlan(name, settings.topic_partitions, settings.topic_replication, retention_ms, size, setting)

    return [
        one(topics.raw, raw_ms, record, "RETENTION_RAW_HOURS"),
        one(topics.events, events_ms, record, "RETENTION_EVENTS_HOURS"),
        one(
            topics.dead_letters,
            settings.retention_dead_letters_hours * _HOUR_MS,
            dead_letter_bytes(settings),
            "RETENTION_DEAD_LETTERS_HOURS",
        ),
        # The feeds are copies of tickets.events for other systems, so they live no longer than the deliveries.
        *(one(topics.department(name), raw_ms, record, "RETENTION_RAW_HOURS") for name in config.queue_names()),
    ]


def provision(settings: Settings, config: Config) -> list[TopicReport]:
    """Create the topics that are missing and report how the others differ; nothing that exists is altered.

    Raises:
        ConfigurationError: no broker answers, or it refuses to create a topic.
    """
    return _look(settings, config, create=True)


def compare(settings: Settings, config: Config) -> list[TopicReport]:
    """Report which topics are missing and how the others differ from the settings.

    Raises:
        ConfigurationError: no broker answers.
    """
    return _look(settings, config, create=False)


def require_topic(settings: Settings, name: str) -> None:
    """Return where there is such a topic; in memory every topic comes by its use.

    Raises:
        ConfigurationError: no broker answers, or the topic is missing.
    """
    with admin_client(settings) as admin:
        if settings.kafka_memory:
            return
        try:
            there = name in admin.list_topics()
        except KafkaError as error:
            raise unreachable(settings, error) from error
    if not there:
        raise ConfigurationError(f"topic {name} is missing; run `silofrei topics` to create it")


def _look(settings: Settings, config: Config, *, create: bool) -> list[TopicReport]:
    plans = plan(settings, config)
    with admin_client(settings) as admin:
        try:
            if settings.kafka_memory:
                return _touch(settings, plans)
            created = _create(admin, plans) if create else frozenset()
            found = _describe(admin, plans)
        except KafkaError as error:
            raise ConfigurationError(f"SILOFREI_KAFKA={settings.kafka!r}: {error}") from error
    return [_report(one, found.get(one.name), created=one.name in created) for one in plans]


def _touch(settings: Settings, plans: Iterable[TopicPlan]) -> list[TopicReport]:
    # The memory cluster has no CreateTopics and makes a topic, its way, when a producer asks for its metadata.
    producer = KafkaProducer(**kafka_python_producer_options(settings, max_request_size=raw_record_bytes(settings)))
    try:
        return [TopicReport(one.name, exists=bool(producer.partitions_for(one.name))) for one in plans]
    finally:
        producer.close(timeout=5)


def _create(admin: KafkaAdminClient, plans: Iterable[TopicPlan]) -> frozenset[str]:
    there = set(admin.list_topics())
    missing = [one for one in plans if one.name not in there]
    created = set()
    for one in missing:
        try:
            admin.create_topics({one.name: _creation(one)})
        except TopicAlreadyExistsError:
            continue  # somebody else was faster; the comparison below tells how it was set up
        except KafkaError as error:
            raise ConfigurationError(_refused(one, error)) from error
        created.add(one.name)
    try:
        admin.wait_for_topics(sorted(created))
    except KafkaTimeoutError as error:
        raise ConfigurationError(f"the broker created the topics and does not serve them: {error}") from error
    return frozenset(created)


def _creation(one: TopicPlan) -> dict[str, Any]:
    configs = {"retention.ms": str(one.retention_ms), "max.message.bytes": str(one.max_message_bytes)}
    return {"num_partitions": one.partitions, "replication_factor": one.replication, "configs": configs}


def _refused(one: TopicPlan, error: KafkaError) -> str:
    if type(error).__name__ == "InvalidReplicationFactorError":
        return (
            f"topic {one.name}: the cluster cannot hold {one.replication} replicas; add brokers or lower "
            f"SILOFREI_TOPIC_REPLICATION={one.replication}"
        )
    if type(error).__name__.endswith("AuthorizationFailedError"):
        return f"topic {one.name}: not allowed to create it; allow CREATE on it, or create it and run this again"
    return f"topic {one.name}: the broker refuses to create it: {error}"


@dataclass(frozen=True, slots=True)
class _Found:
    partitions: int
    replication: int
    configs: Mapping[str, str]


def _describe(admin: KafkaAdminClient, plans: Iterable[TopicPlan]) -> dict[str, _Found]:
    # Only topics that are there: asking for another one would create it where the broker auto-creates.
    there = set(admin.list_topics())
    names = [one.name for one in plans if one.name in there]
    if not names:
        return {}
    wanted = ["retention.ms", "max.message.bytes"]
    resources = [ConfigResource(ConfigResourceType.TOPIC, name, configs=wanted) for name in names]
    configs = admin.describe_configs(resources, config_filter="all").get("topic", {})
    found = {}
    for topic in admin.describe_topics(names):
        partitions = topic["partitions"]
        replication = min((len(partition["replica_nodes"]) for partition in partitions), default=0)
        values = {key: str(entry["value"]) for key, entry in configs.get(topic["name"], {}).items()}
        found[topic["name"]] = _Found(len(partitions), replication, values)
    return found


def _report(one: TopicPlan, found: _Found | None, *, created: bool) -> TopicReport:
    if found is None:
        problem = f"topic {one.name} is missing; run `silofrei topics` to create it"
        return TopicReport(one.name, exists=False, problems=(problem,))
    return TopicReport(one.name, exists=True, created=created, problems=tuple(_differences(one, found)))


def _differences(one: TopicPlan, found: _Found) -> Iterable[str]:
    if found.partitions != one.partitions:
        says = f"topic {one.name} has {found.partitions} partitions, SILOFREI_TOPIC_PARTITIONS says {one.partitions}"
        if found.partitions > one.partitions:
            yield f"{says}; set SILOFREI_TOPIC_PARTITIONS={found.partitions}, partitions cannot be taken away"
        else:
            yield (
                f"{says}; stop the producers, let the workers finish, then run kafka-topics.sh --alter "
                f"--topic {one.name} --partitions {one.partitions} (keys move between partitions), or set "
                f"SILOFREI_TOPIC_PARTITIONS={found.partitions}"
            )
    if found.replication != one.replication:
        yield (
            f"topic {one.name} has {found.replication} replicas, SILOFREI_TOPIC_REPLICATION says {one.replication}; "
            f"move them with kafka-reassign-partitions.sh or set SILOFREI_TOPIC_REPLICATION={found.replication}"
        )
    for key, value, setting in (
        ("retention.ms", one.retention_ms, one.retention_setting),
        ("max.message.bytes", one.max_message_bytes, "MAX_DELIVERY_BYTES"),
    ):
        have = found.configs.get(key)
        if have is not None and have != str(value):
            yield (
                f"topic {one.name} has {key}={have}, the settings say {value}; run kafka-configs.sh --alter "
                f"--entity-type topics --entity-name {one.name} --add-config {key}={value}, "
                f"or change SILOFREI_{setting}"
            )
