"""A relay's turn: when it may send, and when it must not any more."""

import asyncio
from collections.abc import Callable

import pytest

from silofrei.routing.queue.codes import Unavailable
from silofrei.streams.relay_turn import Turn, TurnOver

SECONDS = 0.6


class Lease:
    """A lease whose answers a test decides."""

    def __init__(self, free: bool = True) -> None:
        self.free = free
        self.renewals = 0
        self.released = 0
        self.answer: Callable[[], bool] = lambda: True
        self.delay = 0.0

    async def acquire(self) -> bool:
        return self.free

    async def renew(self) -> bool:
        self.renewals += 1
        await asyncio.sleep(self.delay)
        return self.answer()

    async def release(self) -> None:
        self.released += 1


def away() -> bool:
    raise Unavailable("Redis is away.")


async def test_it_is_renewed_for_as_long_as_it_is_held() -> None:
    lease = Lease()
    turn = Turn(lease, SECONDS)
    async with turn.held() as held:
        assert held
        await asyncio.sleep(SECONDS * 2)
        turn.check()
        assert not turn.over.is_set()
    assert lease.renewals >= 4
    assert lease.released == 1
    assert turn.over.is_set()
    with pytest.raises(TurnOver):
        turn.check()


async def test_where_another_has_it_nothing_is_renewed_or_released() -> None:
    lease = Lease(free=False)
    async with Turn(lease, SECONDS).held() as held:
        assert not held
        await asyncio.sleep(SECONDS / 2)
    assert (lease.renewals, lease.released) == (0, 0)


async def test_a_lost_lease_ends_it_at_once() -> None:
    lease = Lease()
    lease.answer = lambda: False
    turn = Turn(lease, SECONDS)
    async with turn.held():
        async with asyncio.timeout(SECONDS):
            await turn.over.wait()
        with pytest.raises(TurnOver):
            turn.check()


async def test_redis_away_ends_it_no_later_than_the_lease_runs_out() -> None:
    lease = Lease()
    lease.answer = away
    turn = Turn(lease, SECONDS)
    started = asyncio.get_running_loop().time()
    async with turn.held(), asyncio.timeout(SECONDS * 2):
        await turn.over.wait()
        assert asyncio.get_running_loop().time() - started <= SECONDS * 1.3
    assert lease.renewals > 2


async def test_a_short_outage_of_redis_does_not_end_it() -> None:
    lease = Lease()
    answers = iter((away, away, lambda: True))
    lease.answer = lambda: next(answers, lambda: True)()
    turn = Turn(lease, SECONDS)
    async with turn.held():
        await asyncio.sleep(SECONDS * 1.5)
        turn.check()


async def test_an_answer_that_comes_after_the_end_counts_for_nothing() -> None:
    lease = Lease()
    lease.delay = SECONDS * 3
    turn = Turn(lease, SECONDS)
    async with turn.held(), asyncio.timeout(SECONDS * 2):
        await turn.over.wait()


async def test_a_process_that_slept_does_not_send() -> None:
    now = 100.0
    turn = Turn(Lease(), 10.0, monotonic=lambda: now)
    async with turn.held():
        turn.check()
        now += 7.6
        with pytest.raises(TurnOver):
            turn.check()
        now -= 7.6
        # Once over, it stays over: the process must take the lease anew.
        with pytest.raises(TurnOver):
            turn.check()


async def test_work_is_cancelled_when_the_lease_is_lost() -> None:
    lease = Lease()
    turn = Turn(lease, SECONDS)
    cancelled = asyncio.Event()

    async def work() -> None:
        try:
            await asyncio.sleep(60)
        finally:
            cancelled.set()

    async with turn.held():
        lease.answer = lambda: False
        with pytest.raises(TurnOver):
            await turn.during(work())
        assert cancelled.is_set()


async def test_work_gives_its_result_or_its_error() -> None:
    turn = Turn(Lease(), SECONDS)

    async def result() -> int:
        return 5

    async def error() -> None:
        raise ZeroDivisionError

    async with turn.held():
        assert await turn.during(result()) == 5
        with pytest.raises(ZeroDivisionError):
            await turn.during(error())
