"""Relay processes on a real Kafka and a real Redis: killed, left without Kafka or Redis, told to stop."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import redis

from silofrei.deploy.local.kafka import LocalKafka
from silofrei.deploy.local.redis import LocalRedis
from silofrei.routing.metrics import DEPENDENCY_UP, RETRIES, Dependency
from silofrei.routing.queue import Effect, TicketQueue
from silofrei.schemas.classification import Classification, Scores
from silofrei.schemas.config import Config
from silofrei.schemas.decision import DiscardDecision, RoutingDecision
from silofrei.schemas.mention import Author, Mention, MentionCreated
from silofrei.schemas.names import Channel, DiscardReason, Label, Language, MentionKind, Outcome, Priority
from silofrei.schemas.settings import Settings
from silofrei.streams.brand_relay import BrandRelay
from silofrei.streams.topic_reader import read_topic
from silofrei.streams.topics import Topics, provision

BRAND = "demo"
NOW = datetime.now(UTC)
SCORES = Scores(service=0.8, sales=0.05, hr=0.05, pr=0.05, none=0.05)
SURE = Classification(label=Label.SERVICE, scores=SCORES, language=Language.GERMAN, abstained=False, model="test-1")
DISCARD = DiscardDecision(reason=DiscardReason.NOT_ACTIONABLE, rule="model-none")
Events = list[dict[str, object]]


def effect(number: int, thread: int) -> Effect:
    """Every tenth mention is discarded."""
    mention = Mention(
        id=f"x:{number}",
        brand=BRAND,
        channel=Channel.X,
        kind=MentionKind.POST,
        author=Author(id="7"),
        text="Zug fällt aus",
        created_at=NOW,
        received_at=NOW,
        thread_id=f"x:t{thread}",
    )
    route = RoutingDecision(
        department="service", priority=Priority.NORMAL, rule="model", due_at=NOW + timedelta(hours=4)
    )
    return Effect(MentionCreated(mention=mention), SURE, DISCARD if number % 10 == 9 else route)


async def fill(queue: TicketQueue, numbers: range) -> None:
    await queue.begin_epoch(BRAND)
    for first in range(numbers.start, numbers.stop, 500):
        some = range(first, min(first + 500, numbers.stop))
        await queue.apply(BRAND, [effect(number, number % 300) for number in some])


class RelayProcess:
    """One `silofrei relay`."""

    def __init__(self, settings: Settings, log: Path) -> None:
        self.log = log
        given = {
            "SILOFREI_KAFKA": settings.kafka,
            "SILOFREI_REDIS": settings.redis,
            "SILOFREI_TOPIC_PREFIX": settings.topic_prefix,
            "SILOFREI_RETRY_CAP": "0.5",
        }
        with log.open("a") as stream:
            self.popen = subprocess.Popen(
                [sys.executable, "-m", "silofrei.deploy.cli.main", "relay"],
                env={**os.environ, **given},
                cwd=log.parent,
                stdout=stream,
                stderr=stream,
            )

    def kill(self) -> None:
        self.popen.kill()
        self.popen.wait()

    def stop(self, seconds: float = 15) -> int:
        self.popen.send_signal(signal.SIGTERM)
        return self.popen.wait(seconds)


Start = Callable[[Settings], RelayProcess]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts relays that end with the test."""
    started: list[RelayProcess] = []

    def begin(settings: Settings) -> RelayProcess:
        started.append(RelayProcess(settings, tmp_path / f"relay-{len(started)}.log"))
        return started[-1]

    yield begin
    for one in started:
        if one.popen.poll() is None:
            one.kill()


@pytest.fixture
def settings(make_settings: Callable[..., Settings], local_kafka: str, redis_url: str, topic_prefix: str) -> Settings:
    made = make_settings(kafka=local_kafka, redis=redis_url, topic_prefix=topic_prefix, retry_cap=0.5)
    provision(made, Config())
    return made


def holder(settings: Settings) -> int | None:
    """The process that holds the relay's lease."""
    with redis.Redis.from_url(settings.redis) as client:
        value = client.get(f"sf:{{{BRAND}}}:relay")
    return None if value is None else int(value.decode().split("/")[1])


def events(settings: Settings, topic: str) -> Events:
    return [json.loads(record.value or b"{}") for record in read_topic(settings, topic)]


def assert_complete_and_in_order(found: Events, count: int) -> None:
    """So many events are there, and of each ticket the first occurrences are in the order of seq, none missing."""
    assert len({event["event_id"] for event in found}) == count
    seen: dict[object, list[object]] = defaultdict(list)
    for event in found:
        if "ticket_id" in event and event["seq"] not in seen[event["ticket_id"]]:
            seen[event["ticket_id"]].append(event["seq"])
    assert len(seen) > 5
    assert all(numbers == list(range(1, len(numbers) + 1)) for numbers in seen.values())


async def until(holds: Callable[[], bool], seconds: float = 20) -> None:
    async with asyncio.timeout(seconds):
        while not await asyncio.to_thread(holds):  # noqa: ASYNC110 - nothing tells
            await asyncio.sleep(0.05)


async def drained(queue: TicketQueue, to: int = 0, seconds: float = 40) -> None:
    async with asyncio.timeout(seconds):
        while await queue.outbox.length(BRAND) > to:  # noqa: ASYNC110 - nothing tells
            await asyncio.sleep(0.02)


async def test_killed_in_mid_way_the_next_one_goes_on(settings: Settings, start: Start) -> None:
    queue = TicketQueue.connect(settings)
    try:
        await fill(queue, range(20_000))
        relays = [start(settings), start(settings)]
        await until(lambda: holder(settings) is not None)
        await drained(queue, to=18_000)
        active = next(one for one in relays if one.popen.pid == holder(settings))
        active.kill()
        killed = time.monotonic()
        assert await queue.outbox.length(BRAND) > 1000
        await until(lambda: holder(settings) not in (None, active.popen.pid))
        # By then the lease of the dead one has run out.
        assert time.monotonic() - killed < 13
        relays.append(start(settings))
        # The tickets live on meanwhile.
        for _ in range(100):
            ticket = await queue.claim(BRAND, "service", "anna")
            assert ticket is not None
            assert ticket.lease is not None
            ticket = await queue.transfer(BRAND, ticket.id, ticket.lease.token, "sales", "wants to buy")
        for _ in range(50):
            ticket = await queue.claim(BRAND, "sales", "ben")
            assert ticket is not None
            assert ticket.lease is not None
            await queue.resolve(BRAND, ticket.id, ticket.lease.token, Outcome.LEAD)
        await drained(queue)
        for one in relays:
            if one.popen.poll() is None:
                assert one.stop() == 0
        topics = Topics(settings)
        found = events(settings, topics.events)
        assert_complete_and_in_order(found, 20_000 + 200 + 100)
        assert len({event["event_id"] for event in found if event["type"] == "mention.discarded"}) == 2000
        assert len({event["event_id"] for event in events(settings, topics.department("sales"))}) == 200
        assert holder(settings) is None
    finally:
        await queue.close()


async def test_a_stopped_one_lets_go_at_once(settings: Settings, start: Start) -> None:
    queue = TicketQueue.connect(settings)
    try:
        await fill(queue, range(10))
        first = start(settings)
        await drained(queue)
        second = start(settings)
        await asyncio.sleep(2)
        assert holder(settings) == first.popen.pid
        stopped = time.monotonic()
        assert await asyncio.to_thread(first.stop) == 0
        await until(lambda: holder(settings) == second.popen.pid, 4)
        assert time.monotonic() - stopped < 5
        await fill(queue, range(10, 20))
        await drained(queue)
        assert await asyncio.to_thread(second.stop) == 0
        found = events(settings, Topics(settings).events)
        assert len(found) == len({event["event_id"] for event in found}) == 20
    finally:
        await queue.close()


async def test_expired_leases_of_tickets_go_back(settings: Settings, start: Start) -> None:
    queue = TicketQueue.connect(settings)
    try:
        await fill(queue, range(1))
        start(settings)
        ticket = await queue.claim(BRAND, "service", "anna", lease=timedelta(seconds=1))
        assert ticket is not None
        async with asyncio.timeout(15):
            while not await queue.waiting(BRAND, "service"):  # noqa: ASYNC110 - nothing tells
                await asyncio.sleep(0.1)
        await drained(queue)
        kinds = [event["type"] for event in events(settings, Topics(settings).events)]
        assert kinds == ["ticket.opened", "ticket.claimed", "lease.expired"]
    finally:
        await queue.close()


@pytest.fixture
def own_kafka(kafka_jars: Path, tmp_path: Path) -> Iterator[LocalKafka]:
    """A Kafka that the test may stop."""
    broker = LocalKafka(tmp_path / "kafka", jars=kafka_jars)
    broker.start()
    yield broker
    broker.stop()


def up(dependency: Dependency) -> float:
    return DEPENDENCY_UP.labels(dependency)._value.get()


async def test_kafka_and_redis_away_are_waited_for(
    make_settings: Callable[..., Settings], own_kafka: LocalKafka, own_redis: LocalRedis, topic_prefix: str
) -> None:
    settings = make_settings(
        kafka=own_kafka.bootstrap, redis=own_redis.url, topic_prefix=topic_prefix, retry_cap=0.5, redis_timeout=2.0
    )
    provision(settings, Config())
    queue = TicketQueue.connect(settings)
    stop = asyncio.Event()
    relay = BrandRelay(queue, BRAND, settings, lambda: datetime.now(UTC), set(), lease_seconds=2.0)
    task = asyncio.create_task(relay.run(stop))
    try:
        await fill(queue, range(1000))
        await drained(queue)
        assert up(Dependency.KAFKA) == 1
        await asyncio.to_thread(own_kafka.stop)
        await fill(queue, range(1000, 2000))
        await until(lambda: up(Dependency.KAFKA) == 0)
        assert not task.done()
        await asyncio.to_thread(own_kafka.start)
        await drained(queue)
        assert up(Dependency.KAFKA) == 1
        retries = RETRIES.labels(Dependency.REDIS)._value.get()
        await asyncio.to_thread(own_redis.stop)
        await until(lambda: RETRIES.labels(Dependency.REDIS)._value.get() > retries + 1)
        assert up(Dependency.REDIS) == 0
        assert not task.done()
        await asyncio.to_thread(own_redis.start)
        await fill(queue, range(2000, 3000))
        await drained(queue)
        found = events(settings, Topics(settings).events)
        assert_complete_and_in_order(found, 3000)
    finally:
        stop.set()
        async with asyncio.timeout(10):
            await task
        await queue.close()


async def test_it_stops_without_kafka_and_loses_nothing(
    make_settings: Callable[..., Settings], own_kafka: LocalKafka, redis_url: str, topic_prefix: str, start: Start
) -> None:
    settings = make_settings(kafka=own_kafka.bootstrap, redis=redis_url, topic_prefix=topic_prefix, retry_cap=0.5)
    provision(settings, Config())
    queue = TicketQueue.connect(settings)
    try:
        await fill(queue, range(10))
        relay = start(settings)
        await drained(queue)
        await asyncio.to_thread(own_kafka.stop)
        await fill(queue, range(10, 20))
        await asyncio.sleep(2)
        stopped = time.monotonic()
        assert await asyncio.to_thread(relay.stop) == 0
        assert time.monotonic() - stopped < 10
        assert holder(settings) is None
        assert await queue.outbox.length(BRAND) == 10
        await asyncio.to_thread(own_kafka.start)
        start(settings)
        await drained(queue)
        found = events(settings, Topics(settings).events)
        assert_complete_and_in_order(found, 20)
    finally:
        await queue.close()
