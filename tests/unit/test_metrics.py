from prometheus_client import REGISTRY, Histogram
from prometheus_client.metrics import MetricWrapperBase

from silofrei.routing import metrics
from silofrei.routing.metrics import Step, begin_relay_series, begin_worker_series, observe_all
from silofrei.schemas.names import Channel, DeadLetterReason

QUEUES = ("service", "triage")


def negative(step: Step) -> float:
    return REGISTRY.get_sample_value("silofrei_negative_latencies_total", {"step": step}) or 0.0


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


def test_the_series_of_a_shadow_model_begin_at_zero() -> None:
    metrics.begin_shadow_series()
    for labels in ({"active": "service", "candidate": "triage"}, {"active": "triage", "candidate": "none"}):
        assert REGISTRY.get_sample_value("silofrei_shadow_decisions_total", labels) is not None


def test_the_series_of_a_second_opinion_begin_at_zero() -> None:
    metrics.begin_opinion_series()
    for outcome in metrics.OpinionOutcome:
        assert REGISTRY.get_sample_value("silofrei_second_opinions_total", {"outcome": outcome}) is not None


def test_names_say_their_unit_and_no_label_can_come_from_data() -> None:
    closed = {"channel", "department", "outcome", "reason", "step", "topic", "partition", "dependency"}
    closed |= {"active", "candidate"}
    for metric in vars(metrics).values():
        if isinstance(metric, MetricWrapperBase):
            (family,) = metric.describe()
            assert family.documentation.endswith(".")
            assert set(metric._labelnames) <= closed
            if family.type == "histogram":
                assert family.name.endswith("_seconds") or family.name == "silofrei_batch_mentions"


def test_many_latencies_at_once_are_what_each_alone_would_be() -> None:
    one_by_one = Histogram("one_by_one", "For this test.", registry=None, buckets=(0.5, 1, 5))
    at_once = Histogram("at_once", "For this test.", registry=None, buckets=(0.5, 1, 5))
    ends = [-3.0, 0.0, 0.25, 0.5, 0.75, 1.0, 4.0, 5.0, 5.5, 1e9]
    before = negative(Step.CLASSIFIED_TO_QUEUED)
    observe_all(Step.CLASSIFIED_TO_QUEUED, at_once, [0.0] * len(ends), ends)
    for end in ends:
        one_by_one.observe(max(end, 0.0))

    def values(histogram: Histogram) -> list[tuple[str | None, float]]:
        (family,) = histogram.collect()
        return [(one.labels.get("le"), one.value) for one in family.samples if not one.name.endswith("_created")]

    assert values(at_once) == values(one_by_one)
    assert negative(Step.CLASSIFIED_TO_QUEUED) == before + 1
