"""The reaper: tickets whose lease ran out go back to their queues.

Owns: the rhythm. Every relay reaps, active or not, because the script is atomic and a lease must end even while one
relay is stuck.
"""

import asyncio
import logging
from collections.abc import Collection
from typing import Protocol

from silofrei.routing.queue.codes import Refused, Unavailable
from silofrei.streams.backoff import wait_until

log = logging.getLogger(__name__)

_MOST = 100
"""Tickets in one script call; more are left to the next, so that Redis is not held up."""


class Leases(Protocol):
    """What is needed of the queue."""

    async def reap(self, brand: str, limit: int = 100) -> list[str]:
        """Put tickets whose lease ran out back; returns their ids."""


async def reap_for_ever(queue: Leases, brands: Collection[str], stop: asyncio.Event, *, every: float = 1.0) -> None:
    """Look for expired leases until `stop`.

    Args:
        queue: the queue.
        brands: whose tickets.
        stop: ends it.
        every: seconds between two looks.
    """
    while not await wait_until(stop, every):
        for brand in brands:
            await _reap(queue, brand, stop)


async def _reap(queue: Leases, brand: str, stop: asyncio.Event) -> None:
    try:
        while len(await queue.reap(brand, _MOST)) == _MOST and not stop.is_set():
            pass
    except Unavailable:
        # The relay's own calls wait for Redis and tell of it; the next look is soon.
        return
    except Refused as error:
        log.error("expired leases of %s stay with their holders: %s", brand, error)  # noqa: TRY400 - no traceback helps
