"""A relay's turn: the lease of the outbox as the process that holds it sees it.

Owns: renewing it in time and saying when it is over. The end is counted from before each call to Redis, by a clock of
this process, so it never lies after the end that Redis sees, however slow the answer was.
"""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from typing import Any, Protocol, TypeVar

from silofrei.routing.queue.codes import Unavailable

log = logging.getLogger(__name__)

T = TypeVar("T")


class Lease(Protocol):
    """What is needed of `RelayLease`."""

    async def acquire(self) -> bool:
        """Take it where it is free."""

    async def renew(self) -> bool:
        """Make it run from now; False when it is lost."""

    async def release(self) -> None:
        """Give it up."""


class TurnOver(Exception):  # noqa: N818  # no error: another relay goes on
    """This relay must not send any more."""


class Turn:
    """A lease that is renewed in the background while it is held.

    Args:
        lease: the lease.
        seconds: how long it lasts.
        monotonic: seconds of a clock that never goes back.
    """

    def __init__(self, lease: Lease, seconds: float, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._lease = lease
        self._seconds = seconds
        self._monotonic = monotonic
        self._end = 0.0
        self.over = asyncio.Event()
        """Set once the lease is lost or given up."""

    @property
    def left(self) -> float:
        """Seconds until it ends."""
        return self._end - self._monotonic()

    @asynccontextmanager
    async def held(self) -> AsyncIterator[bool]:
        """Try to take the lease and renew it until the block ends; False where another relay has it.

        Raises:
            Unavailable: Redis is away.
        """
        self.over.clear()
        asked = self._monotonic()
        if not await self._lease.acquire():
            yield False
            return
        self._end = asked + self._seconds
        keeper = asyncio.create_task(self._keep())
        try:
            yield True
        finally:
            keeper.cancel()
            with suppress(asyncio.CancelledError):
                await keeper
            self.over.set()
            # Without this the others wait for its end, no more.
            with suppress(Unavailable, TimeoutError):
                async with asyncio.timeout(2.0):
                    await self._lease.release()

    def check(self) -> None:
        """To be called before each step that only the holder may take.

        Raises:
            TurnOver: the lease is lost, or so near its end that the step may outlast it.
        """
        if self.over.is_set() or self.left < self._seconds / 4:
            self.over.set()
            raise TurnOver

    async def during(self, work: Coroutine[Any, Any, T]) -> T:
        """The result of `work`, which is cancelled as soon as the lease is lost.

        Raises:
            TurnOver: it was.
        """
        task = asyncio.ensure_future(work)
        over = asyncio.ensure_future(self.over.wait())
        try:
            await asyncio.wait((task, over), return_when=asyncio.FIRST_COMPLETED)
            if task.done():
                return task.result()
            raise TurnOver
        finally:
            over.cancel()
            if not task.done():
                task.cancel()
                await asyncio.wait((task,))

    async def _keep(self) -> None:
        while not self.over.is_set():
            await asyncio.sleep(self._seconds / 5)
            asked = self._monotonic()
            try:
                # An answer that comes after the end is worth nothing.
                async with asyncio.timeout(max(0.0, self.left)):
                    kept = await self._lease.renew()
            except Unavailable:
                kept = self.left > 0
            except TimeoutError:
                kept = False
            else:
                if kept:
                    self._end = asked + self._seconds
            if not kept:
                log.warning("the relay's lease is lost; another relay goes on")
                self.over.set()
