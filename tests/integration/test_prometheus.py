"""A real Prometheus scrapes a running worker, relay and ledger; every query of ours is run against it."""

import asyncio
import json
import os
import re
import shutil
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

import httpx
import pytest
from kafka import KafkaProducer

from silofrei.deploy.local.child import Child, Running, free_ports
from silofrei.deploy.local.environment import environment_of
from silofrei.deploy.local.memory_kafka import MemoryKafka, memory_kafka_missing
from silofrei.deploy.local.redis import LocalRedis, redis_missing
from silofrei.deploy.prometheus.targets import Role, Target, lay_out
from silofrei.routing.queue.queue import TicketQueue
from silofrei.schemas.config import Config
from silofrei.schemas.delivery import RawDelivery
from silofrei.schemas.settings import Settings
from silofrei.streams.kafka_clients import kafka_python_producer_options
from silofrei.streams.topics import Topics, provision

ROOT = Path(__file__).parents[2]
DASHBOARD = json.loads((ROOT / "deploy" / "grafana" / "silofrei-operations.json").read_text(encoding="utf-8"))
CONFIG = Config()
BRAND = CONFIG.brands[0]

EMPTY_WHEN_HEALTHY = {"Alerts that fire"}
VARIABLES = {"$channel": ".*", "$department": ".*", "$__rate_interval": "30s"}

pytestmark = pytest.mark.timeout(300)
T = TypeVar("T")


def needed(missing: str | None) -> None:
    if missing:
        if os.environ.get("CI") == "true":
            pytest.fail(f"CI must have all services: {missing}")
        pytest.skip(missing)


class Prometheus(Running):
    """A Prometheus that scrapes and evaluates each second."""

    def __init__(self, folder: Path, port: int, targets: list[Target]) -> None:
        config = lay_out(folder, targets)
        text = config.read_text(encoding="utf-8")
        hasty = re.sub(r"(scrape|evaluation)_interval: 10s", r"\1_interval: 1s", text)
        assert hasty.count("_interval: 1s") == 2
        config.write_text(hasty, encoding="utf-8")
        self.url = f"http://127.0.0.1:{port}"
        argv = (
            "prometheus",
            f"--config.file={config}",
            f"--storage.tsdb.path={folder / 'data'}",
            f"--web.listen-address={self.url.removeprefix('http://')}",
        )
        super().__init__(Child("prometheus", argv, folder / "prometheus.log", ready=self._ready))

    def _ready(self) -> bool:
        try:
            return httpx.get(f"{self.url}/-/ready", timeout=1).status_code == 200
        except httpx.HTTPError:
            return False

    def get(self, path: str, **params: str) -> Any:
        answer = httpx.get(f"{self.url}/api/v1/{path}", params=params, timeout=20)
        body = answer.json()
        assert body["status"] == "success", f"{path} {params}: {body}"
        return body["data"]

    def query(self, expression: str) -> list[dict[str, Any]]:
        data = self.get("query", query=expression)
        result = data["result"]
        return result if data["resultType"] == "vector" else [{"metric": {}, "value": result}]

    def figure(self, expression: str) -> float | None:
        """The value of an expression with one series, or None."""
        result = self.query(expression)
        return float(result[0]["value"][1]) if result else None

    def rules(self) -> list[dict[str, Any]]:
        return [rule for group in self.get("rules")["groups"] for rule in group["rules"]]

    def alerts(self) -> set[str]:
        """Names of the alerts that fire or will."""
        return {alert["labels"]["alertname"] for alert in self.get("alerts")["alerts"]}


@dataclass(frozen=True)
class System:
    settings: Settings
    redis: LocalRedis
    processes: dict[Role, Running]
    prometheus: Prometheus


def until(seconds: float, what: str, ask: Callable[[], T]) -> T:
    """What `ask` returns as soon as it is true."""
    end = time.monotonic() + seconds
    while True:
        answer = ask()
        if answer:
            return answer
        assert time.monotonic() < end, f"not within {seconds} s: {what}; the last answer was {answer!r}"
        time.sleep(0.3)


async def with_queue(settings: Settings, work: Callable[[TicketQueue], Awaitable[T]]) -> T:
    queue = TicketQueue.connect(settings)
    try:
        return await work(queue)
    finally:
        await queue.close()


def delivery(number: int, body: object, channel: str = "cloudevents") -> bytes:
    return (
        RawDelivery(
            delivery_id=f"delivery-{number}",
            brand=BRAND,
            channel=channel,
            connector="test",
            received_at=datetime.now(UTC),
            body=body if isinstance(body, str) else json.dumps(body),
        )
        .model_dump_json()
        .encode()
    )


def event(number: int, text: str, age: timedelta = timedelta(seconds=2)) -> dict[str, object]:
    return {
        "specversion": "1.0",
        "type": "silofrei.mention.created",
        "source": "test",
        "id": f"event-{number}",
        "data": {
            "id": f"post-{number}",
            "text": text,
            "author": {"id": f"author-{number}"},
            "created_at": (datetime.now(UTC) - age).isoformat(),
        },
    }


TEXTS = (
    "My order has not arrived and nobody answers, please help!",
    "Was kostet die Lizenz für 40 Leute? Bitte ein Angebot.",
    "Are you hiring engineers in Hamburg? I would like to apply.",
    "Wir berichten morgen über den Vorfall und bitten um eine Stellungnahme.",
    "xyzzy",
)


def send_traffic(settings: Settings, first: int, mentions: int) -> None:
    """Mentions, an unreadable delivery, one from a source whose clock is ahead, and a like."""
    topic = Topics(settings).raw
    records = [delivery(n, event(n, TEXTS[n % len(TEXTS)])) for n in range(first, first + mentions)]
    records.append(delivery(first + mentions, "{broken"))
    records.append(delivery(first + mentions + 1, event(first + mentions + 1, TEXTS[0], age=timedelta(seconds=-20))))
    producer = KafkaProducer(**kafka_python_producer_options(settings, max_request_size=settings.max_delivery_bytes))
    try:
        for sent in [producer.send(topic, value=record, key=str(n).encode()) for n, record in enumerate(records)]:
            sent.get(timeout=20)
    finally:
        producer.close()


def part(role: Role, settings: Settings, port: int, folder: Path) -> Child:
    # Nobody listens there: its figures are those of a server that is away.
    away = {"second_opinion_url": "http://127.0.0.1:1/v1", "second_opinion_model": "away"}
    env = environment_of(settings.model_copy(update={"metrics_port": port, "shadow_model": "packaged", **away}))
    argv = (sys.executable, "-m", "silofrei.deploy.cli.main", role.value)
    return Child(role.value, argv, folder / f"{role}.log", env=env, cwd=folder)


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """A worker, a relay and a ledger as processes of their own, with traffic, and a Prometheus that watches them."""
    needed(redis_missing())
    needed(memory_kafka_missing())
    if shutil.which("prometheus") is None:
        needed("prometheus is not installed; on Debian: apt-get install prometheus")
    folder = tmp_path_factory.mktemp("watched")
    started: list[Running] = []
    try:
        redis, kafka = LocalRedis(folder / "redis"), MemoryKafka(folder / "kafka")
        for service in (redis, kafka):
            service.start()
            started.append(service)
        settings = Settings(
            _env_file=None, kafka=kafka.bootstrap, kafka_memory=True, redis=redis.url, data=folder / "data"
        )
        provision(settings, CONFIG)
        targets, processes = [], {}
        *ports, own = free_ports(4)
        for role, port in zip((Role.WORKER, Role.RELAY, Role.LEDGER), ports, strict=True):
            targets.append(Target(role, f"{role}-0", f"127.0.0.1:{port}"))
            processes[role] = Running(part(role, settings, port, folder))
        prometheus = Prometheus(folder / "prometheus", own, targets)
        asyncio.run(with_queue(settings, lambda queue: queue.begin_epoch(BRAND)))
        for program in (*processes.values(), prometheus):
            program.start()
            started.append(program)
        yield System(settings, redis, processes, prometheus)
    finally:
        for program in reversed(started):
            program.stop()


@pytest.fixture(scope="module")
def busy(system: System) -> System:
    """The system after traffic in two bursts, with one claim that ran out, and all of it measured."""
    prometheus = system.prometheus
    until(60, "all processes are scraped", lambda: prometheus.figure('sum(up{job="silofrei"})') == 3)
    done = "sum(silofrei_changes_total) + sum(silofrei_dead_letters_total)"
    until(30, "the worker starts its series at zero", lambda: prometheus.figure(done) == 0)
    for burst in (0, 1):
        send_traffic(system.settings, burst * 100, mentions=40)
        # 40 + the one from the future + the unreadable one, which is a change and a dead letter.
        until(60, f"burst {burst} is through", lambda want=43 * (burst + 1): prometheus.figure(done) == want)
    short = timedelta(seconds=1)
    claim = asyncio.run(with_queue(system.settings, lambda queue: queue.claim(BRAND, "triage", "test", lease=short)))
    assert claim is not None
    until(30, "the claim runs out", lambda: prometheus.figure("sum(silofrei_leases_expired_total)") == 1)
    until(30, "the ledger has rows", lambda: (prometheus.figure('silofrei_ledger_rows_total{role="ledger"}') or 0) > 0)
    return system


def panels() -> list[tuple[str, str, str]]:
    """Title, ref and query of everything on the dashboard."""
    return [
        (panel["title"], target["refId"], target["expr"])
        for panel in DASHBOARD["panels"]
        for target in panel.get("targets", [])
    ]


def filled(expression: str) -> str:
    for name, value in VARIABLES.items():
        expression = expression.replace(name, value)
    assert "$" not in expression
    return expression


def test_every_panel_shows_the_traffic(busy: System) -> None:
    left = [panel for panel in panels() if panel[0] not in EMPTY_WHEN_HEALTHY]
    end = time.monotonic() + 30
    # Rates need two scrapes and a recorded rate two evaluations more.
    while left and time.monotonic() < end:
        left = [panel for panel in left if not busy.prometheus.query(filled(panel[2]))]
    assert left == []
    for title, _, expression in panels():
        if title in EMPTY_WHEN_HEALTHY:
            busy.prometheus.query(filled(expression))


def test_the_figures_are_those_of_the_traffic(busy: System) -> None:
    figure = busy.prometheus.figure
    assert figure("sum(silofrei_deliveries_total)") == 84
    assert figure('sum(silofrei_changes_total{outcome="dead_letter"})') == 2
    assert figure('sum(silofrei_dead_letters_total{reason="broken_body"})') == 2
    assert figure('sum(silofrei_negative_latencies_total{step="published_to_ingested"})') == 2
    # Every mention is a ticket, discarded or a dead letter; every ticket that was opened waits.
    opened = figure('sum(silofrei_changes_total{outcome="opened"})')
    assert opened is not None
    assert opened + (figure('sum(silofrei_changes_total{outcome="discarded"})') or 0) == 82
    until(10, "the queues show the tickets", lambda: figure("sum(department:silofrei_queue_depth:max)") == opened)
    assert figure("max(silofrei_relay_active)") == 1
    until(20, "the outbox is empty", lambda: figure("silofrei:outbox_length:max") == 0)
    until(20, "the workers are through", lambda: figure('topic:silofrei_consumer_lag:sum{topic="mentions.raw"}') == 0)
    assert figure('sum(silofrei_committed_offset{topic="mentions.raw"})') == 84


def test_annotations_and_variables_ask_for_what_is_there(busy: System) -> None:
    for annotation in DASHBOARD["annotations"]["list"]:
        if "expr" in annotation:
            busy.prometheus.query(annotation["expr"])
    for variable in DASHBOARD["templating"]["list"]:
        if variable["type"] == "query":
            match = re.fullmatch(r"label_values\((\w+), (\w+)\)", variable["query"]["query"])
            assert match is not None
            values = busy.prometheus.get(f"label/{match[2]}/values", **{"match[]": match[1]})
            assert {"department": "triage", "channel": "cloudevents"}[variable["name"]] in values


def test_every_rule_evaluates_and_records(busy: System) -> None:
    rules = busy.prometheus.rules()
    assert len(rules) > 50
    assert [(rule["name"], rule.get("lastError")) for rule in rules if rule["health"] != "ok"] == []
    recorded = {rule["name"] for rule in rules if rule["type"] == "recording"}
    for name in sorted(recorded):
        until(20, f"{name} has a value", lambda name=name: busy.prometheus.query(name))
    for rule in rules:
        busy.prometheus.query(rule["query"])


def test_no_alert_while_all_is_well_and_the_right_ones_in_an_outage(busy: System) -> None:
    prometheus = busy.prometheus
    until(20, "no alert is left from the start", lambda: prometheus.alerts() == set())
    busy.redis.stop()
    until(40, "Redis is missed", lambda: "SilofreiRedisDown" in prometheus.alerts())
    until(20, "no old figure stands", lambda: str(prometheus.figure("sum(silofrei_queue_depth)")) == "nan")
    busy.redis.start()
    until(40, "Redis is back", lambda: prometheus.alerts() == set())
    assert (prometheus.figure("sum(silofrei_queue_depth)") or 0) > 0
    busy.processes[Role.WORKER].kill()
    until(30, "the worker is missed", lambda: prometheus.alerts() >= {"SilofreiProcessDown", "SilofreiNoWorker"})
    assert prometheus.alerts() == {"SilofreiProcessDown", "SilofreiNoWorker"}
