"""The line of fetches that wait: brought to their end in order, all that wait at once.

Owns: how many fetches go together, and their order. Refuses: what is done with a haul (apply.py) and Faust.

A haul is one unit for the classifier and the queue, so that many small fetches cost little more than one large one.
The next haul is read and decided while the last call of this one is under way, and waits with its own first call until
this one has ended, dead letters included, or was let go. So what is tried again still comes before what follows it.
"""

import asyncio
import logging
import time
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import NamedTuple, Protocol

from silofrei.routing.metrics import BATCH_SECONDS
from silofrei.streams.backoff import Backoff
from silofrei.streams.fetches import Fetch, Haul

log = logging.getLogger(__name__)


class Routing(Protocol):
    """What is needed of the router."""

    async def route(
        self, haul: Haul, *, before: asyncio.Task[None] | None = None, sent: asyncio.Event | None = None
    ) -> bool:
        """Bring a haul to its end; False where it had to be let go."""


class _Waiting(NamedTuple):
    fetch: Fetch
    ended: Callable[[], Awaitable[object]]


class Line:
    """Brings fetches to their end.

    Args:
        router: see `Routing`.
        settle: told of each fetch whose records have all left in one of the three ways.
        most_records: with so many records a haul is full.
        most_bytes: as well as with so many bytes.
        retry_cap: longest pause between attempts, seconds.
    """

    def __init__(
        self,
        router: Routing,
        settle: Callable[[Fetch], None],
        *,
        most_records: int,
        most_bytes: int,
        retry_cap: float,
    ) -> None:
        self._router = router
        self._settle = settle
        self._most_records = most_records
        self._most_bytes = most_bytes
        self._retry_cap = retry_cap
        self._waiting: deque[_Waiting] = deque()
        self._change = asyncio.Event()
        self._room = asyncio.Event()
        self._records = 0
        self._bytes = 0

    async def add(self, fetch: Fetch, ended: Callable[[], Awaitable[object]]) -> None:
        """Put a fetch at the end of the line; returns once there is room for another one.

        Args:
            fetch: the fetch.
            ended: called when it is at its end or was let go.
        """
        self._waiting.append(_Waiting(fetch, ended))
        self._count(fetch, 1)
        self._change.set()
        while self._full():
            self._room.clear()
            await self._room.wait()

    async def run(self) -> None:
        """Work until cancelled."""
        before: asyncio.Task[None] | None = None
        try:
            while True:
                taken = await self._next()
                sent = asyncio.Event()
                before = asyncio.create_task(self._bring(taken, before, sent))
                await sent.wait()
        finally:
            if before is not None:
                before.cancel()
                await asyncio.gather(before, return_exceptions=True)

    async def _next(self) -> list[_Waiting]:
        """The fetches that wait, as many as make a full haul."""
        while not self._waiting:
            self._change.clear()
            await self._change.wait()
        taken: list[_Waiting] = []
        records = size = 0
        while self._waiting and records < self._most_records and size < self._most_bytes:
            one = self._waiting.popleft()
            self._count(one.fetch, -1)
            taken.append(one)
            records += len(one.fetch.records)
            size += one.fetch.size
        self._room.set()
        return taken

    def _count(self, fetch: Fetch, sign: int) -> None:
        self._records += sign * len(fetch.records)
        self._bytes += sign * fetch.size

    def _full(self) -> bool:
        return self._records >= self._most_records or self._bytes >= self._most_bytes

    async def _bring(self, taken: Sequence[_Waiting], before: asyncio.Task[None] | None, sent: asyncio.Event) -> None:
        try:
            done = await self._follow([one.fetch for one in taken], before, sent)
            sent.set()
            if before is not None:
                # Hauls end in their order, also one of which nothing was left to bring.
                await asyncio.wait((before,))
            for fetch in done:
                self._settle(fetch)
                BATCH_SECONDS.observe(time.monotonic() - fetch.taken_at)
            for one in taken:
                # Also of those that were let go: it ends the waiting for them and moves no commit.
                await one.ended()
        except asyncio.CancelledError:
            if before is not None:
                before.cancel()
                await asyncio.gather(before, return_exceptions=True)
            raise

    async def _follow(
        self, fetches: Sequence[Fetch], before: asyncio.Task[None] | None, sent: asyncio.Event
    ) -> Sequence[Fetch]:
        """The fetches that came to their end. Nothing but a cancellation leaves: the fetches would be lost."""
        backoff = Backoff(self._retry_cap)
        while left := [fetch for fetch in fetches if not fetch.halted and not fetch.forgotten]:
            haul = Haul(left)
            try:
                if await self._router.route(haul, before=before, sent=sent):
                    return left
            except Exception:
                first = left[0]
                log.exception(
                    "%d fetches, the first of them %s, offsets %d to %d, could not be routed; they are held back and "
                    "tried again. This is a mistake of Silofrei: report it",
                    len(left),
                    first.tp,
                    first.first_offset,
                    first.last_offset,
                )
                await backoff.pause(haul.halt)
        return []
