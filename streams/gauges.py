"""Gauges of the queues and the outbox: what Redis holds, read by a relay every few seconds.

Owns: nothing but the reading. Every relay does it, active or standing by, so that the figures outlive one process;
whoever reads them joins them by `max`.
"""

import asyncio
import math
from collections.abc import Collection, Mapping
from typing import Protocol

from silofrei.routing.metrics import (
    DEPENDENCY_UP,
    OUTBOX_LENGTH,
    QUEUE_CLAIMED,
    QUEUE_DEPTH,
    QUEUE_OLDEST_AGE,
    QUEUE_OVERDUE,
    WATCHDOG_COUNTER,
    WATCHDOG_EXITS,
    Dependency,
)
from silofrei.routing.queue.codes import Unavailable
from silofrei.routing.queue.queue import Depth

_BY_QUEUE = (QUEUE_DEPTH, QUEUE_CLAIMED, QUEUE_OVERDUE, QUEUE_OLDEST_AGE)


class Queues(Protocol):
    """What is read of `TicketQueue`."""

    async def depths(self, brand: str, queue_names: Collection[str]) -> Mapping[str, Depth]:
        """How full each queue of the brand is."""

    async def counted(self, name: str) -> int:
        """A counter that outlives processes."""


class Outboxes(Protocol):
    """What is read of `Outbox`."""

    async def length(self, brand: str) -> int:
        """Events of the brand that are not yet in Kafka."""


async def observe(queue: Queues, outbox: Outboxes, brands: Collection[str], queue_names: Collection[str]) -> None:
    """Read the queues, the outboxes and the watchdog's count once, and set their gauges.

    Brands are summed, the oldest age is the oldest of all. A queue without tickets shows 0; while Redis is away every
    figure shows NaN, since the last one would be a lie.

    Args:
        queue: the queues of all brands.
        outbox: the outboxes of all brands.
        brands: the configured brands.
        queue_names: the configured queues, triage too.
    """
    try:
        by_brand = await asyncio.gather(*(queue.depths(brand, queue_names) for brand in brands))
        lengths = await asyncio.gather(*(outbox.length(brand) for brand in brands))
        watchdog_exits = await queue.counted(WATCHDOG_COUNTER)
    except Unavailable:
        DEPENDENCY_UP.labels(Dependency.REDIS).set(0)
        _forget(queue_names)
        return
    DEPENDENCY_UP.labels(Dependency.REDIS).set(1)
    for name in queue_names:
        depths = [brand[name] for brand in by_brand if name in brand]
        QUEUE_DEPTH.labels(name).set(sum(depth.waiting for depth in depths))
        QUEUE_CLAIMED.labels(name).set(sum(depth.claimed for depth in depths))
        QUEUE_OVERDUE.labels(name).set(sum(depth.overdue for depth in depths))
        QUEUE_OLDEST_AGE.labels(name).set(max((depth.oldest_age_seconds for depth in depths), default=0.0))
    OUTBOX_LENGTH.set(sum(lengths))
    WATCHDOG_EXITS.set(watchdog_exits)


def _forget(queue_names: Collection[str]) -> None:
    for gauge in _BY_QUEUE:
        for name in queue_names:
            gauge.labels(name).set(math.nan)
    OUTBOX_LENGTH.set(math.nan)
    WATCHDOG_EXITS.set(math.nan)
