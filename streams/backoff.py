"""Backoff: growing, jittered pauses between attempts, for ever."""

import asyncio
import random
from collections.abc import Callable

_FIRST = 0.1


class Backoff:
    """Pauses that double from a tenth of a second to a cap, each shortened by chance so that processes spread out.

    Args:
        cap: longest pause in seconds.
        chance: a number from 0 to 1, new at each call.
    """

    def __init__(self, cap: float, chance: Callable[[], float] = random.random) -> None:
        self._cap = cap
        self._chance = chance
        self._pause = min(_FIRST, cap)

    def reset(self) -> None:
        """The last attempt succeeded: begin with short pauses again."""
        self._pause = min(_FIRST, self._cap)

    async def pause(self, stop: asyncio.Event) -> None:
        """Wait before the next attempt; `stop` ends the wait at once."""
        seconds = self._pause * (0.5 + self._chance() / 2)
        self._pause = min(self._pause * 2, self._cap)
        await wait_until(stop, seconds)


async def wait_until(event: asyncio.Event, seconds: float) -> bool:
    """Wait for the event, at most so many seconds; whether it is set."""
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        return False
    return True
