from datetime import UTC, datetime, timedelta

from prometheus_client import REGISTRY
from prometheus_client.metrics import MetricWrapperBase

from silofrei.routing import metrics
from silofrei.routing.metrics import Step, begin_relay_series, begin_worker_series, seconds_between
from silofrei.schemas.names import Channel, DeadLetterReason

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
QUEUES = ("service", "triage")


def negative(step: Step) -> float:
    return REGISTRY.get_sample_value("silofrei_negative_latencies_total", {"step": step}) or 0.0


def test_a_latency_is_in_seconds() -> None:
    before = negative(Step.EVENT_TO_KAFKA)
    assert seconds_between(Step.EVENT_TO_KAFKA, NOW, NOW + timedelta(milliseconds=1500)) == 1.5
    assert seconds_between(Step.EVENT_TO_KAFKA, NOW, NOW) == 0.0
    assert negative(Step.EVENT_TO_KAFKA) == before


def test_a_latency_below_zero_is_zero_and_counted() -> None:
    before = negative(Step.PUBLISHED_TO_INGESTED)
    assert seconds_between(Step.PUBLISHED_TO_INGESTED, NOW, NOW - timedelta(hours=3)) == 0.0
    assert negative(Step.PUBLISHED_TO_INGESTED) == before + 1


def test_series_that_alerts_look_at_are_there_before_anything_happens() -> None:
    begin_worker_series(QUEUES)
    begin_relay_series(QUEUES)
    there = REGISTRY.get_sample_value
    for channel in (*Channel, metrics.UNKNOWN_CHANNEL):
        assert there("silofrei_deliveries_total", {"channel": channel}) is not None
        labels = {"channel": channel, "department": "", "outcome": "dead_letter"}
        assert there("silofrei_changes_total", labels) is not None
    for queue in QUEUES:
        labels = {"channel": Channel.X, "department": queue, "outcome": "opened"}
        assert there("silofrei_changes_total", labels) is not None
        assert there("silofrei_leases_expired_total", {"department": queue}) is not None
    for reason in DeadLetterReason:
        assert there("silofrei_dead_letters_total", {"reason": reason}) is not None
    for step in Step:
        assert there("silofrei_negative_latencies_total", {"step": step}) is not None
    for dependency in metrics.Dependency:
        assert there("silofrei_retries_total", {"dependency": dependency}) is not None


def test_names_say_their_unit_and_no_label_can_come_from_data() -> None:
    closed = {"channel", "department", "outcome", "reason", "step", "topic", "partition", "dependency"}
    for metric in vars(metrics).values():
        if isinstance(metric, MetricWrapperBase):
            (family,) = metric.describe()
            assert family.documentation.endswith(".")
            assert set(metric._labelnames) <= closed
            if family.type == "histogram":
                assert family.name.endswith("_seconds") or family.name == "silofrei_batch_mentions"
