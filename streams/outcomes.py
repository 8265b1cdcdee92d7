"""What became of a fetch, kept until all of it is confirmed and then counted once.

Owns: which metric counts what. Refuses: the metrics' names and labels (routing/metrics.py).
"""

from collections import Counter as Tally
from collections.abc import Iterable
from datetime import datetime

from silofrei.routing.metrics import (
    BATCH_MENTIONS,
    CHANGES,
    CLASSIFIED_TO_QUEUED,
    DEAD_LETTERS,
    DELIVERIES,
    INGESTED_TO_CLASSIFIED,
    INGESTED_TO_QUEUED,
    NOT_MENTIONS,
    PUBLISHED_TO_INGESTED,
    PUBLISHED_TO_QUEUED,
    UNKNOWN_CHANNEL,
    ChangeOutcome,
    Step,
    seconds_between,
)
from silofrei.routing.queue import Applied, ApplyCode
from silofrei.schemas.dead_letter import DeadLetter
from silofrei.schemas.mention import Mention, MentionChange, MentionDeleted
from silofrei.schemas.names import Channel
from silofrei.streams.parsing import Parsed

_OUTCOMES = {
    ApplyCode.OPENED: ChangeOutcome.OPENED,
    ApplyCode.APPENDED: ChangeOutcome.APPENDED,
    ApplyCode.DISCARDED: ChangeOutcome.DISCARDED,
    ApplyCode.EDITED: ChangeOutcome.EDITED,
    ApplyCode.DELETED: ChangeOutcome.DELETED,
    ApplyCode.DUPLICATE: ChangeOutcome.DUPLICATE,
}
_NEW = {ApplyCode.OPENED, ApplyCode.APPENDED, ApplyCode.DISCARDED}
"""Outcomes of a mention that came for the first time; the latencies of repeats and edits would say nothing."""

_CHANNELS = frozenset(channel.value for channel in Channel)


def channel_label(name: str | None) -> str:
    """The label for a channel's name: what is no channel of ours is data and becomes `unknown`."""
    return name if name is not None and name in _CHANNELS else UNKNOWN_CHANNEL


class Outcomes:
    """The outcomes of one fetch."""

    def __init__(self) -> None:
        self._deliveries: Tally[str] = Tally()
        self._not_mentions: Tally[str] = Tally()
        self._changes: Tally[tuple[str, str, ChangeOutcome]] = Tally()
        self._dead: Tally[tuple[str, str]] = Tally()
        self._new: list[tuple[Mention, datetime, datetime]] = []

    def delivered(self, parsed: Parsed) -> None:
        """A record was read."""
        channel = channel_label(parsed.delivery.channel if parsed.delivery else None)
        self._deliveries[channel] += 1
        if parsed.not_mentions:
            self._not_mentions[channel] += parsed.not_mentions

    def applied(self, change: MentionChange, answer: Applied, decided_at: datetime) -> None:
        """The queue confirmed a change that was decided at `decided_at`."""
        subject = change if isinstance(change, MentionDeleted) else change.mention
        self._changes[subject.channel.value, answer.department or "", _OUTCOMES[answer.code]] += 1
        if isinstance(subject, Mention) and answer.code in _NEW:
            self._new.append((subject, decided_at, answer.at))

    def buried(self, dead: Iterable[DeadLetter]) -> None:
        """Dead letters are safe on Kafka."""
        for letter in dead:
            self._dead[letter.reason.value, channel_label(letter.channel)] += 1

    def observe_changes(self) -> None:
        """Count what the queue confirmed."""
        for labels, number in self._changes.items():
            CHANGES.labels(*labels).inc(number)
        for mention, decided_at, queued_at in self._new:
            _observe_latencies(mention, decided_at, queued_at)

    def observe_fetch(self) -> None:
        """All of the fetch is at its end: count the rest."""
        for channel, number in self._deliveries.items():
            DELIVERIES.labels(channel).inc(number)
        for channel, number in self._not_mentions.items():
            NOT_MENTIONS.labels(channel).inc(number)
        for (reason, channel), number in self._dead.items():
            DEAD_LETTERS.labels(reason).inc(number)
            CHANGES.labels(channel, "", ChangeOutcome.DEAD_LETTER).inc(number)
        BATCH_MENTIONS.observe(self._changes.total() + self._dead.total())


def _observe_latencies(mention: Mention, decided_at: datetime, queued_at: datetime) -> None:
    channel = mention.channel.value
    created, received = mention.created_at, mention.received_at
    PUBLISHED_TO_INGESTED.labels(channel).observe(seconds_between(Step.PUBLISHED_TO_INGESTED, created, received))
    INGESTED_TO_CLASSIFIED.observe(seconds_between(Step.INGESTED_TO_CLASSIFIED, received, decided_at))
    CLASSIFIED_TO_QUEUED.observe(seconds_between(Step.CLASSIFIED_TO_QUEUED, decided_at, queued_at))
    INGESTED_TO_QUEUED.labels(channel).observe(seconds_between(Step.INGESTED_TO_QUEUED, received, queued_at))
    PUBLISHED_TO_QUEUED.labels(channel).observe(seconds_between(Step.PUBLISHED_TO_QUEUED, created, queued_at))
