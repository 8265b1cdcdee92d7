"""Cost per mention of the worker's whole path with few and with many departments, and with few and with many rules.

The path runs in this process over records in memory, with the real classifier and the real queue; the configurations
take turns over several rounds, and the least CPU of each is what it needs.
"""

import asyncio
import time
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

from aiokafka import TopicPartition

from benchmarks.constant import REAL, classifier_named
from benchmarks.feed import deliveries
from benchmarks.peers.work import Delivery
from benchmarks.stage import OUTBOX, Stage, cpu_seconds
from silofrei.routing.policy import Policy
from silofrei.routing.queue import TicketQueue
from silofrei.schemas.config import Config, Department, Rule, Then, Title, When
from silofrei.schemas.dead_letter import DeadLetter
from silofrei.schemas.names import Channel, Label
from silofrei.schemas.settings import Settings
from silofrei.streams.apply import Router
from silofrei.streams.fetches import Fetch

DEPARTMENTS = (1, 4, 20)
RULES = (1, 10, 100, 500)
_PLAIN_RULE_EVERY = 10
"""So many rules look for words; the one after them for a channel and a label."""


class _NoLetters:
    async def write(self, letters: Iterable[DeadLetter]) -> None:
        assert not list(letters)


def with_departments(count: int) -> Config:
    """A configuration that spreads mentions over so many departments."""
    names = [f"department-{number}" for number in range(count)]
    rules = [
        Rule(name=f"to-{name}", when=When(labels=(label,)), then=Then(department=name))
        for name, label in zip(names, [Label.SERVICE, Label.SALES, Label.HR, Label.PR], strict=False)
    ]
    rules += [
        Rule(name=f"to-{name}", when=When(words=(f"word{number}", name)), then=Then(department=name))
        for number, name in enumerate(names[4:])
    ]
    departments = {name: Department(title=Title(de=name, en=name), deadline=timedelta(hours=4)) for name in names}
    return Config(departments=departments, rules=tuple(rules))


def with_rules(count: int) -> Config:
    """A configuration with so many rules, of which few hold."""
    rules = []
    for number in range(count):
        if number % _PLAIN_RULE_EVERY == _PLAIN_RULE_EVERY - 1:
            when = When(channels=(Channel.TRUSTPILOT,), labels=(Label.PR,))
        else:
            when = When(words=(f"phrase number {number}", f"word{number}"))
        rules.append(Rule(name=f"rule-{number}", when=when, then=Then(department="pr")))
    return Config(rules=tuple(rules))


def measure(stage: Stage, mentions: int, rounds: int) -> dict[str, Any]:
    """The section `shapes` of results.json.

    Args:
        stage: the services.
        mentions: in each run.
        rounds: runs of each configuration.
    """
    configurations = {f"{count} departments": with_departments(count) for count in DEPARTMENTS}
    configurations |= {f"{count} rules": with_rules(count) for count in RULES}
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in configurations}
    classifier = classifier_named(REAL, Config())
    server = int(stage.client.info("server")["process_id"])
    records = [
        Delivery("feed", 0, number, value) for number, (_, value) in enumerate(deliveries(mentions, datetime.now(UTC)))
    ]
    for number in range(rounds + 1):
        for name, config in configurations.items():
            stage.empty_queue()
            costs = asyncio.run(_costs(stage.settings, config, classifier, records, server))
            assert stage.client.xlen(OUTBOX) == mentions
            if number:  # the first round only warms up
                found[name].append(costs)
    shapes = {
        name: {
            "worker_us_per_mention": round(min(worker for worker, _ in costs), 1),
            "redis_us_per_mention": round(min(redis for _, redis in costs), 1),
        }
        for name, costs in found.items()
    }
    for name, costs_of in shapes.items():
        print(f"  {name}: {costs_of}", flush=True)
    return shapes


async def _costs(
    settings: Settings, config: Config, classifier: Any, records: list[Delivery], server: int
) -> tuple[float, float]:
    """CPU per mention of this process and of Redis, microseconds."""
    queue = TicketQueue.connect(settings, departments=config.queue_names())
    router = Router(
        classifier=classifier,
        policy=Policy(config),
        queue=queue,
        letters=_NoLetters(),
        brands=config.brands,
        batch_mentions=settings.batch_mentions,
        retry_cap=settings.retry_cap,
        clock=lambda: datetime.now(UTC),
    )
    try:
        ours, theirs = time.process_time(), cpu_seconds(server)
        for start in range(0, len(records), settings.batch_records):
            fetch = Fetch(TopicPartition("feed", 0), records[start : start + settings.batch_records])
            assert await router.route(fetch)
        return (
            (time.process_time() - ours) / len(records) * 1e6,
            (cpu_seconds(server) - theirs) / len(records) * 1e6,
        )
    finally:
        await queue.close()
