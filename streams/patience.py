"""Patience: a call is repeated for as long as what it needs is away, and let go when the worker must.

Owns: pauses, the metrics of outages and what the log says about them. Refuses: deciding which errors mean "away".
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

from silofrei.routing.metrics import DEPENDENCY_UP, RETRIES, Dependency
from silofrei.streams.backoff import Backoff

log = logging.getLogger(__name__)

_T = TypeVar("_T")
_LAST_SECONDS = 2.0
"""How long a call that is under way may still take once the worker must let go."""
_REPEAT_SECONDS = 30.0
"""How often an outage that goes on is logged."""


class GivenUp(Exception):  # noqa: N818  # no error: the fetch belongs to somebody else now
    """The worker must let go of what it does; somebody reads these records again."""


class Patience:
    """Repeats calls to one dependency.

    Args:
        dependency: what the calls need.
        away: errors that mean that it is away; every other one is the caller's.
        cap: longest pause between attempts, seconds.
        on_retry: told before each pause, so that waiting is not taken for a fault.
    """

    def __init__(
        self,
        dependency: Dependency,
        away: tuple[type[Exception], ...],
        *,
        cap: float,
        on_retry: Callable[[], None] = lambda: None,
    ) -> None:
        self._dependency = dependency
        self._away = away
        self._cap = cap
        self._on_retry = on_retry

    async def call(self, attempt: Callable[[], Awaitable[_T]], halt: asyncio.Event) -> _T:
        """The result of the first attempt that finds the dependency there.

        Args:
            attempt: begins one attempt; repeating it must be harmless.
            halt: once it is set, the attempt under way is the last and has two seconds.

        Raises:
            GivenUp: `halt` was set and the last attempt failed or took too long.
        """
        backoff = Backoff(self._cap)
        since = logged = time.monotonic()
        failed = False
        while True:
            try:
                result = await _until_halted(attempt, halt)
            except self._away as error:
                DEPENDENCY_UP.labels(self._dependency).set(0)
                RETRIES.labels(self._dependency).inc()
                self._on_retry()
                now = time.monotonic()
                if not failed or now - logged >= _REPEAT_SECONDS:
                    log.warning("%s is away: %s Trying again until it is back.", self._dependency.value, error)
                    logged = now
                failed = True
                if halt.is_set():
                    raise GivenUp from error
                await backoff.pause(halt)
                if halt.is_set():
                    raise GivenUp from error
            else:
                DEPENDENCY_UP.labels(self._dependency).set(1)
                if failed:
                    log.warning("%s is back after %.1f s", self._dependency.value, time.monotonic() - since)
                return result


async def _until_halted(attempt: Callable[[], Awaitable[_T]], halt: asyncio.Event) -> _T:
    task = asyncio.ensure_future(attempt())
    halted = asyncio.ensure_future(halt.wait())
    try:
        await asyncio.wait((task, halted), return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            await asyncio.wait((task,), timeout=_LAST_SECONDS)
        if not task.done():
            raise GivenUp
        return await task
    finally:
        halted.cancel()
        task.cancel()
