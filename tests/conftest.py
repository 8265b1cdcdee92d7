"""What every test may ask for: settings of its own, and real services that start when the first test needs them.

A service that cannot be had here skips the test with the reason; where CI=true it fails it.
"""

import os
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NoReturn

import pytest
import redis

from silofrei.deploy.local.child import LocalError
from silofrei.deploy.local.jars import cache_folder, fetch, read_lock
from silofrei.deploy.local.java import java_missing
from silofrei.deploy.local.kafka import LocalKafka
from silofrei.deploy.local.memory_kafka import MemoryKafka, memory_kafka_missing
from silofrei.deploy.local.redis import LocalRedis, redis_missing
from silofrei.schemas.settings import PREFIX, Settings, load_settings

JARS_WITHIN = 90.0
"""Longest wait for Kafka's jars, seconds; below the time limit of a test."""

MakeSettings = Callable[..., Settings]


def unavailable(reason: str) -> NoReturn:
    """Skips the test, or fails it where CI=true: there, everything must be there."""
    if os.environ.get("CI") == "true":
        pytest.fail(f"CI must have all services: {reason}")
    pytest.skip(reason)


@pytest.fixture
def make_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> MakeSettings:
    """Settings from the keywords alone: no environment, no `.env`, data under this test's folder."""
    for name in [name for name in os.environ if name.startswith(PREFIX)]:
        monkeypatch.delenv(name)

    def make(**values: object) -> Settings:
        return load_settings(**{"data": tmp_path / "data", "_env_file": os.devnull, **values})

    return make


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalRedis]:
    """A real Valkey with an append-only file for the whole run. Do not stop it; start a LocalRedis of your own."""
    missing = redis_missing()
    if missing:
        unavailable(missing)
    server = LocalRedis(tmp_path_factory.mktemp("redis"))
    server.start()
    yield server
    server.stop()


@pytest.fixture
def redis_url(redis_server: LocalRedis) -> str:
    """The address of a Redis that is empty at the start of the test."""
    with redis.Redis.from_url(redis_server.url) as client:
        client.config_set("maxmemory", 0)
        client.flushall()
        client.script_flush()
    return redis_server.url


@pytest.fixture(scope="session")
def memory_kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """HOST:PORT of a Kafka in memory for the whole run; use topics of your own, see `topic_prefix`."""
    missing = memory_kafka_missing()
    if missing:
        unavailable(missing)
    broker = MemoryKafka(tmp_path_factory.mktemp("memory-kafka"))
    broker.start()
    yield broker.bootstrap
    broker.stop()


@pytest.fixture(scope="session")
def kafka_jars() -> Path:
    """The folder with the jars of Apache Kafka, fetched where they are missing."""
    missing = java_missing()
    if missing:
        unavailable(missing)
    lock = read_lock()
    try:
        return fetch(lock, cache_folder(lock.version), within=JARS_WITHIN)
    except LocalError as error:
        unavailable(str(error))


@pytest.fixture(scope="session")
def local_kafka(kafka_jars: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """HOST:PORT of a real Apache Kafka for the whole run; use topics of your own, see `topic_prefix`.

    Topics are not made by use: call `provision(settings, config)`. To stop one, start a LocalKafka of your own.
    """
    broker = LocalKafka(tmp_path_factory.mktemp("kafka"), jars=kafka_jars)
    broker.start()
    yield broker.bootstrap
    broker.stop()


@pytest.fixture
def topic_prefix() -> str:
    """A prefix for topics and groups that no other test has."""
    return f"t{uuid.uuid4().hex[:12]}."
