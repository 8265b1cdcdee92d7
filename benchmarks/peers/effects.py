"""The work that all peers share, so that only the stream differs: parse, classify, decide, queue.

The parsers, the classifier, the policy and the scripts are Silofrei's own; a peer brings its own way of reading,
batching and committing.
"""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime

from silofrei.routing.classifier.model import TextInput, load_classifier
from silofrei.routing.policy import Policy
from silofrei.routing.queue import Effect, TicketQueue
from silofrei.schemas.config import Config
from silofrei.schemas.mention import MentionDeleted
from silofrei.schemas.settings import Settings
from silofrei.streams.fetches import Record
from silofrei.streams.parsing import parse_all

BATCH = 500
TOGETHER = 16
"""Records that are parsed side by side, as in the worker."""


def now() -> datetime:
    """The current moment in UTC."""
    return datetime.now(UTC)


class Effects:
    """Applies records to the queue of the one brand that the benchmark uses."""

    def __init__(self, settings: Settings) -> None:
        self._config = Config()
        self._brands = frozenset(self._config.brands)
        self._policy = Policy(self._config)
        self._classifier = load_classifier(self._config.thresholds)
        self._queue = TicketQueue.connect(settings, departments=self._config.queue_names())

    async def apply(self, records: Sequence[Record]) -> None:
        """Bring these records to the queue; the feed of the benchmark holds no poison."""
        changes = []
        for start in range(0, len(records), TOGETHER):
            for parsed in parse_all(records[start : start + TOGETHER], self._brands, now):
                if parsed.dead:
                    raise RuntimeError(f"the benchmark's feed must be clean: {parsed.dead[0].detail}")
                changes += [change for _, change in parsed.changes]
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
        for start in range(0, len(effects), BATCH):
            await self._queue.apply(self._config.brands[0], effects[start : start + BATCH])

    async def close(self) -> None:
        """Let go of Redis."""
        await self._queue.close()


def run(work: object) -> None:
    """Run a peer's coroutine on the event loop that Silofrei uses, too."""
    import uvloop

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(work)  # type: ignore[arg-type]  # each peer passes its own coroutine
