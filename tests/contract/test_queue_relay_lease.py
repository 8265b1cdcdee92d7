"""The relay's lease: one holder at a time, and the next takes over when it ends."""

import asyncio
from datetime import timedelta
from typing import Any

from silofrei.routing.queue import RelayLease, TicketQueue

BRAND = "acme"


def lease(queue: TicketQueue, ttl: float = 60) -> RelayLease:
    return queue.relay_lease(BRAND, "relay", ttl=timedelta(seconds=ttl))


async def test_one_of_many_gets_it(make_queue: Any, queue: TicketQueue) -> None:
    leases = [lease(queue if number % 2 else make_queue()) for number in range(20)]
    got = await asyncio.gather(*(one.acquire() for one in leases))
    assert got.count(True) == 1
    winner = leases[got.index(True)]
    assert (winner.fence > 0, [one.fence for one in leases].count(0)) == (True, 19)
    assert await winner.acquire(), "its own again"
    assert await winner.renew()
    assert [await one.renew() for one in leases if one is not winner] == [False] * 19


async def test_a_standby_takes_over_when_the_holder_is_silent(queue: TicketQueue) -> None:
    first, second = lease(queue, 1), lease(queue, 60)
    assert await first.acquire()
    fence = first.fence
    assert not await second.acquire()
    await asyncio.sleep(0.6)
    assert await first.renew()
    await asyncio.sleep(0.6)
    assert not await second.acquire(), "it was renewed"
    await asyncio.sleep(1.1)
    assert await second.acquire()
    assert second.fence > fence
    assert not await first.renew()
    assert first.fence == 0
    await first.release()
    assert await second.renew(), "the former holder cannot release it"


async def test_a_released_lease_is_free_at_once(queue: TicketQueue) -> None:
    first, second = lease(queue), lease(queue)
    assert await first.acquire()
    await first.release()
    assert first.fence == 0
    assert await second.acquire()
    assert not await first.acquire()


async def test_a_lease_that_ran_out_is_not_renewed_unseen(queue: TicketQueue) -> None:
    first = lease(queue, 0.05)
    assert await first.acquire()
    fence = first.fence
    await asyncio.sleep(0.08)
    assert not await first.renew()
    assert await first.acquire()
    assert first.fence > fence


async def test_each_brand_has_its_own(queue: TicketQueue) -> None:
    assert await lease(queue).acquire()
    assert await queue.relay_lease("other", "relay").acquire()
