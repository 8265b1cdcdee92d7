"""All keys of a brand share a slot: shown on a Valkey in cluster mode, which refuses scripts that leave theirs."""

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import redis
from redis.crc import key_slot

from silofrei.deploy.local.child import Running
from silofrei.deploy.local.redis import LocalRedis
from silofrei.schemas.names import Outcome

BRAND = "acme"


@pytest.fixture
def cluster_url(redis_server: LocalRedis, tmp_path: Path) -> Iterator[str]:
    """A cluster of one node that holds all slots; scripts may not leave the slot that they declare."""
    server = LocalRedis(tmp_path / "redis")
    running = Running(replace(server.child, argv=(*server.child.argv, "--cluster-enabled", "yes")))
    running.start()
    with redis.Redis.from_url(server.url) as client:
        client.execute_command("CLUSTER", "ADDSLOTSRANGE", 0, 16_383)
    yield server.url
    running.stop()


async def settled(url: str) -> None:
    with redis.Redis.from_url(url) as client:
        for _ in range(100):
            if client.cluster("INFO")["cluster_state"] == "ok":
                return
            await asyncio.sleep(0.05)
    pytest.fail("the cluster does not come up")


async def test_every_transition_stays_in_the_slot_of_its_brand(cluster_url: str, make_queue: Any, said: Any) -> None:
    await settled(cluster_url)
    with redis.Redis.from_url(cluster_url) as client:
        with pytest.raises(redis.ResponseError, match="same slot"):
            client.eval("#!lua\nredis.call('GET', 'sf:{a}:x') return redis.call('GET', 'sf:{b}:x')", 1, "sf:{a}:x")

        queue = make_queue(redis=cluster_url)
        await queue.begin_epoch(BRAND)
        effects = [said.created(1), said.created(2, 1), said.ignored(3), said.created(4), said.edited(2, "5", 1)]
        await queue.apply(BRAND, [*effects, said.deleted(2), said.deleted(4), said.deleted(9), said.edited(3, "2")])
        lease = queue.relay_lease(BRAND, "relay")
        assert await lease.acquire()
        assert await lease.renew()

        async def claim(department: str, span: timedelta | None = None) -> tuple[str, int]:
            ticket = await queue.claim(BRAND, department, "anna", lease=span)
            return ticket.id, ticket.lease.token

        await claim("service", timedelta(milliseconds=10))
        await asyncio.sleep(0.02)
        assert len(await queue.reap(BRAND)) == 1
        await queue.release(BRAND, *await claim("service"))
        await queue.transfer(BRAND, *await claim("service"), "hr", "")
        ticket_id, token = await claim("hr")
        await queue.extend(BRAND, ticket_id, token)
        await queue.resolve(BRAND, ticket_id, token, Outcome.SOLVED)
        assert len(await queue.waiting(BRAND, "service")) == 1
        assert (await queue.depths(BRAND, ["service", "hr"]))["service"].waiting == 1
        assert await queue.outbox.length(BRAND) > 10

        keys = list(client.scan_iter())
        assert all(key.startswith(b"sf:{acme}:") for key in keys)
        assert {key_slot(key) for key in keys} == {key_slot(b"acme")}
        assert {key.split(b":")[2] for key in keys} >= {b"epoch", b"outbox", b"token", b"mention", b"thread", b"ticket"}
        await lease.release()


async def test_brands_do_not_see_each_other(make_queue: Any, said: Any) -> None:
    queue = make_queue()
    for brand in ("acme", "bolt"):
        await queue.begin_epoch(brand)
        await queue.apply(brand, [type(said)(brand).created(1)])
    acme = await queue.claim("acme", "service", "anna")
    assert await queue.claim("acme", "service", "anna") is None
    assert await queue.ticket("bolt", acme.id) is None
    assert len(await queue.waiting("bolt", "service")) == 1
