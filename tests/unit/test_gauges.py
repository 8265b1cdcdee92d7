from collections.abc import Collection

import pytest
from prometheus_client import REGISTRY

from silofrei.routing.metrics import QUEUE_DEPTH, WATCHDOG_COUNTER, Dependency
from silofrei.routing.queue.codes import Unavailable
from silofrei.routing.queue.queue import Depth
from silofrei.streams.gauges import observe

QUEUES = ("service", "hr", "triage")


class Redis:
    """Queues, outboxes and counters as a dictionary; away when told so."""

    def __init__(self) -> None:
        self.away = False
        self.full: dict[str, dict[str, Depth]] = {}
        self.outbox: dict[str, int] = {}
        self.counters: dict[str, int] = {}

    def _answer(self) -> None:
        if self.away:
            raise Unavailable("Redis is away")

    async def depths(self, brand: str, queue_names: Collection[str]) -> dict[str, Depth]:
        self._answer()
        return {name: depth for name, depth in self.full.get(brand, {}).items() if name in queue_names}

    async def counted(self, name: str) -> int:
        self._answer()
        return self.counters.get(name, 0)

    async def length(self, brand: str) -> int:
        self._answer()
        return self.outbox.get(brand, 0)


def value(name: str, **labels: str) -> float | None:
    return REGISTRY.get_sample_value(f"silofrei_{name}", labels)


@pytest.fixture
def redis() -> Redis:
    QUEUE_DEPTH.clear()
    return Redis()


async def test_brands_are_summed_and_the_oldest_ticket_is_the_oldest_of_all(redis: Redis) -> None:
    redis.full = {
        "north": {"service": Depth(waiting=3, claimed=1, overdue=2, oldest_age_seconds=50.0)},
        "south": {"service": Depth(waiting=4, claimed=5, overdue=0, oldest_age_seconds=700.0)},
    }
    redis.outbox = {"north": 7, "south": 1}
    redis.counters = {WATCHDOG_COUNTER: 2}
    await observe(redis, redis, ("north", "south"), QUEUES)
    assert value("queue_depth", department="service") == 7
    assert value("queue_claimed", department="service") == 6
    assert value("queue_overdue", department="service") == 2
    assert value("queue_oldest_age_seconds", department="service") == 700.0
    assert value("outbox_length") == 8
    assert value("watchdog_exits") == 2
    assert value("dependency_up", dependency=Dependency.REDIS) == 1


async def test_a_queue_without_tickets_shows_zero(redis: Redis) -> None:
    await observe(redis, redis, ("north",), QUEUES)
    for name in QUEUES:
        for gauge in ("queue_depth", "queue_claimed", "queue_overdue", "queue_oldest_age_seconds"):
            assert value(gauge, department=name) == 0


async def test_while_redis_is_away_no_old_figure_stands(redis: Redis) -> None:
    redis.full = {"north": {"hr": Depth(waiting=3, claimed=1, overdue=2, oldest_age_seconds=50.0)}}
    await observe(redis, redis, ("north",), QUEUES)
    redis.away = True
    await observe(redis, redis, ("north",), QUEUES)
    assert value("dependency_up", dependency=Dependency.REDIS) == 0
    assert str(value("queue_depth", department="hr")) == "nan"
    assert str(value("queue_oldest_age_seconds", department="triage")) == "nan"
    assert str(value("outbox_length")) == "nan"
    redis.away = False
    await observe(redis, redis, ("north",), QUEUES)
    assert value("dependency_up", dependency=Dependency.REDIS) == 1
    assert value("queue_depth", department="hr") == 3


async def test_a_department_that_is_no_longer_configured_gets_no_series(redis: Redis) -> None:
    redis.full = {"north": {"purchasing": Depth(waiting=1, claimed=0, overdue=0, oldest_age_seconds=1.0)}}
    await observe(redis, redis, ("north",), QUEUES)
    assert value("queue_depth", department="purchasing") is None
