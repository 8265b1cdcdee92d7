"""The outbox as the relay reads it: waiting for entries, and entries that somebody else wrote."""

import asyncio
import time
from collections.abc import Callable
from typing import Any

import pytest
import redis

from silofrei.routing.queue import TicketQueue

BRAND = "acme"
OUTBOX = f"sf:{{{BRAND}}}:outbox"


async def test_waiting_ends_with_the_first_entry(queue: TicketQueue, said: Any) -> None:
    waiting = asyncio.create_task(queue.outbox.wait(BRAND, 3.0))
    await asyncio.sleep(0.1)
    assert not waiting.done()
    started = time.monotonic()
    await queue.apply(BRAND, [said.created(1)])
    assert await waiting is True
    assert time.monotonic() - started < 1.0
    assert await queue.outbox.wait(BRAND, 3.0) is True
    assert time.monotonic() - started < 1.5


async def test_waiting_ends_in_time_without_entries(queue: TicketQueue) -> None:
    started = time.monotonic()
    assert await queue.outbox.wait(BRAND, 0.2) is False
    assert 0.15 < time.monotonic() - started < 1.5


async def test_waiting_does_not_hold_up_other_calls(queue: TicketQueue) -> None:
    waiting = asyncio.create_task(queue.outbox.wait(BRAND, 1.0))
    await asyncio.sleep(0.05)
    async with asyncio.timeout(0.5):
        await queue.ping()
    assert await waiting is False


@pytest.mark.parametrize(
    "fields",
    [
        {"who": b"\xff"},
        {"t": "ticket.claimed", "k": "t-1"},
        {"t": b"\xff", "k": "t-1", "at": "1"},
        {"t": "ticket.claimed", "k": "t-1", "at": "soon"},
        {"t": "ticket.claimed", "k": "t-1", "at": "9" * 30},
    ],
)
async def test_an_entry_of_somebody_else_is_handed_out_and_can_be_removed(
    queue: TicketQueue, said: Any, redis_url: str, valid: Callable[[Any], Any], fields: dict[str, Any]
) -> None:
    with redis.Redis.from_url(redis_url) as client:
        client.xadd(OUTBOX, fields)
    await queue.apply(BRAND, [said.created(1)])
    foreign, ours = await queue.outbox.read(BRAND)
    assert valid(ours).mention.id == "x:1"
    assert (foreign.type, foreign.department, foreign.key) == ("", None, foreign.entry_id)
    with pytest.raises((KeyError, ValueError)):
        foreign.value()
    await queue.outbox.remove(BRAND, [foreign.entry_id, ours.entry_id])
    assert await queue.outbox.length(BRAND) == 0
