"""The reaper's rhythm."""

import asyncio

import pytest

from silofrei.routing.queue.codes import RefusalCode, Refused, Unavailable
from silofrei.streams.reaper import reap_for_ever


class Leases:
    """Gives out so many expired tickets per brand, a hundred at most in one call."""

    def __init__(self, **expired: int) -> None:
        self.expired = expired
        self.calls: list[str] = []
        self.failures: list[Exception] = []

    async def reap(self, brand: str, limit: int = 100) -> list[str]:
        self.calls.append(brand)
        if self.failures:
            raise self.failures.pop()
        count = min(limit, self.expired.get(brand, 0))
        self.expired[brand] = self.expired.get(brand, 0) - count
        return ["t"] * count


async def reap(leases: Leases, seconds: float) -> None:
    stop = asyncio.Event()
    task = asyncio.create_task(reap_for_ever(leases, ["acme", "other"], stop, every=0.05))
    await asyncio.sleep(seconds)
    stop.set()
    async with asyncio.timeout(1):
        await task


async def test_many_expired_leases_end_in_one_round() -> None:
    leases = Leases(acme=250)
    await reap(leases, 0.08)
    assert leases.calls == ["acme", "acme", "acme", "other"]
    assert leases.expired["acme"] == 0


@pytest.mark.parametrize("failure", [Unavailable("away"), Refused(RefusalCode.REJECTED, "no hash")])
async def test_it_goes_on_after_a_failure(failure: Exception) -> None:
    leases = Leases(acme=1)
    leases.failures = [failure]
    await reap(leases, 0.15)
    assert leases.calls[:4] == ["acme", "other", "acme", "other"]
    assert leases.expired["acme"] == 0
