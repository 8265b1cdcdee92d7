"""A Redis that restarts, crashes, is full, read-only, slow or away: nothing is lost or half done."""

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis

from silofrei.deploy.local.redis import LocalRedis
from silofrei.routing.queue import ApplyCode, RefusalCode, Refused, TicketQueue, Unavailable
from silofrei.schemas.names import Durability, Outcome

BRAND = "acme"


@pytest.fixture
def own_server(redis_server: LocalRedis, tmp_path: Path) -> Iterator[LocalRedis]:
    """A server that the test may stop; `redis_server` skips where there is none."""
    server = LocalRedis(tmp_path / "redis")
    server.start()
    yield server
    server.stop()


def admin(server: LocalRedis) -> "redis.Redis":
    return redis.Redis.from_url(server.url)


@pytest.mark.parametrize("end", ["stop", "kill"])
async def test_everything_survives_a_restart(own_server: LocalRedis, make_queue: Any, said: Any, end: str) -> None:
    if end == "kill":
        with admin(own_server) as client:
            # With everysec a confirmed write may still be in the server's memory while its disk is busy.
            client.config_set("appendfsync", "always")
    queue = make_queue(redis=own_server.url)
    epoch = await queue.begin_epoch(BRAND)
    await queue.apply(BRAND, [*(said.created(number) for number in range(6)), said.created(7, 5), said.ignored(8)])
    held = await queue.claim(BRAND, "service", "anna")
    done = await queue.claim(BRAND, "service", "ben")
    await queue.resolve(BRAND, done.id, done.lease.token, Outcome.SOLVED)
    tickets = [await queue.ticket(BRAND, one.id) for one in (held, done)]
    waiting = await queue.waiting(BRAND, "service")
    events = [entry.value() for entry in await queue.outbox.read(BRAND)]

    getattr(own_server, end)()
    with pytest.raises(Unavailable, match="SILOFREI_REDIS"):
        await queue.apply(BRAND, [said.created(9)])
    own_server.start()

    assert await queue.epoch(BRAND) == epoch
    assert [entry.value() for entry in await queue.outbox.read(BRAND)] == events
    assert await queue.waiting(BRAND, "service") == waiting
    assert [await queue.ticket(BRAND, one.id) for one in (held, done)] == tickets
    # The server has forgotten the scripts; they are loaded again unseen, in plain calls and with a wait for the disk.
    assert [one.code for one in await queue.apply(BRAND, [said.created(1), said.created(9)])] == [
        ApplyCode.DUPLICATE,
        ApplyCode.OPENED,
    ]
    released = await queue.release(BRAND, held.id, held.lease.token)
    assert released.lease is None
    again = await queue.claim(BRAND, "service", "anna")
    assert again.lease.token > held.lease.token


@pytest.mark.parametrize("durability", list(Durability))
async def test_scripts_that_the_server_forgot_are_loaded_again(
    make_queue: Any, said: Any, redis_url: str, durability: Durability
) -> None:
    queue = make_queue(redis_durability=durability)
    await queue.begin_epoch(BRAND)
    with redis.Redis.from_url(redis_url) as client:
        for number in range(3):
            client.script_flush()
            assert [one.code for one in await queue.apply(BRAND, [said.created(number)])] == [ApplyCode.OPENED]
            client.script_flush()
            assert await queue.claim(BRAND, "service", "anna") is not None


async def test_a_full_memory_is_refused_before_the_first_write(queue: TicketQueue, said: Any, redis_url: str) -> None:
    await queue.apply(BRAND, [said.created(1), said.created(2)])
    held = await queue.claim(BRAND, "service", "anna")
    assert held is not None
    assert held.lease is not None
    lease = queue.relay_lease(BRAND, "relay")
    with redis.Redis.from_url(redis_url) as client:
        before = {key: client.dump(key) for key in client.scan_iter()}
        client.config_set("maxmemory", 1_000_000)
        for call in (
            queue.apply(BRAND, [said.created(1), said.edited(1, "2"), said.created(3), said.deleted(2)]),
            queue.claim(BRAND, "service", "ben"),
            queue.release(BRAND, held.id, held.lease.token),
            queue.transfer(BRAND, held.id, held.lease.token, "hr", ""),
            queue.resolve(BRAND, held.id, held.lease.token, Outcome.SOLVED),
            queue.reap(BRAND),
        ):
            with pytest.raises(Unavailable, match="is full"):
                await call
        assert {key: client.dump(key) for key in client.scan_iter()} == before
        # What empties the memory still works, and so does reading.
        assert await lease.acquire()
        assert await lease.renew()
        (entry, *_) = await queue.outbox.read(BRAND)
        await queue.outbox.remove(BRAND, [entry.entry_id])
        await lease.release()
        assert len(await queue.waiting(BRAND, "service")) == 1
        client.config_set("maxmemory", 0)
    assert [one.code for one in await queue.apply(BRAND, [said.created(3)])] == [ApplyCode.OPENED]


async def test_a_replica_is_unavailable(own_server: LocalRedis, make_queue: Any, said: Any) -> None:
    queue = make_queue(redis=own_server.url)
    await queue.begin_epoch(BRAND)
    with admin(own_server) as client:
        client.replicaof("127.0.0.1", 1)
        with pytest.raises(Unavailable, match=r"(?i)read.?only|master"):
            await queue.apply(BRAND, [said.created(1)])
        client.replicaof("NO", "ONE")
    assert [one.code for one in await queue.apply(BRAND, [said.created(1)])] == [ApplyCode.OPENED]


async def test_a_server_that_does_not_answer_in_time_is_unavailable(
    own_server: LocalRedis, make_queue: Any, said: Any
) -> None:
    queue = make_queue(redis=own_server.url, redis_timeout=0.5)
    await queue.begin_epoch(BRAND)
    with admin(own_server) as client:
        client.execute_command("CLIENT", "PAUSE", 1200, "ALL")
    with pytest.raises(Unavailable):
        await queue.apply(BRAND, [said.created(1)])
    await asyncio.sleep(1)
    # The call that timed out may have been carried out; repeating it is harmless either way.
    assert (await queue.apply(BRAND, [said.created(1)]))[0].code in (ApplyCode.OPENED, ApplyCode.DUPLICATE)
    assert await queue.outbox.length(BRAND) == 1


async def test_a_busy_script_of_somebody_else_is_unavailable(
    own_server: LocalRedis, make_queue: Any, said: Any
) -> None:
    queue = make_queue(redis=own_server.url)
    await queue.begin_epoch(BRAND)
    with admin(own_server) as client, admin(own_server) as other:
        client.config_set("busy-reply-threshold", 1)
        looping = asyncio.create_task(asyncio.to_thread(_loop, other))
        await asyncio.sleep(0.2)
        with pytest.raises(Unavailable, match="BUSY"):
            await queue.apply(BRAND, [said.created(1)])
        client.script_kill()
        await looping
    assert [one.code for one in await queue.apply(BRAND, [said.created(1)])] == [ApplyCode.OPENED]


def _loop(client: "redis.Redis") -> None:
    with pytest.raises(redis.ResponseError):
        client.eval("while true do end", 0)


async def test_a_server_that_wants_a_password_tells_which_settings(
    own_server: LocalRedis, make_queue: Any, said: Any
) -> None:
    with admin(own_server) as client:
        client.config_set("requirepass", "correct horse")
        for settings in ({}, {"redis_password": "wrong"}):
            with pytest.raises(Unavailable, match="SILOFREI_REDIS_PASSWORD") as caught:
                await make_queue(redis=own_server.url, **settings).ping()
            assert "wrong" not in str(caught.value).replace("WRONGPASS", "").replace("wrong number", "")
        await make_queue(redis=own_server.url, redis_password="correct horse").ping()
        client.config_set("requirepass", "")


@pytest.mark.parametrize("address", ["unix:///nowhere/redis.sock", "redis://127.0.0.1:1/0"])
async def test_a_server_that_is_not_there_is_unavailable(make_queue: Any, redis_url: str, address: str) -> None:
    began = time.monotonic()
    with pytest.raises(Unavailable, match=r"not available: check SILOFREI_REDIS\."):
        await make_queue(redis=address).ping()
    assert time.monotonic() - began < 1, "repeating is for the caller, who tells the metrics"


async def test_a_key_of_a_foreign_type_is_refused_not_retried_for_ever(
    queue: TicketQueue, said: Any, redis_url: str
) -> None:
    with redis.Redis.from_url(redis_url) as client:
        client.set("sf:{acme}:mention:x:1", "foreign")
        with pytest.raises(Refused, match="WRONGTYPE") as caught:
            await queue.apply(BRAND, [said.created(1)])
    assert caught.value.code is RefusalCode.REJECTED


async def test_waitaof_waits_for_the_disk_and_checks_the_answer(
    own_server: LocalRedis, make_queue: Any, said: Any
) -> None:
    # With everysec the disk may take a second to answer.
    queue = make_queue(redis=own_server.url, redis_durability=Durability.WAITAOF, redis_timeout=10)
    hasty = make_queue(redis=own_server.url, redis_durability=Durability.WAITAOF, redis_timeout=2)
    await queue.begin_epoch(BRAND)
    assert (await queue.apply(BRAND, [said.created(1)]))[0].code is ApplyCode.OPENED
    with admin(own_server) as client:
        assert client.info("commandstats")["cmdstat_waitaof"]["calls"] >= 2
        # Never syncing is what a stuck disk looks like from here.
        client.config_set("appendfsync", "no")
        with pytest.raises(Unavailable, match="not written to disk in time"):
            await hasty.apply(BRAND, [said.created(2)])
        client.config_set("appendfsync", "everysec")
        assert (await queue.apply(BRAND, [said.created(2)]))[0].code is ApplyCode.DUPLICATE
        client.config_set("appendonly", "no")
        with pytest.raises(Unavailable, match="appendonly"):
            await queue.apply(BRAND, [said.created(3)])


async def test_only_waitaof_waits(queue: TicketQueue, said: Any, redis_url: str) -> None:
    with redis.Redis.from_url(redis_url) as client:
        client.config_resetstat()
        await queue.apply(BRAND, [said.created(1)])
        assert "cmdstat_waitaof" not in client.info("commandstats")


async def test_durability_problems_name_the_fix(own_server: LocalRedis, make_queue: Any) -> None:
    queue = make_queue(redis=own_server.url)
    strict = make_queue(redis=own_server.url, redis_durability=Durability.ALWAYS)
    assert await queue.durability_problems() == []
    (problem,) = await strict.durability_problems()
    assert "set 'appendfsync always'" in problem
    with admin(own_server) as client:
        client.config_set("appendfsync", "no")
        client.config_set("maxmemory-policy", "allkeys-lru")
        client.config_set("appendonly", "no")
        problems = await queue.durability_problems()
    assert ["appendonly" in problems[0], "appendfsync" in problems[1], "noeviction" in problems[2]] == [True] * 3
