"""Asking for second opinions: who is asked, for how long, and that every text comes out with an answer.

Owns: the order of the checks, the waiting, the metrics. Refuses: which texts may leave (leaving.py) and HTTP
(streams/opinion_endpoint.py).

Nothing that the other model or its server does reaches the caller: the local answer is always there and stands.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Collection, Sequence
from typing import NamedTuple, Protocol

from silofrei.routing.metrics import (
    SECOND_OPINION_BREAKER,
    SECOND_OPINION_SECONDS,
    SECOND_OPINIONS,
    OpinionOutcome,
)
from silofrei.routing.opinion.answer import Unreadable, read_answer
from silofrei.routing.opinion.blanking import blank, says_something
from silofrei.routing.opinion.breaker import Breaker
from silofrei.routing.opinion.budget import Budget
from silofrei.routing.opinion.mixing import mix
from silofrei.routing.opinion.question import Message, question
from silofrei.schemas.classification import Classification
from silofrei.schemas.config import Thresholds

log = logging.getLogger(__name__)

_WORTH = 0.5
"""A question begins only while this share of the time-out is left: one that is cut off costs and brings nothing."""


class EndpointFailed(Exception):  # noqa: N818  # named for what happened
    """The server did not answer as one does. The message says what happened and the fix, and quotes no text.

    Attributes:
        rest: for how long it wants to be left alone, seconds; 0 where it did not say.
    """

    def __init__(self, message: str, rest: float = 0.0) -> None:
        super().__init__(message)
        self.rest = rest


class Endpoint(Protocol):
    """What is needed of the other model's server."""

    async def answer(self, messages: Sequence[Message]) -> str:
        """What the model says.

        Raises:
            EndpointFailed: the server is away, refuses, or what it sends is no answer of such a server.
        """


class Unsure(NamedTuple):
    """A text that may leave, and the local model's answer."""

    text: str
    answer: Classification


class Asking:
    """Asks one server within its limits.

    Args:
        endpoint: see `Endpoint`.
        model: the name that joins the local model's.
        thresholds: as the local model has them.
        budget: how many questions there may be.
        at_once: most questions under way.
        timeout: longest wait for one answer, seconds.
        clock: seconds that only grow.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        *,
        model: str,
        thresholds: Thresholds,
        budget: Budget,
        at_once: int,
        timeout: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.timeout = timeout
        self.at_once = at_once
        self._endpoint = endpoint
        self._model = model
        self._thresholds = thresholds
        self._budget = budget
        self._clock = clock
        self._breaker = Breaker(clock, self._changed)
        self._under_way = 0
        self._last_failure = ""

    async def ask(
        self, unsure: Sequence[Unsure], *, seconds: float, halt: asyncio.Event | None = None
    ) -> list[Classification]:
        """One classification per text, in order: of both models, or the local one where there is no opinion.

        Args:
            unsure: the texts.
            seconds: longest wait in all.
            halt: set when the caller must go on at once.
        """
        answers = [one.answer for one in unsure]
        tasks: dict[asyncio.Task[Classification], int] = {}
        try:
            for number, one in enumerate(unsure):
                blanked = self._admitted(one.text, seconds)
                if blanked is not None:
                    tasks[self._begin(one.answer, blanked, min(seconds, self.timeout))] = number
            await _all_or(tasks, halt)
        finally:
            # None is under way afterwards, also where this is cancelled or in error.
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        for task, number in tasks.items():
            if not task.cancelled():
                answers[number] = task.result()
        return answers

    def _admitted(self, text: str, seconds: float) -> str | None:
        """The blanked text if it may be asked about now."""
        refusal = self._refusal(seconds)
        blanked = "" if refusal else blank(text)
        if refusal is None and not says_something(blanked):
            refusal = OpinionOutcome.WITHHELD
        if refusal is None:
            return blanked
        SECOND_OPINIONS.labels(refusal).inc()
        return None

    def _refusal(self, seconds: float) -> OpinionOutcome | None:
        if seconds < self.timeout * _WORTH:
            return OpinionOutcome.OUT_OF_TIME
        if not self._breaker.allows():
            return OpinionOutcome.BREAKER_OPEN
        if self._under_way >= self.at_once:
            return OpinionOutcome.TOO_MANY
        return None if self._budget.has_room() else OpinionOutcome.OVER_BUDGET

    def _begin(self, answer: Classification, blanked: str, seconds: float) -> asyncio.Task[Classification]:
        self._under_way += 1
        self._budget.spend()
        self._breaker.began()
        task = asyncio.create_task(self._opinion(answer, question(blanked, answer.language), seconds))
        # Not within the task: one that is cancelled before its first step would stay under way for ever.
        task.add_done_callback(self._ended)
        return task

    def _ended(self, _: asyncio.Task[Classification]) -> None:
        self._under_way -= 1
        self._breaker.let_go()

    async def _opinion(self, local: Classification, messages: Sequence[Message], seconds: float) -> Classification:
        began = self._clock()
        outcome, answer = OpinionOutcome.LET_GO, local
        try:
            async with asyncio.timeout(seconds):
                said = await self._endpoint.answer(messages)
            self._breaker.succeeded()
            answer = mix(local, read_answer(said), self._thresholds, self._model)
            outcome = OpinionOutcome.STILL_UNSURE if answer.abstained else OpinionOutcome.SETTLED
        except Unreadable:
            # The server is well. Strangers write the texts: what they talk the model into must not open the breaker.
            outcome = OpinionOutcome.UNREADABLE
        except TimeoutError:
            # Cut off early, because the batch had waited before: that says nothing of the server.
            whole = seconds >= self.timeout
            outcome = OpinionOutcome.TIMED_OUT if whole else OpinionOutcome.OUT_OF_TIME
            if whole:
                self._failed(f"no answer within {seconds:g} s", 0.0)
        except EndpointFailed as error:
            outcome = OpinionOutcome.FAILED
            self._failed(str(error), error.rest)
        except Exception as error:
            outcome = OpinionOutcome.FAILED
            log.exception("A second opinion failed; this is a mistake of Silofrei: report it")
            self._failed(type(error).__name__, 0.0)
        finally:
            SECOND_OPINIONS.labels(outcome).inc()
            if outcome is not OpinionOutcome.LET_GO:
                SECOND_OPINION_SECONDS.observe(self._clock() - began)
        return answer

    def _failed(self, reason: str, rest: float) -> None:
        self._last_failure = reason
        self._breaker.failed(rest)

    def _changed(self, opened: bool) -> None:
        SECOND_OPINION_BREAKER.set(opened)
        if opened:
            log.warning(
                "The second opinion fails (%s); left alone for %.0f s, then tried again. Unsure texts go to triage",
                self._last_failure,
                self._breaker.seconds_left,
            )
        else:
            log.warning("The second opinion answers again")


async def _all_or(tasks: Collection[asyncio.Task[Classification]], halt: asyncio.Event | None) -> None:
    """Until all tasks are done or `halt` is set."""
    if not tasks:
        return
    waiting = {asyncio.ensure_future(asyncio.wait(tasks))}
    halted = {asyncio.ensure_future(halt.wait())} if halt is not None else set()
    try:
        await asyncio.wait((*waiting, *halted), return_when=asyncio.FIRST_COMPLETED)
    finally:
        for one in (*waiting, *halted):
            one.cancel()
