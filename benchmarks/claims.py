"""How long a claim takes while many tickets are open and many people pull.

The clients are coroutines of one process, each with a connection of its own. Once at an even pace, far above what
people do; and once each as fast as it can, which measures this process as much as the queue.
"""

import asyncio
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any

from benchmarks.constant import ConstantClassifier
from benchmarks.feed import deliveries
from benchmarks.peers.work import BATCH, Delivery
from benchmarks.stage import BRAND, OUTBOX, Stage
from silofrei.routing.classifier.model import TextInput
from silofrei.routing.policy import Policy
from silofrei.routing.queue import Effect, TicketQueue
from silofrei.schemas.config import Config
from silofrei.schemas.mention import MentionDeleted
from silofrei.streams.parsing import parse_all

CLIENTS = 50
PER_CLIENT_PER_S = 10.0
_DEPARTMENT = "service"


def measure(stage: Stage, tickets: int, seconds: float) -> dict[str, Any]:
    """The section `claims` of results.json.

    Args:
        stage: the services.
        tickets: open when the claims begin.
        seconds: how long each pace lasts.
    """
    stage.empty_queue()
    return asyncio.run(_measure(stage, tickets, seconds))


async def _measure(stage: Stage, tickets: int, seconds: float) -> dict[str, Any]:
    queue = TicketQueue.connect(stage.settings)
    try:
        await open_tickets(queue, tickets)
        stage.client.delete(OUTBOX)
        found = {}
        for name, pause in (("paced", 1 / PER_CLIENT_PER_S), ("unpaced", 0.0)):
            found[name] = await _pace(queue, pause, seconds)
            print(f"  claims, {name}: {found[name]}", flush=True)
        return {"open_tickets": tickets, "clients": CLIENTS, **found}
    finally:
        await queue.close()


async def open_tickets(queue: TicketQueue, count: int) -> None:
    """Bring so many tickets to one department's queue, past the stream."""
    effects = _effects(count)
    while some := list(islice(effects, BATCH)):
        await queue.apply(BRAND, some)


def _effects(count: int) -> Iterator[Effect]:
    now = datetime.now(UTC)
    policy = Policy(Config())
    (answer,) = ConstantClassifier().classify([TextInput("")])
    records = (Delivery("feed", 0, number, value) for number, (_, value) in enumerate(deliveries(count, now)))
    while some := list(islice(records, 16)):
        for parsed in parse_all(some, {BRAND}, lambda: now):
            for _, change in parsed.changes:
                assert not isinstance(change, MentionDeleted)
                yield Effect(change, answer, policy.decide(change.mention, answer, now))


async def _pace(queue: TicketQueue, pause: float, seconds: float) -> dict[str, float]:
    spans: list[float] = []
    end = time.monotonic() + seconds

    async def client(number: int) -> None:
        # The first claim connects and does not count; then not all in the same moment.
        await queue.claim(BRAND, _DEPARTMENT, f"client-{number}")
        await asyncio.sleep(pause * number / CLIENTS)
        while (began := time.perf_counter()) and time.monotonic() < end:
            ticket = await queue.claim(BRAND, _DEPARTMENT, f"client-{number}", lease=timedelta(minutes=30))
            assert ticket is not None
            spans.append(time.perf_counter() - began)
            await asyncio.sleep(max(0.0, pause - spans[-1]))

    await asyncio.gather(*(client(number) for number in range(CLIENTS)))
    spans.sort()
    milliseconds = [span * 1000 for span in spans]
    return {
        "claims_per_s": round(len(spans) / seconds, 1),
        "p50_ms": round(milliseconds[len(spans) // 2], 2),
        "p99_ms": round(milliseconds[int(len(spans) * 0.99)], 2),
        "max_ms": round(milliseconds[-1], 2),
    }
