"""Epochs at a worker's start: whether Redis holds the state that Kafka's offsets speak of.

Owns: the decision to begin an epoch. Refuses: restoring lost state.

Redis without an epoch is new or has lost its data. If the group has committed offsets, tickets existed; going on would
open second tickets for threads that had one, so the worker waits until somebody has looked.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection
from typing import Protocol

from silofrei.routing.queue import EpochMissing

log = logging.getLogger(__name__)


class Epochs(Protocol):
    """What is needed of the queue."""

    async def epoch(self, brand: str) -> str | None:
        """The epoch of a brand; None where Redis holds no state of it."""

    async def begin_epoch(self, brand: str) -> str:
        """Declare the brand's state valid."""


async def begin_epochs(queue: Epochs, brands: Collection[str], *, committed: bool) -> None:
    """See to it that every brand has an epoch.

    Args:
        queue: the queue.
        brands: the brands of the configuration.
        committed: whether the worker's group has committed offsets.

    Raises:
        EpochMissing: Redis has lost its data; nothing may be applied.
        Unavailable: Redis is away.
    """

    async def refuse_if_committed() -> None:
        if committed:
            raise EpochMissing(
                "Redis holds no state, but the worker's group has committed offsets: its data was lost, or "
                "SILOFREI_REDIS names another server. Correct the address, restore Redis' append-only file, or rebuild "
                "the state (docs/operations.md); this worker waits."
            )

    await begin_missing(queue, brands, refuse_if_committed)


async def begin_missing(queue: Epochs, brands: Collection[str], refuse_if_lost: Callable[[], Awaitable[None]]) -> None:
    """Begin the epoch of each brand that has none.

    Args:
        queue: the queue.
        brands: the brands of the configuration.
        refuse_if_lost: asked where no brand has one; raises where something says that there was a state.

    Raises:
        Unavailable: Redis is away.
    """
    epochs = dict(zip(brands, await asyncio.gather(*[queue.epoch(brand) for brand in brands]), strict=True))
    missing = [brand for brand, epoch in epochs.items() if epoch is None]
    # Where one brand has its state, Redis was not emptied: the others are new in the configuration.
    if len(missing) == len(epochs):
        await refuse_if_lost()
    for brand in missing:
        await queue.begin_epoch(brand)
        log.info("Began the epoch of brand %s", brand)
