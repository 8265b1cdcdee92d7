"""Surroundings of workers and relays: real Kafka, real Redis, the real command; and what became of mentions."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path

import pytest
from kafka import KafkaProducer

from silofrei.deploy.local.child import free_ports, listens
from silofrei.deploy.local.redis import LocalRedis
from silofrei.routing.queue import TicketQueue
from silofrei.schemas.config import Config
from silofrei.schemas.delivery import RawDelivery
from silofrei.schemas.names import Durability
from silofrei.schemas.settings import Settings
from silofrei.streams.dead_letters import list_dead_letters
from silofrei.streams.kafka_clients import kafka_python_producer_options
from silofrei.streams.lag import group_positions
from silofrei.streams.topic_reader import read_topic
from silofrei.streams.topics import Topics, provision

SOURCE = "https://forum.nordwind.example"


class PartProcess:
    """One long-running part: `silofrei worker` or `silofrei relay`."""

    def __init__(self, part: str, environment: dict[str, str], log: Path, metrics_port: int) -> None:
        self.log = log
        self.metrics_port = metrics_port
        with log.open("ab") as stream:
            self._popen = subprocess.Popen(
                [sys.executable, "-m", "silofrei.deploy.cli.main", part],
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=stream,
                cwd=log.parent,
            )

    @property
    def pid(self) -> int:
        return self._popen.pid

    @property
    def running(self) -> bool:
        return self._popen.poll() is None

    def says(self) -> str:
        return self.log.read_text(errors="replace")

    def signal(self, number: int) -> None:
        self._popen.send_signal(number)

    def wait(self, seconds: float = 20) -> int:
        """Its exit code."""
        return self._popen.wait(seconds)

    def stop(self, seconds: float = 20) -> int:
        self.signal(signal.SIGTERM)
        return self.wait(seconds)

    def kill(self) -> None:
        self._popen.kill()
        self._popen.wait()

    def metric(self, line: str) -> float:
        """The value of the sample that is written like this, 0.0 where there is none."""
        return self.shown().get(line, 0.0)

    def shown(self) -> dict[str, float]:
        """All samples that it shows, by what is written before the value."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.metrics_port}/metrics", timeout=5) as answer:
            lines = answer.read().decode().splitlines()
        samples = (line.rpartition(" ") for line in lines if not line.startswith("#"))
        return {name: float(value) for name, _, value in samples}


class Surroundings:
    """Topics of its own on a Kafka, a Redis of its own, any number of workers and relays."""

    def __init__(self, kafka: str, redis: LocalRedis, prefix: str, folder: Path, settings: Settings) -> None:
        self.kafka, self.redis, self.prefix, self.folder, self.settings = kafka, redis, prefix, folder, settings
        self.topics = Topics(settings)
        self.parts: list[PartProcess] = []
        provision(settings, Config())

    def worker(self, slot: str = "0", *, ready: bool = True, **values: object) -> PartProcess:
        """Start a worker; `values` are further settings."""
        started = self._start("worker", {"worker_slot": slot, **values})
        if ready:
            self.wait_for(lambda: "The worker is ready" in started.says(), 30, started)
        return started

    def relay(self, *, ready: bool = True, **values: object) -> PartProcess:
        """Start a relay; `values` are further settings."""
        started = self._start("relay", values)
        if ready:
            self.wait_for(lambda: listens(f"127.0.0.1:{started.metrics_port}"), 30, started)
        return started

    def _start(self, part: str, values: Mapping[str, object]) -> PartProcess:
        (port,) = free_ports(1)
        given = {"metrics_port": port, **values}
        log = self.folder / f"{part}-{len(self.parts)}.log"
        started = PartProcess(part, self._environment(given), log, int(str(given["metrics_port"])))
        self.parts.append(started)
        return started

    def _environment(self, values: Mapping[str, object]) -> dict[str, str]:
        given = {
            "kafka": self.settings.kafka,
            "kafka_memory": self.settings.kafka_memory,
            "redis": self.redis.url,
            "topic_prefix": self.prefix,
            "retry_cap": 0.5,
            **values,
        }
        return {**os.environ, **{f"SILOFREI_{name.upper()}": str(value) for name, value in given.items()}}

    def command(self, *arguments: str, **values: object) -> "subprocess.CompletedProcess[str]":
        """Run `silofrei ARGUMENTS` to its end, as a person does."""
        argv = [sys.executable, "-m", "silofrei.deploy.cli.main", *arguments]
        environment = self._environment(values)
        return subprocess.run(
            argv, env=environment, cwd=self.folder, capture_output=True, text=True, timeout=60, check=False
        )

    def wait_for(self, true: Callable[[], object], seconds: float, worker: PartProcess | None = None) -> None:
        """Wait until it is so; fails when it is not in time, or the worker has ended."""
        until = time.monotonic() + seconds
        while not true():
            if worker is not None and not worker.running:
                pytest.fail(f"the worker ended with {worker.wait()}:\n{worker.says()[-3000:]}")
            if time.monotonic() > until:
                said = worker.says()[-3000:] if worker is not None else ""
                pytest.fail(f"not so within {seconds:g} s; committed {self.committed()}, lag {self.lag()}\n{said}")
            time.sleep(0.05)

    def send(self, *values: bytes | None, partition: int | None = None) -> None:
        """Put records into mentions.raw and wait until the broker has them."""
        options = kafka_python_producer_options(self.settings, max_request_size=10_000_000)
        producer = KafkaProducer(**options)
        try:
            for value in values:
                producer.send(self.topics.raw, value, None if value else b"tombstone", partition=partition)
            producer.flush(timeout=30)
        finally:
            producer.close(timeout=10)

    def lag(self) -> int:
        positions = group_positions(self.settings, self.topics.worker_group, self.topics.raw)
        return sum(position.lag for position in positions.values())

    def committed(self) -> dict[int, int]:
        positions = group_positions(self.settings, self.topics.worker_group, self.topics.raw)
        return {partition: position.committed for partition, position in positions.items()}

    def events(self, brand: str = "demo") -> list[dict[str, object]]:
        """Every event that the queue wrote; without a relay, all are still in the outbox."""

        async def read() -> list[dict[str, object]]:
            queue = TicketQueue.connect(self.settings)
            try:
                return [json.loads(entry.value()) for entry in await queue.outbox.read(brand, count=1_000_000)]
            finally:
                await queue.close()

        return asyncio.run(read())

    def events_on_kafka(self) -> list[dict[str, object]]:
        """Every event that a relay has moved, by partition."""
        return [json.loads(record.value or b"") for record in read_topic(self.settings, self.topics.events)]

    def mentions(self) -> Counter[str]:
        """How often each mention, by its native id, came into a ticket or was discarded."""
        kinds = {"ticket.opened", "mention.appended", "mention.discarded"}
        found = (event["mention"]["id"] for event in self.events() if event["type"] in kinds)  # type: ignore[index]
        return Counter(one.removeprefix(f"cloudevents:{SOURCE}/") for one in found)

    def dead_letters(self) -> dict[str, object]:
        """Every dead letter that still waits, by id."""
        return {entry.letter.dead_letter_id: entry for entry in list_dead_letters(self.settings) if not entry.redriven}


def cloud_event(native_id: str, text: str = "Mein Rad ist kaputt, bitte helfen Sie mir", **data: object) -> str:
    """A native payload of the channel cloudevents."""
    moment = datetime.now(UTC).isoformat()
    mention = {
        "id": native_id,
        "kind": "comment",
        "text": text,
        "author": {"id": "u1", "handle": "radler"},
        "created_at": moment,
        "language": "de",
        **data,
    }
    values = {
        "specversion": "1.0",
        "type": "silofrei.mention.created",
        "source": SOURCE,
        "id": f"e-{native_id}",
        "time": moment,
        "data": {name: value for name, value in mention.items() if value is not ...},
    }
    return json.dumps(values)


def envelope(body: str, **fields: object) -> bytes:
    """A record for mentions.raw."""
    values = {
        "delivery_id": "d-1",
        "brand": "demo",
        "channel": "cloudevents",
        "connector": "test",
        "received_at": datetime.now(UTC),
        "body": body,
        **fields,
    }
    return RawDelivery.model_validate(values).model_dump_json().encode()


class Native:
    """Makes records; a fixture, since test files do not import from here."""

    cloud_event = staticmethod(cloud_event)
    envelope = staticmethod(envelope)

    @staticmethod
    def mention(native_id: str, **data: object) -> bytes:
        """A record with one mention."""
        return envelope(cloud_event(native_id, **data))  # type: ignore[arg-type]


@pytest.fixture
def native() -> type[Native]:
    """Makes records for mentions.raw."""
    return Native


@pytest.fixture
def own_redis(redis_server: LocalRedis, tmp_path: Path) -> Iterator[LocalRedis]:
    """A Redis of this test's own, which it may stop and kill: what it confirmed is on its disk."""
    server = LocalRedis(tmp_path / "redis", Durability.ALWAYS)
    server.start()
    yield server
    server.stop()


@pytest.fixture
def surround(
    own_redis: LocalRedis, topic_prefix: str, tmp_path: Path, make_settings: Callable[..., Settings]
) -> Iterator[Callable[[str], Surroundings]]:
    """Makes the surroundings of workers on the Kafka with this address."""
    made: list[Surroundings] = []

    def make(kafka: str, **values: object) -> Surroundings:
        settings = make_settings(kafka=kafka, redis=own_redis.url, topic_prefix=topic_prefix, **values)
        made.append(Surroundings(kafka, own_redis, topic_prefix, tmp_path, settings))
        return made[-1]

    yield make
    for one in made:
        for part in one.parts:
            if part.running:
                part.kill()


@pytest.fixture
def surroundings(surround: Callable[[str], Surroundings], local_kafka: str) -> Surroundings:
    """Workers' surroundings on the real Kafka."""
    return surround(local_kafka)
