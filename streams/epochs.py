"""Epochs at a worker's start: whether Redis holds the state that Kafka's offsets speak of.

Owns: the decision to begin an epoch. Refuses: restoring lost state.

Redis without an epoch is new or has lost its data. If the group has committed offsets, tickets existed; going on would
open second tickets for threads that had one, so the worker waits until somebody has looked.
"""

import asyncio
import logging
from collections.abc import Collection
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
    epochs = dict(zip(brands, await asyncio.gather(*[queue.epoch(brand) for brand in brands]), strict=True))
    missing = [brand for brand, epoch in epochs.items() if epoch is None]
    # Where one brand has its state, Redis was not emptied: the others are new in the configuration.
    if committed and len(missing) == len(epochs):
        raise EpochMissing(
            "Redis holds no state, but the worker's group has committed offsets: its data was lost, or SILOFREI_REDIS "
            "names another server. Correct the address, restore Redis' append-only file, or rebuild the state "
            "(docs/operations.md); this worker waits."
        )
    for brand in missing:
        await queue.begin_epoch(brand)
        log.info("Began the epoch of brand %s", brand)
