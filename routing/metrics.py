"""Every metric of Silofrei, declared once.

Labels come from enums, topics, partitions and the configured departments only, never from data. Seconds throughout.
"""

from bisect import bisect_left
from collections import Counter as Tally
from collections.abc import Iterable, Sequence
from enum import StrEnum
from itertools import product

from prometheus_client import Counter, Gauge, Histogram

from silofrei.schemas.names import TRIAGE, Channel, DeadLetterReason, Label

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800, 7200)
_MENTIONS = (1, 2, 5, 10, 25, 50, 100, 250, 500, 1000, 2500)


class ChangeOutcome(StrEnum):
    """What became of one mention change or of one delivery that could not be read."""

    OPENED = "opened"
    APPENDED = "appended"
    DISCARDED = "discarded"
    EDITED = "edited"
    DELETED = "deleted"
    DUPLICATE = "duplicate"
    DEAD_LETTER = "dead_letter"


UNKNOWN_CHANNEL = "unknown"
"""Label of a delivery whose envelope is broken or whose channel has no parser here; its name is data, so no label."""


WATCHDOG_COUNTER = "watchdog-exits"
"""Name of the counter in Redis behind `WATCHDOG_EXITS`; the worker that counts ends in the same moment."""


class Step(StrEnum):
    """A stretch of a mention's way whose time is measured."""

    PUBLISHED_TO_INGESTED = "published_to_ingested"
    INGESTED_TO_CLASSIFIED = "ingested_to_classified"
    CLASSIFIED_TO_QUEUED = "classified_to_queued"
    INGESTED_TO_QUEUED = "ingested_to_queued"
    PUBLISHED_TO_QUEUED = "published_to_queued"
    EVENT_TO_KAFKA = "event_to_kafka"


class Dependency(StrEnum):
    """What a process cannot work without."""

    KAFKA = "kafka"
    REDIS = "redis"


class OpinionOutcome(StrEnum):
    """What became of a text that the local model was unsure about, where a second opinion is set up."""

    SETTLED = "settled"
    STILL_UNSURE = "still_unsure"
    TIMED_OUT = "timed_out"
    FAILED = "failed"
    UNREADABLE = "unreadable"
    LET_GO = "let_go"
    WITHHELD = "withheld"
    OVER_BUDGET = "over_budget"
    TOO_MANY = "too_many"
    OUT_OF_TIME = "out_of_time"
    BREAKER_OPEN = "breaker_open"


class EncoderOutcome(StrEnum):
    """What an encoder made of a text that the linear model was unsure of."""

    STAYED = "stayed"
    MOVED = "moved"
    FAILED = "failed"
    LATE = "late"


DELIVERIES = Counter("silofrei_deliveries", "Deliveries taken from mentions.raw.", ["channel"])
CHANGES = Counter(
    "silofrei_changes",
    "Mention changes by what became of them; department is empty where none was involved.",
    ["channel", "department", "outcome"],
)
NOT_MENTIONS = Counter("silofrei_not_mentions", "Native events that are no mention (likes, receipts).", ["channel"])
PUBLISHED_TO_INGESTED = Histogram(
    "silofrei_published_to_ingested_seconds", "From the author's post to our receipt.", ["channel"], buckets=_SECONDS
)
INGESTED_TO_CLASSIFIED = Histogram(
    "silofrei_ingested_to_classified_seconds", "From receipt to the classification.", buckets=_SECONDS
)
CLASSIFIED_TO_QUEUED = Histogram(
    "silofrei_classified_to_queued_seconds", "From the classification to Redis' confirmation.", buckets=_SECONDS
)
INGESTED_TO_QUEUED = Histogram(
    "silofrei_ingested_to_queued_seconds", "From receipt to Redis' confirmation.", ["channel"], buckets=_SECONDS
)
PUBLISHED_TO_QUEUED = Histogram(
    "silofrei_published_to_queued_seconds", "From the author's post to the queue.", ["channel"], buckets=_SECONDS
)
NEGATIVE_LATENCIES = Counter(
    "silofrei_negative_latencies", "Latencies below zero, counted as zero: a source's clock is ahead.", ["step"]
)
BATCH_MENTIONS = Histogram("silofrei_batch_mentions", "Mention changes in one batch.", buckets=_MENTIONS)
BATCH_SECONDS = Histogram("silofrei_batch_seconds", "From fetch to acknowledgement of one batch.", buckets=_SECONDS)
CONSUMER_LAG = Gauge("silofrei_consumer_lag", "Deliveries not yet committed.", ["topic", "partition"])
COMMITTED_OFFSET = Gauge("silofrei_committed_offset", "Offset up to which all is committed.", ["topic", "partition"])
DEAD_LETTERS = Counter("silofrei_dead_letters", "Dead letters written.", ["reason"])
RETRIES = Counter("silofrei_retries", "Attempts repeated because a dependency was away.", ["dependency"])
DEPENDENCY_UP = Gauge("silofrei_dependency_up", "1 while the last call succeeded, else 0.", ["dependency"])
WATCHDOG_EXITS = Gauge("silofrei_watchdog_exits", "Times that the watchdog ended a worker, kept in Redis.")
QUEUE_DEPTH = Gauge("silofrei_queue_depth", "Tickets waiting.", ["department"])
QUEUE_CLAIMED = Gauge("silofrei_queue_claimed", "Tickets under a lease.", ["department"])
QUEUE_OLDEST_AGE = Gauge("silofrei_queue_oldest_age_seconds", "Age of the oldest waiting ticket.", ["department"])
QUEUE_OVERDUE = Gauge("silofrei_queue_overdue", "Waiting tickets past their deadline.", ["department"])
OUTBOX_LENGTH = Gauge("silofrei_outbox_length", "Events not yet moved to Kafka.")
RELAY_ACTIVE = Gauge("silofrei_relay_active", "1 in the relay that holds the lease, 0 in one that stands by.")
RELAY_EVENTS = Counter("silofrei_relay_events", "Events moved to Kafka.")
RELAY_SECONDS = Histogram("silofrei_relay_batch_seconds", "From reading the outbox to Kafka's ack.", buckets=_SECONDS)
EVENT_TO_KAFKA = Histogram(
    "silofrei_event_to_kafka_seconds", "From the queue's change to Kafka's ack.", buckets=_SECONDS
)
SHADOW_DECISIONS = Counter(
    "silofrei_shadow_decisions",
    "Texts by where the active model and SILOFREI_SHADOW_MODEL would send them alone; triage where one is unsure.",
    ["active", "candidate"],
)
SECOND_OPINIONS = Counter(
    "silofrei_second_opinions",
    "Texts that the classifier was unsure about, by what became of the second opinion.",
    ["outcome"],
)
SECOND_OPINION_SECONDS = Histogram(
    "silofrei_second_opinion_seconds", "From a question to its answer, failure or time-out.", buckets=_SECONDS
)
SECOND_OPINION_BREAKER = Gauge(
    "silofrei_second_opinion_breaker_open", "1 while the second opinion's server is left alone after failures, else 0."
)
ENCODER_TEXTS = Counter(
    "silofrei_encoder_texts",
    "Texts of which the linear model was unsure: label or certainty moved or stayed; the encoder failed, or was late.",
    ["outcome"],
)
ENCODER_SECONDS = Histogram("silofrei_encoder_seconds", "The encoder's part of one batch.", buckets=_SECONDS)
LEASES_EXPIRED = Counter("silofrei_leases_expired", "Leases that ran out.", ["department"])
LEDGER_ROWS = Counter("silofrei_ledger_rows", "Events written to Parquet.")


def begin_worker_series(queue_names: Iterable[str]) -> None:
    """Create a worker's labelled counters at zero.

    A series that appears with a value has no earlier sample, so Prometheus' rate() would miss its first events: the
    first dead letter of a channel, for one.

    Args:
        queue_names: the configured queues, triage too.
    """
    queues = tuple(queue_names)
    with_ticket = (ChangeOutcome.OPENED, ChangeOutcome.APPENDED, ChangeOutcome.EDITED, ChangeOutcome.DELETED)
    for channel in (*Channel, UNKNOWN_CHANNEL):
        DELIVERIES.labels(channel)
        CHANGES.labels(channel, "", ChangeOutcome.DEAD_LETTER)
    for channel in Channel:
        NOT_MENTIONS.labels(channel)
        CHANGES.labels(channel, "", ChangeOutcome.DISCARDED)
        for queue, outcome in product(queues, with_ticket):
            CHANGES.labels(channel, queue, outcome)
    for reason in DeadLetterReason:
        DEAD_LETTERS.labels(reason)
    for dependency in Dependency:
        RETRIES.labels(dependency)
    for step in Step:
        if step is not Step.EVENT_TO_KAFKA:
            NEGATIVE_LATENCIES.labels(step)


def begin_relay_series(queue_names: Iterable[str]) -> None:
    """Create a relay's labelled counters at zero, as `begin_worker_series` does.

    Args:
        queue_names: the configured queues, triage too.
    """
    for queue in queue_names:
        LEASES_EXPIRED.labels(queue)
    for reason in DeadLetterReason:
        DEAD_LETTERS.labels(reason)
    for dependency in Dependency:
        RETRIES.labels(dependency)
    NEGATIVE_LATENCIES.labels(Step.EVENT_TO_KAFKA)


def begin_shadow_series() -> None:
    """Create the counters of a worker with a shadow model at zero, as `begin_worker_series` does."""
    places = (*Label, TRIAGE)
    for active, candidate in product(places, places):
        SHADOW_DECISIONS.labels(active, candidate)


def begin_opinion_series() -> None:
    """Create the counters of a worker with a second opinion at zero, as `begin_worker_series` does."""
    for outcome in OpinionOutcome:
        SECOND_OPINIONS.labels(outcome)


def begin_encoder_series() -> None:
    """Create the counters of a worker at zero that an encoder may count in, as `begin_worker_series` does."""
    for outcome in EncoderOutcome:
        ENCODER_TEXTS.labels(outcome)


def observe_all(step: Step, histogram: Histogram, starts: Sequence[float], ends: Sequence[float]) -> None:
    """Observe many latencies at once, at a fifth of what `observe` costs for each.

    A latency below zero is counted under `step` and observed as zero.

    Args:
        step: what is measured.
        histogram: one without labels, or the child for some.
        starts: earlier moments, seconds since 1970.
        ends: later moments, as many.
    """
    seconds = [end - start for start, end in zip(starts, ends, strict=True)]
    negative = sum(1 for one in seconds if one < 0)
    if negative:
        NEGATIVE_LATENCIES.labels(step).inc(negative)
        seconds = [max(one, 0.0) for one in seconds]
    # prometheus_client has no call for this; tests/unit/test_metrics.py holds it to `observe`.
    bounds, buckets = histogram._upper_bounds, histogram._buckets
    for index, number in Tally(bisect_left(bounds, one) for one in seconds).items():
        buckets[index].inc(number)
    histogram._sum.inc(sum(seconds))
