"""What became of a haul, kept until all of it is confirmed and then counted once.

Owns: which metric counts what. Refuses: the metrics' names and labels (routing/metrics.py).
"""

from collections import Counter as Tally
from collections.abc import Iterable, Sequence
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
    observe_all,
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

_Moments = tuple[float, float, float, float]
"""Published, ingested, classified, queued: seconds since 1970."""
_CHANNELS = frozenset(channel.value for channel in Channel)


def channel_label(name: str | None) -> str:
    """The label for a channel's name: what is no channel of ours is data and becomes `unknown`."""
    return name if name is not None and name in _CHANNELS else UNKNOWN_CHANNEL


class Outcomes:
    """The outcomes of one haul."""

    def __init__(self) -> None:
        self._deliveries: Tally[str] = Tally()
        self._not_mentions: Tally[str] = Tally()
        self._changes: Tally[tuple[str, str, ChangeOutcome]] = Tally()
        self._dead: Tally[tuple[str, str]] = Tally()
        self._new: list[tuple[str, _Moments]] = []

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
            moments = (subject.created_at, subject.received_at, decided_at, answer.at)
            published, ingested, classified, queued = (moment.timestamp() for moment in moments)
            self._new.append((subject.channel.value, (published, ingested, classified, queued)))

    def buried(self, dead: Iterable[DeadLetter]) -> None:
        """Dead letters are safe on Kafka."""
        for letter in dead:
            self._dead[letter.reason.value, channel_label(letter.channel)] += 1

    def observe_changes(self) -> None:
        """Count what the queue confirmed."""
        for labels, number in self._changes.items():
            CHANGES.labels(*labels).inc(number)
        by_channel: dict[str, list[_Moments]] = {}
        for channel, moments in self._new:
            by_channel.setdefault(channel, []).append(moments)
        for channel, found in by_channel.items():
            _observe_latencies(channel, found)

    def observe_haul(self) -> None:
        """All of the haul is at its end: count the rest."""
        for channel, number in self._deliveries.items():
            DELIVERIES.labels(channel).inc(number)
        for channel, number in self._not_mentions.items():
            NOT_MENTIONS.labels(channel).inc(number)
        for (reason, channel), number in self._dead.items():
            DEAD_LETTERS.labels(reason).inc(number)
            CHANGES.labels(channel, "", ChangeOutcome.DEAD_LETTER).inc(number)
        BATCH_MENTIONS.observe(self._changes.total() + self._dead.total())


def _observe_latencies(channel: str, moments: Sequence[_Moments]) -> None:
    published, ingested, classified, queued = zip(*moments, strict=True)
    for step, histogram, starts, ends in (
        (Step.PUBLISHED_TO_INGESTED, PUBLISHED_TO_INGESTED.labels(channel), published, ingested),
        (Step.INGESTED_TO_CLASSIFIED, INGESTED_TO_CLASSIFIED, ingested, classified),
        (Step.CLASSIFIED_TO_QUEUED, CLASSIFIED_TO_QUEUED, classified, queued),
        (Step.INGESTED_TO_QUEUED, INGESTED_TO_QUEUED.labels(channel), ingested, queued),
        (Step.PUBLISHED_TO_QUEUED, PUBLISHED_TO_QUEUED.labels(channel), published, queued),
    ):
        observe_all(step, histogram, starts, ends)
