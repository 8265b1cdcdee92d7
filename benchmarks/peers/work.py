"""The work that all peers share, so that only the stream differs: parse, classify, decide, queue, events out.

The parsers, the classifier, the policy and the scripts are Silofrei's own; a peer brings its own way of reading,
batching, producing and committing. It moves the outbox to Kafka itself, in the same loop, where Silofrei has the relay:
so a plain loop is one process and gives the same guarantee, an event that no crash can lose. The bound is also measured
with the relay beside it.
"""

import os
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import NamedTuple

import uvloop

from benchmarks.constant import REAL, classifier_named
from silofrei.routing.classifier.model import TextInput
from silofrei.routing.policy import Policy
from silofrei.routing.queue import Effect, TicketQueue
from silofrei.routing.queue.outbox import OutboxEntry
from silofrei.schemas.config import Config
from silofrei.schemas.mention import MentionChange, MentionDeleted
from silofrei.schemas.settings import Settings, load_settings
from silofrei.streams.fetches import Record
from silofrei.streams.parsing import parse_all
from silofrei.streams.topics import Topics

CLASSIFIER_VARIABLE = "BENCHMARK_CLASSIFIER"
EVENTS_VARIABLE = "BENCHMARK_EVENTS"
"""`relay`: Silofrei's relay moves the events, in a process of its own."""
PER_DELIVERY_VARIABLE = "BENCHMARK_PER_DELIVERY"
BATCH = 500
"""Mentions in one call of the classifier and of the queue."""
TOGETHER = 16
"""Records that are parsed side by side, as in the worker."""


class Delivery(NamedTuple):
    """A record as the parser reads it, from whatever client."""

    topic: str
    partition: int
    offset: int
    value: bytes | None


class Event(NamedTuple):
    """A record for Kafka."""

    topic: str
    key: bytes
    value: bytes


class Outgoing(NamedTuple):
    """Events of the outbox, and the entries to remove once Kafka has them."""

    events: list[Event]
    entry_ids: list[str]


def batch_records() -> int:
    """How many records make a batch of `BATCH` mentions."""
    return BATCH // int(os.environ.get(PER_DELIVERY_VARIABLE, "1"))


def now() -> datetime:
    """The current moment in UTC."""
    return datetime.now(UTC)


class Work:
    """Does the work for the one brand that the benchmark uses."""

    def __init__(self) -> None:
        self.settings: Settings = load_settings()
        self.topics = Topics(self.settings)
        self.group = f"{self.settings.topic_prefix}bench"
        self._relayed = os.environ.get(EVENTS_VARIABLE) == "relay"
        config = Config()
        self._brand = config.brands[0]
        self._brands = frozenset(config.brands)
        self._policy = Policy(config)
        self._classifier = classifier_named(os.environ.get(CLASSIFIER_VARIABLE, REAL), config)
        self._queue = TicketQueue.connect(self.settings, departments=config.queue_names())

    async def apply(self, records: Sequence[Record]) -> None:
        """Bring these records to the queue; the feed of the benchmark holds no poison."""
        changes: list[MentionChange] = []
        for start in range(0, len(records), TOGETHER):
            for parsed in parse_all(records[start : start + TOGETHER], self._brands, now):
                if parsed.dead:
                    raise RuntimeError(f"the benchmark's feed must be clean: {parsed.dead[0].detail}")
                changes += [change for _, change in parsed.changes]
        for start in range(0, len(changes), BATCH):
            await self._queue.apply(self._brand, self._decided(changes[start : start + BATCH]))

    async def outgoing(self) -> Outgoing:
        """What stands in the outbox, in order, for `tickets.events` and the departments' feeds."""
        if self._relayed:
            return Outgoing([], [])
        entries = await self._queue.outbox.read(self._brand, BATCH)
        return Outgoing(
            [event for entry in entries for event in self._events(entry)], [entry.entry_id for entry in entries]
        )

    async def sent(self, outgoing: Outgoing) -> None:
        """Kafka has acknowledged these."""
        await self._queue.outbox.remove(self._brand, outgoing.entry_ids)

    def _decided(self, changes: Sequence[MentionChange]) -> list[Effect]:
        texts = [
            TextInput(change.mention.text, change.mention.language)
            for change in changes
            if not isinstance(change, MentionDeleted)
        ]
        answers = iter(self._classifier.classify(texts))
        effects = []
        for change in changes:
            if isinstance(change, MentionDeleted):
                effects.append(Effect(change))
            else:
                answer = next(answers)
                effects.append(Effect(change, answer, self._policy.decide(change.mention, answer, now())))
        return effects

    def _events(self, entry: OutboxEntry) -> list[Event]:
        key, value = entry.key.encode(), entry.value()
        departments = dict.fromkeys(name for name in (entry.from_department, entry.department) if name is not None)
        topics = [self.topics.events, *(self.topics.department(name) for name in departments)]
        return [Event(topic, key, value) for topic in topics]


class BlockingWork:
    """`Work` for peers without an event loop."""

    def __init__(self) -> None:
        self._loop = uvloop.new_event_loop()
        self._work = Work()
        self.settings, self.topics, self.group = self._work.settings, self._work.topics, self._work.group

    def apply(self, records: Sequence[Record]) -> None:
        """See `Work.apply`."""
        self._loop.run_until_complete(self._work.apply(records))

    def outgoing(self) -> Outgoing:
        """See `Work.outgoing`."""
        return self._loop.run_until_complete(self._work.outgoing())

    def sent(self, outgoing: Outgoing) -> None:
        """See `Work.sent`."""
        self._loop.run_until_complete(self._work.sent(outgoing))
