"""The relay over a Kafka in memory and over the real one: all events, in order, to the right topics."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
import redis
from kafka.admin import ConfigResource, ConfigResourceType

from silofrei.routing.metrics import DEAD_LETTERS, EVENT_TO_KAFKA, RELAY_ACTIVE, RELAY_EVENTS
from silofrei.routing.queue import TicketQueue
from silofrei.schemas.config import Config
from silofrei.schemas.dead_letter import DeadLetter
from silofrei.schemas.event import TICKET_EVENT
from silofrei.schemas.names import DeadLetterReason, Outcome
from silofrei.schemas.settings import Settings
from silofrei.streams.brand_relay import BrandRelay
from silofrei.streams.kafka_clients import admin_client
from silofrei.streams.topic_reader import read_topic
from silofrei.streams.topics import Topics, provision

BRAND = "acme"


@pytest.fixture(params=["memory", "local"])
def settings(
    request: pytest.FixtureRequest, make_settings: Callable[..., Settings], topic_prefix: str, redis_url: str
) -> Settings:
    made = make_settings(
        kafka=request.getfixturevalue(f"{request.param}_kafka"),
        kafka_memory=request.param == "memory",
        redis=redis_url,
        topic_prefix=topic_prefix,
        retry_cap=0.5,
        max_delivery_bytes=20_000,
    )
    provision(made, Config())
    return made


class Relay:
    """A relay in this process."""

    def __init__(self, queue: TicketQueue, settings: Settings) -> None:
        self.active: set[str] = set()
        self._stop = asyncio.Event()
        relay = BrandRelay(queue, BRAND, settings, lambda: datetime.now(UTC), self.active, lease_seconds=2.0)
        self.task = asyncio.create_task(relay.run(self._stop))

    async def stop(self) -> None:
        self._stop.set()
        async with asyncio.timeout(10):
            await self.task


@asynccontextmanager
async def relaying(queue: TicketQueue, settings: Settings) -> AsyncIterator[Relay]:
    relay = Relay(queue, settings)
    try:
        yield relay
    finally:
        await relay.stop()


async def drained(queue: TicketQueue, seconds: float = 15) -> None:
    async with asyncio.timeout(seconds):
        while await queue.outbox.length(BRAND):  # noqa: ASYNC110 - nothing tells
            await asyncio.sleep(0.02)


async def until(holds: Callable[[], bool], seconds: float = 10) -> None:
    async with asyncio.timeout(seconds):
        while not holds():  # noqa: ASYNC110 - nothing tells
            await asyncio.sleep(0.02)


async def read(settings: Settings, topic: str) -> list[dict[str, Any]]:
    """The events of a topic, partition by partition, each checked against the contract and its key."""

    def events() -> list[dict[str, Any]]:
        found = []
        for record in read_topic(settings, topic):
            event = TICKET_EVENT.validate_json(record.value)
            subject = event.mention.id if event.type == "mention.discarded" else event.ticket_id
            assert record.key == subject.encode()
            found.append(json.loads(record.value))
        return found

    return await asyncio.to_thread(events)


def assert_in_order(events: list[dict[str, Any]]) -> None:
    """By ticket, each first occurrence comes after those with a smaller seq, and none is missing."""
    seen: dict[str, list[int]] = {}
    for event in events:
        if "ticket_id" in event and event["seq"] not in seen.setdefault(event["ticket_id"], []):
            seen[event["ticket_id"]].append(event["seq"])
    for ticket, numbers in seen.items():
        assert numbers == list(range(1, len(numbers) + 1)), ticket


async def test_a_tickets_whole_life_arrives(queue: TicketQueue, said: Any, settings: Settings) -> None:
    await queue.apply(
        BRAND, [said.created(1), said.created(2, 1), said.ignored(3), said.edited(1, "2", 1), said.deleted(2)]
    )
    async with relaying(queue, settings):
        ticket = await queue.claim(BRAND, "service", "anna")
        ticket = await queue.transfer(BRAND, ticket.id, ticket.lease.token, "sales", "wants to buy")
        ticket = await queue.claim(BRAND, "sales", "ben")
        await queue.resolve(BRAND, ticket.id, ticket.lease.token, Outcome.LEAD, "call back")
        await drained(queue)
    topics = Topics(settings)
    events = await read(settings, topics.events)
    kinds = [event["type"] for event in events if event["type"] != "mention.discarded"]
    assert kinds == [
        "ticket.opened",
        "mention.appended",
        "mention.edited",
        "mention.deleted",
        "ticket.claimed",
        "ticket.transferred",
        "ticket.claimed",
        "ticket.resolved",
    ]
    assert [event["mention"]["id"] for event in events if event["type"] == "mention.discarded"] == ["x:3"]
    # The feed that a ticket leaves learns of it, and so does the one that it comes to.
    assert [event["type"] for event in await read(settings, topics.department("service"))] == kinds[:6]
    assert [event["type"] for event in await read(settings, topics.department("sales"))] == kinds[5:]
    assert await read(settings, topics.department("hr")) == []


async def test_hundreds_of_tickets_keep_their_order(queue: TicketQueue, said: Any, settings: Settings) -> None:
    moved = RELAY_EVENTS._value.get()
    async with relaying(queue, settings) as relay:
        for first in range(0, 1500, 100):
            effects = [said.created(number, number % 40) for number in range(first, first + 100)]
            await queue.apply(BRAND, effects)
        await drained(queue)
        assert relay.active == {BRAND}
        assert RELAY_ACTIVE._value.get() == 1
    assert RELAY_ACTIVE._value.get() == 0
    events = await read(settings, Topics(settings).events)
    assert len(events) == len({event["event_id"] for event in events}) == 1500
    assert_in_order(events)
    assert RELAY_EVENTS._value.get() == moved + 1500


async def test_a_standby_goes_on_where_the_other_stopped(
    queue: TicketQueue, said: Any, settings: Settings, make_queue: Callable[..., TicketQueue]
) -> None:
    first = Relay(queue, settings)
    await until(lambda: first.active == {BRAND})
    async with relaying(make_queue(), settings) as second:
        await queue.apply(BRAND, [said.created(number) for number in range(50)])
        await drained(queue)
        assert second.active == set()
        await first.stop()
        await queue.apply(BRAND, [said.created(number) for number in range(50, 100)])
        await drained(queue)
        assert second.active == {BRAND}
    events = await read(settings, Topics(settings).events)
    assert len(events) == len({event["event_id"] for event in events}) == 100


async def test_who_loses_the_lease_stops(
    queue: TicketQueue, said: Any, settings: Settings, redis_url: str, make_queue: Callable[..., TicketQueue]
) -> None:
    async with relaying(queue, settings) as relay:
        await until(lambda: relay.active == {BRAND})
        with redis.Redis.from_url(redis_url) as client:
            # As if this process had slept for longer than its lease.
            client.delete(f"sf:{{{BRAND}}}:relay")
        other = make_queue().relay_lease(BRAND, "other", ttl=timedelta(seconds=30))
        assert await other.acquire()
        await until(lambda: relay.active == set(), seconds=3)
        await queue.apply(BRAND, [said.created(number) for number in range(10)])
        await asyncio.sleep(1.5)
        assert await queue.outbox.length(BRAND) == 10
        assert await read(settings, Topics(settings).events) == []
        await other.release()
        await drained(queue)
    assert len(await read(settings, Topics(settings).events)) == 10


async def test_an_entry_that_is_no_event_holds_nobody_up(
    queue: TicketQueue, said: Any, settings: Settings, redis_url: str
) -> None:
    counted = DEAD_LETTERS.labels(DeadLetterReason.REFUSED)._value.get()
    await queue.apply(BRAND, [said.created(1)])
    with redis.Redis.from_url(redis_url) as client:
        client.xadd(f"sf:{{{BRAND}}}:outbox", {"who": b"me \xff"})
        client.xadd(f"sf:{{{BRAND}}}:outbox", {"t": "ticket.claimed", "k": "t-1", "at": "soon", "d": "service"})
        client.xadd(f"sf:{{{BRAND}}}:outbox", {"t": "ticket.opened", "k": "t-1", "at": "1", "d": "service", "s": "1"})
    await queue.apply(BRAND, [said.created(2)])
    async with relaying(queue, settings):
        await drained(queue)
    assert [event["mention"]["id"] for event in await read(settings, Topics(settings).events)] in (
        ["x:1", "x:2"],
        ["x:2", "x:1"],  # in different partitions
    )
    letters = await dead_letters(settings)
    assert len(letters) == 3
    assert all(letter.reason is DeadLetterReason.REFUSED and letter.brand == BRAND for letter in letters)
    assert {letter.dead_letter_id.split("/")[0] for letter in letters} == {f"outbox.{BRAND}"}
    assert any("who" in letter.value.decode() and "\\xff" in letter.value.decode() for letter in letters)
    assert DEAD_LETTERS.labels(DeadLetterReason.REFUSED)._value.get() == counted + 3


async def test_an_event_that_is_too_large_goes_out_shortened(queue: TicketQueue, said: Any, settings: Settings) -> None:
    large = said.created(2, 1)
    mention = large.change.mention.model_copy(update={"text": "Viel zu erzählen. " * 2500})
    large = type(large)(large.change.model_copy(update={"mention": mention}), large.classification, large.decision)
    await queue.apply(BRAND, [said.created(1), large, said.created(3, 1)])
    async with relaying(queue, settings):
        await drained(queue)
    events = await read(settings, Topics(settings).events)
    assert [event["mention"]["id"] for event in events] == ["x:1", "x:2", "x:3"]
    assert events[1]["mention"]["text"].endswith(" […]")
    assert len(events[1]["mention"]["text"]) < 600
    assert events[1]["classification"]["evidence"] == []
    assert events[2]["mention"]["text"] == said.mention(3).text
    (letter,) = await dead_letters(settings)
    assert "went to Kafka with its texts cut" in letter.detail
    assert json.loads(letter.value)["mention"]["text"] == mention.text


async def test_a_brokers_own_limit_is_found_out(
    queue: TicketQueue,
    said: Any,
    make_settings: Callable[..., Settings],
    local_kafka: str,
    topic_prefix: str,
    redis_url: str,
) -> None:
    settings = make_settings(kafka=local_kafka, redis=redis_url, topic_prefix=topic_prefix, retry_cap=0.5)
    provision(settings, Config())
    topics = Topics(settings)
    with admin_client(settings) as admin:
        names = [topics.events, topics.department("service")]
        admin.alter_configs(
            [ConfigResource(ConfigResourceType.TOPIC, name, configs={"max.message.bytes": "9000"}) for name in names]
        )
    large = said.created(30, 1)
    mention = large.change.mention.model_copy(update={"text": "Viel zu erzählen. " * 1000})
    large = type(large)(large.change.model_copy(update={"mention": mention}), large.classification, large.decision)
    effects = [said.created(number, 1) for number in range(60)]
    effects[30] = large
    await queue.apply(BRAND, effects)
    async with relaying(queue, settings):
        await drained(queue, 30)
    events = await read(settings, topics.events)
    assert_in_order(events)
    assert len({event["event_id"] for event in events}) == 60
    assert [event["mention"]["id"] for event in events if len(event["mention"]["text"]) > 300] == ["x:30"]
    assert len(await dead_letters(settings)) == 1


async def test_each_event_goes_by_itself_and_is_measured(
    queue: TicketQueue,
    said: Any,
    make_settings: Callable[..., Settings],
    local_kafka: str,
    topic_prefix: str,
    redis_url: str,
) -> None:
    settings = make_settings(kafka=local_kafka, redis=redis_url, topic_prefix=topic_prefix)
    provision(settings, Config())
    async with relaying(queue, settings):
        await queue.apply(BRAND, [said.created(0)])
        await drained(queue)
        await asyncio.sleep(0.2)
        before = buckets()
        for number in range(1, 41):
            await queue.apply(BRAND, [said.created(number)])
            await asyncio.sleep(0.05)
        await drained(queue)
        await asyncio.sleep(0.2)
    counts = {bound: count - before[bound] for bound, count in buckets().items()}
    # How soon is for a benchmark; that no event waits for the next one shows at any speed.
    assert counts["+Inf"] == 40


def buckets() -> dict[str, float]:
    """Events by the time they took at most."""
    (metric,) = EVENT_TO_KAFKA.collect()
    found = {sample.labels["le"]: sample.value for sample in metric.samples if sample.name.endswith("_bucket")}
    assert all(low <= high for low, high in pairwise(found.values()))
    return found


async def dead_letters(settings: Settings) -> list[DeadLetter]:
    def letters() -> list[DeadLetter]:
        records = read_topic(settings, Topics(settings).dead_letters)
        return [DeadLetter.model_validate_json(record.value) for record in records]

    return await asyncio.to_thread(letters)
