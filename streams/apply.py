"""Some fetches, from bytes to their end: parse, classify, decide, queue, and dead letters for what cannot be.

Owns: the order of the steps, what is repeated and what is poison. Refuses: Faust (worker.py calls it) and every
decision (routing makes them).

`route` returns only when every mention of the haul has left in one of the three ways, each confirmed; then its fetches
may be acknowledged. Everything may happen twice and nothing is done twice, since the queue knows what it has applied.
"""

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable, Collection, Iterable, Iterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from silofrei.routing.classifier.model import TextInput
from silofrei.routing.metrics import Dependency
from silofrei.routing.queue import Applied, Effect, EpochMissing, RefusalCode, Refused, Unavailable
from silofrei.schemas.classification import Classification
from silofrei.schemas.dead_letter import DeadLetter
from silofrei.schemas.decision import Decision
from silofrei.schemas.delivery import RawDelivery
from silofrei.schemas.mention import Mention, MentionChange, MentionDeleted
from silofrei.schemas.names import DeadLetterReason
from silofrei.streams.channels import InvalidMention
from silofrei.streams.dead_letter_writer import KafkaAway
from silofrei.streams.fetches import Record
from silofrei.streams.outcomes import Outcomes
from silofrei.streams.parsing import dead_letter, parse_all
from silofrei.streams.patience import GivenUp, Patience

log = logging.getLogger(__name__)

_BREATH = 16
"""So many records are read together; in between, a call of the queue that is under way gets on."""
_DOUBTFUL_IN_ROW = 8
"""So many effects refused one after the other, for no reason that lies in them: then the fault is in the system."""


class Classifying(Protocol):
    """What is needed of the classifier."""

    def classify(self, inputs: Sequence[TextInput], *, explain: bool = True) -> list[Classification]:
        """One answer per text, in order."""


class Refining(Protocol):
    """What is needed of the second opinions of one haul."""

    async def refine(
        self,
        mentions: Sequence[Mention],
        answers: Sequence[Classification | Exception],
        now: datetime,
        halt: asyncio.Event,
    ) -> list[Classification | Exception]:
        """The answers in order, some of them better; soon, whatever happens."""


class Deciding(Protocol):
    """What is needed of the policy."""

    def decide(self, mention: Mention, classification: Classification, now: datetime) -> Decision:
        """The decision for one mention."""


class Applying(Protocol):
    """What is needed of the queue."""

    async def apply(self, brand: str, effects: Sequence[Effect]) -> list[Applied]:
        """One answer per effect, in order."""


class Hauled(Protocol):
    """What is needed of a haul."""

    @property
    def records(self) -> Sequence[Record]:
        """All of its records; those of a partition in their order."""

    @property
    def halt(self) -> asyncio.Event:
        """Set when it must be finished at once or let go."""


class Burying(Protocol):
    """What is needed of the writer of dead letters."""

    async def write(self, letters: Iterable[DeadLetter]) -> None:
        """Returns when they are safe."""


@dataclass(slots=True)
class _Work:
    """One change on its way, and all that is needed to bury it."""

    record: Record
    delivery: RawDelivery
    item: int
    change: MentionChange
    effect: Effect | None = None


class Router:
    """Brings hauls to their end.

    Args:
        classifier: see `Classifying`.
        policy: see `Deciding`.
        queue: see `Applying`.
        letters: see `Burying`.
        brands: the brands of the configuration.
        batch_mentions: most mentions in one call of the queue.
        retry_cap: longest pause between retries, seconds.
        clock: now, with time zone.
        on_retry: told whenever a dependency is away.
        opinions: gives the second opinions of a haul, where they are on.
    """

    def __init__(
        self,
        *,
        classifier: Classifying,
        policy: Deciding,
        queue: Applying,
        letters: Burying,
        brands: Collection[str],
        batch_mentions: int,
        retry_cap: float,
        clock: Callable[[], datetime],
        on_retry: Callable[[], None] = lambda: None,
        opinions: Callable[[], Refining] | None = None,
    ) -> None:
        self._classifier = classifier
        self._policy = policy
        self._queue = queue
        self._letters = letters
        self._brands = frozenset(brands)
        self._batch = batch_mentions
        self._clock = clock
        self._redis = Patience(Dependency.REDIS, (Unavailable, EpochMissing), cap=retry_cap, on_retry=on_retry)
        self._kafka = Patience(Dependency.KAFKA, (KafkaAway,), cap=retry_cap, on_retry=on_retry)
        self._opinions = opinions
        self._doubtful = 0

    async def route(
        self, haul: Hauled, *, before: asyncio.Task[None] | None = None, sent: asyncio.Event | None = None
    ) -> bool:
        """Bring every mention of the haul to its end; whether that was done before the worker had to let go.

        Args:
            haul: what to bring.
            before: the haul before this one; the queue gets nothing of this one until that has ended.
            sent: set once the last call of the queue is under way, so that the next haul can be read meanwhile.
        """
        outcomes = Outcomes()
        dead: list[DeadLetter] = []
        try:
            await self._queue_all(haul, outcomes, dead, before, sent or asyncio.Event())
            if dead:
                await self._kafka.call(lambda: self._letters.write(dead), haul.halt)
        except GivenUp:
            return False
        finally:
            # Also of a haul that is let go: what the queue confirmed shows as a duplicate when it comes again.
            outcomes.observe_changes()
        outcomes.buried(dead)
        outcomes.observe_haul()
        return True

    async def _queue_all(
        self,
        haul: Hauled,
        outcomes: Outcomes,
        dead: list[DeadLetter],
        before: asyncio.Task[None] | None,
        sent: asyncio.Event,
    ) -> None:
        """The queue gets one chunk after the other; while it works on one, the next is read and decided."""
        asked: asyncio.Task[None] | None = None
        opinions = self._opinions() if self._opinions else None
        try:
            async with aclosing(self._chunks(haul, outcomes, dead)) as chunks:
                async for brand, chunk in chunks:
                    refused: list[tuple[_Work, Exception]] = []
                    ready = await self._decide(chunk, refused, opinions, haul.halt)
                    decided_at = self._clock()
                    if asked:
                        await asked
                    elif before:
                        await asyncio.wait((before,))
                    if haul.halt.is_set():
                        raise GivenUp
                    asked = asyncio.create_task(
                        self._finish(brand, ready, refused, decided_at, haul.halt, outcomes, dead)
                    )
                    await asyncio.sleep(0)
            sent.set()
            if asked:
                await asked
            elif before:
                await asyncio.wait((before,))
        finally:
            if asked and not asked.done():
                asked.cancel()
                await asyncio.gather(asked, return_exceptions=True)

    async def _chunks(
        self, haul: Hauled, outcomes: Outcomes, dead: list[DeadLetter]
    ) -> AsyncGenerator[tuple[str, list[_Work]]]:
        """Reads the haul, and gives what there is to do for one brand as soon as it fills a call of the queue."""
        by_brand: dict[str, list[_Work]] = {}
        for start in range(0, len(haul.records), _BREATH):
            await asyncio.sleep(0)
            records = haul.records[start : start + _BREATH]
            for record, parsed in zip(records, parse_all(records, self._brands, self._clock), strict=True):
                outcomes.delivered(parsed)
                dead += parsed.dead
                if parsed.delivery is None:
                    continue
                own = by_brand.setdefault(parsed.delivery.brand, [])
                own += [_Work(record, parsed.delivery, item, change) for item, change in parsed.changes]
                while len(own) >= self._batch:
                    yield parsed.delivery.brand, own[: self._batch]
                    del own[: self._batch]
        for brand, rest in by_brand.items():
            if rest:
                yield brand, rest

    async def _finish(
        self,
        brand: str,
        ready: Sequence[_Work],
        refused: list[tuple[_Work, Exception]],
        decided_at: datetime,
        halt: asyncio.Event,
        outcomes: Outcomes,
        dead: list[DeadLetter],
    ) -> None:
        async def attempt() -> list[tuple[_Work, Applied | Exception]]:
            return await self._apply(brand, ready)

        for work, answer in await self._redis.call(attempt, halt) if ready else ():
            if isinstance(answer, Applied):
                outcomes.applied(work.change, answer, decided_at)
            else:
                refused.append((work, answer))
        for work, error in refused:
            dead.append(_refusal(work, error, self._clock(), dead))

    async def _decide(
        self,
        chunk: Sequence[_Work],
        refused: list[tuple[_Work, Exception]],
        opinions: Refining | None,
        halt: asyncio.Event,
    ) -> list[_Work]:
        """The works that have an effect now; the others are added to `refused`."""
        now = self._clock()
        mentions = [work.change.mention for work in chunk if not isinstance(work.change, MentionDeleted)]
        classified = self._classify([TextInput(mention.text, mention.language) for mention in mentions])
        if opinions is not None:
            classified = await opinions.refine(mentions, classified, now, halt)
        answers = iter(classified)
        ready = []
        for work in chunk:
            effect = self._effect(work.change, answers, now)
            if isinstance(effect, Exception):
                refused.append((work, effect))
            else:
                work.effect = effect
                ready.append(work)
        return ready

    def _effect(
        self, change: MentionChange, answers: Iterator[Classification | Exception], now: datetime
    ) -> Effect | Exception:
        if isinstance(change, MentionDeleted):
            return Effect(change)
        answer = next(answers)
        if isinstance(answer, Exception):
            return answer
        try:
            return Effect(change, answer, self._policy.decide(change.mention, answer, now))
        except Exception as error:
            log.exception("No decision for mention %s", change.mention.id)
            return error

    def _classify(self, inputs: Sequence[TextInput]) -> list[Classification | Exception]:
        if not inputs:
            return []
        try:
            return list(self._classifier.classify(inputs))
        except Exception as error:
            if len(inputs) == 1:
                log.exception("No classification")
                return [error]
            middle = len(inputs) // 2
            return self._classify(inputs[:middle]) + self._classify(inputs[middle:])

    async def _apply(self, brand: str, works: Sequence[_Work]) -> list[tuple[_Work, Applied | Exception]]:
        try:
            answers = await self._queue.apply(brand, [work.effect for work in works if work.effect is not None])
        except (Unavailable, EpochMissing):
            raise
        except Exception as error:
            if len(works) > 1:
                middle = len(works) // 2
                return [*await self._apply(brand, works[:middle]), *await self._apply(brand, works[middle:])]
            self._doubt(error)
            return [(works[0], error)]
        self._doubtful = 0
        return list(zip(works, answers, strict=True))

    def _doubt(self, error: Exception) -> None:
        # A fault of the system refuses everything. Burying all of it would bury the company's mail: rather wait.
        if isinstance(error, ValueError) or (isinstance(error, Refused) and error.code is RefusalCode.BAD_ARGUMENT):
            return
        if self._doubtful >= _DOUBTFUL_IN_ROW:
            log.error("The queue refuses one mention after the other; holding them back", exc_info=error)
            raise Unavailable(f"The queue refuses everything ({error}).") from error
        self._doubtful += 1


def _refusal(work: _Work, error: Exception, at: datetime, dead: Sequence[DeadLetter]) -> DeadLetter:
    detail = (
        f"the mention was read and then refused ({type(error).__name__}: {error}); this is a mistake of Silofrei or "
        "of its set-up: report it, and redrive after the repair"
    )
    invalid = InvalidMention(DeadLetterReason.REFUSED, detail)
    return dead_letter(invalid, work.record, work.delivery, at, item=work.item, dead=dead)
