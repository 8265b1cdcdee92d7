"""A whole local system with all its real processes: a mention becomes a ticket, a killed worker comes back."""

import asyncio
import json
import os
import signal
import urllib.request
from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from kafka import KafkaProducer

from silofrei.deploy.local.instance import Instance
from silofrei.deploy.local.supervisor import Event, EventKind
from silofrei.deploy.local.system import LocalSystem
from silofrei.routing.queue.queue import TicketQueue
from silofrei.schemas.config import Config
from silofrei.schemas.delivery import RawDelivery

CONFIG = Config()


def deliver(kafka: str, number: int) -> None:
    """One complaint that nobody takes for anything else, from the generic channel."""
    now = datetime.now(UTC).isoformat()
    text = f"Mein Paket {number} ist seit drei Wochen nicht angekommen und der Kundenservice antwortet nicht. Hilfe!"
    event = {
        "specversion": "1.0",
        "type": "silofrei.mention.created",
        "source": "https://forum.nordwind.example",
        "id": f"e-{number}",
        "time": now,
        "datacontenttype": "application/json",
        "data": {
            "id": f"post-{number}",
            "kind": "post",
            "text": text,
            "author": {"id": f"u{number}", "name": "Rad Ler"},
            "created_at": now,
            "language": "de",
        },
    }
    delivery = RawDelivery(
        delivery_id=f"d{number}",
        brand=CONFIG.brands[0],
        channel="cloudevents",
        connector="test",
        received_at=datetime.now(UTC),
        body=json.dumps(event),
    )
    producer = KafkaProducer(bootstrap_servers=kafka)
    producer.send("mentions.raw", delivery.model_dump_json().encode(), key=b"u").get(timeout=20)
    producer.close()


async def until(true: Callable[[], object], within: float = 40.0) -> None:
    async with asyncio.timeout(within):
        while not true():  # noqa: ASYNC110 # what it waits for happens in other processes
            await asyncio.sleep(0.1)


async def until_waiting(queue: TicketQueue, count: int) -> None:
    async with asyncio.timeout(40):
        while True:
            depths = await queue.depths(CONFIG.brands[0], CONFIG.queue_names())
            if sum(depth.waiting for depth in depths.values()) == count:
                return
            await asyncio.sleep(0.1)


def page(address: str) -> str:
    with urllib.request.urlopen(address, timeout=10) as answer:  # noqa: S310 # our own pages on loopback
        return str(answer.read().decode())


@pytest.mark.slow
@pytest.mark.usefixtures("kafka_jars")
async def test_a_mention_becomes_a_ticket_and_a_killed_worker_comes_back(make_settings) -> None:
    events: list[Event] = []
    system = LocalSystem(make_settings(desk_port=0, log_format="json"), CONFIG, report=events.append, kafka="local")

    async def work(instance: Instance) -> None:
        assert set(system.pids()) == {"kafka", "redis", "worker-0", "relay", "ledger", "desk"}
        assert set(instance.metrics) == {"worker-0", "relay", "ledger"}
        queue = TicketQueue.connect(system.settings)
        await asyncio.to_thread(deliver, instance.kafka, 1)
        await until_waiting(queue, 1)
        await until(lambda: list(instance.ledger.rglob("*.parquet")))
        assert "<html" in await asyncio.to_thread(page, instance.desk)
        assert "silofrei_deliveries_total" in await asyncio.to_thread(page, f"http://{instance.metrics['worker-0']}")

        os.kill(system.pids()["worker-0"], signal.SIGKILL)
        await asyncio.to_thread(deliver, instance.kafka, 2)
        await until_waiting(queue, 2)
        crash = next(event for event in events if event.kind is EventKind.CRASHED)
        assert "worker-0 was ended by SIGKILL; it is started again" in crash.text
        await queue.close()

    assert await system.run(work)
    assert [event.name for event in events if event.kind is EventKind.KILLED] == []
