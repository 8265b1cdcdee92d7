"""Second opinions for the mentions of a batch, within the time that the batch may wait.

Owns: which of its texts are asked about, and the time that is left. Refuses: asking itself (asking.py).
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime

from silofrei.routing.metrics import SECOND_OPINIONS, OpinionOutcome
from silofrei.routing.opinion.asking import Asking, Unsure
from silofrei.routing.opinion.leaving import Leaving
from silofrei.schemas.classification import Classification
from silofrei.schemas.mention import Mention

log = logging.getLogger(__name__)

Answer = Classification | Exception
"""Of the classifier, or why it has none."""


class BatchOpinions:
    """The second opinions of one batch, which may come in parts; all of them wait for at most one time-out together.

    Args:
        asking: asks.
        leaving: the company's choice.
        clock: seconds that only grow.
    """

    def __init__(self, asking: Asking, leaving: Leaving, clock: Callable[[], float] = time.monotonic) -> None:
        self._asking = asking
        self._leaving = leaving
        self._clock = clock
        self._left = asking.timeout

    async def refine(
        self, mentions: Sequence[Mention], answers: Sequence[Answer], now: datetime, halt: asyncio.Event
    ) -> list[Answer]:
        """The answers, those about unsure texts with a second opinion where there is one in time. Raises nothing.

        Args:
            mentions: a part of the batch.
            answers: the local answer for each.
            now: the current moment.
            halt: set when the batch must go on at once.
        """
        refined = list(answers)
        try:
            asked = {
                number: Unsure(mention.text, answer)
                for number, (mention, answer) in enumerate(zip(mentions, answers, strict=True))
                if isinstance(answer, Classification) and answer.abstained and self._may(mention, answer, now)
            }
            if asked and not halt.is_set():
                found = await self._ask(tuple(asked.values()), halt)
                for number, answer in zip(asked, found, strict=True):
                    refined[number] = answer
        except Exception:
            log.exception("No second opinions; this is a mistake of Silofrei: report it")
        return refined

    async def _ask(self, unsure: Sequence[Unsure], halt: asyncio.Event) -> list[Classification]:
        # Only waiting counts: with a little less than a whole time-out, one that is over would not count as a failure.
        began = self._clock()
        found = await self._asking.ask(unsure, seconds=self._left, halt=halt)
        self._left -= self._clock() - began
        return found

    def _may(self, mention: Mention, answer: Classification, now: datetime) -> bool:
        try:
            may = self._leaving.mention_may(mention, answer, now)
        except Exception:
            # The policy fails on it; the router finds the same and says so.
            may = False
        if not may:
            SECOND_OPINIONS.labels(OpinionOutcome.WITHHELD).inc()
        return may


class Opinions:
    """What the worker keeps: a server to ask and the company's choice of texts.

    Args:
        asking: asks.
        leaving: the company's choice.
        closing: ends the connections to the server.
    """

    def __init__(self, asking: Asking, leaving: Leaving, closing: Callable[[], Awaitable[None]]) -> None:
        self.asking = asking
        self.leaving = leaving
        self._closing = closing

    def for_batch(self) -> BatchOpinions:
        """The second opinions of one batch."""
        return BatchOpinions(self.asking, self.leaving)

    async def close(self) -> None:
        """End the connections to the server; must be called within the event loop that asked."""
        await self._closing()
