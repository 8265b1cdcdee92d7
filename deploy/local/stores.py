"""Broker and Redis of a local system: which they are, and their start."""

import asyncio
import re
import shutil
import threading
from pathlib import Path

from silofrei.deploy.local.child import LocalError
from silofrei.deploy.local.choice import Choice, KafkaKind, choose_kafka, means, memory
from silofrei.deploy.local.jars import cache_folder, fetch, read_lock
from silofrei.deploy.local.kafka import LocalKafka
from silofrei.deploy.local.memory_kafka import MemoryKafka
from silofrei.deploy.local.redis import LocalRedis
from silofrei.deploy.local.supervisor import Event, EventKind, Report, Supervisor, note
from silofrei.schemas.settings import Settings

_AUTO_FETCH_SECONDS = 60.0


async def pick_kafka(asked: str, report: Report) -> Choice:
    """The Kafka for `--kafka ASKED`, its jars at hand; says which it is.

    Raises:
        ConfigurationError: it cannot be had.
    """
    lock = read_lock()
    have = means(lock, cache_folder(lock.version))
    choice = await asyncio.to_thread(choose_kafka, asked, lock.version, have)
    if choice.kind is KafkaKind.LOCAL:
        try:
            await _fetch(report, within=_AUTO_FETCH_SECONDS if choice.fallback else None)
        except LocalError as error:
            if not choice.fallback:
                raise
            choice = memory(f"because the real one cannot be had now: {error}", have)
    report(note(choice.why))
    return choice


async def start_stores(
    settings: Settings, choice: Choice, redis_url: str | None, supervisor: Supervisor, report: Report
) -> Settings:
    """Starts what is ours of broker and Redis.

    Args:
        settings: of the system.
        choice: which Kafka.
        redis_url: a Redis that is not ours; None starts one.
        supervisor: keeps them running.
        report: told what a person should know.

    Returns:
        The settings, with the addresses of both and the ledger that belongs to them.

    Raises:
        LocalError: one of them did not start.
    """
    folder = _folder(settings.data, choice)
    in_memory = choice.kind is KafkaKind.MEMORY
    kafka: LocalKafka | MemoryKafka | None = None
    if choice.kind is KafkaKind.LOCAL:
        kafka = LocalKafka(folder / "kafka")
        await asyncio.to_thread(kafka.prepare)
    elif in_memory:
        kafka = MemoryKafka(folder / "kafka")
    redis = LocalRedis(folder / "redis", settings.redis_durability) if redis_url is None else None
    if in_memory and redis is None:
        report(note(f"The Redis at {redis_url} is not emptied: what it holds from before stays there."))
    await supervisor.start(*(store.child for store in (kafka, redis) if store is not None))
    changes: dict[str, object] = {"kafka_memory": in_memory}
    if kafka is not None:
        changes |= {"kafka": kafka.bootstrap, "kafka_security": "PLAINTEXT", "topic_replication": 1}
    else:
        changes |= {"kafka": choice.address}
    if redis is not None:
        changes |= {"redis": redis.url, "redis_username": "", "redis_password": None}
    else:
        changes |= {"redis": redis_url}
    if in_memory or settings.ledger is None:
        changes |= {"ledger": folder / "ledger"}
    return settings.model_copy(update=changes)


async def _fetch(report: Report, within: float | None) -> None:
    loop = asyncio.get_running_loop()
    lock = read_lock()
    give_up = threading.Event()
    told = -1

    def progress(done: int, total: int) -> None:
        nonlocal told
        percent = done * 100 // total
        if percent > told:
            told = percent
            text = f"Fetching Apache Kafka {lock.version}: {done / 1e6:.0f} of {total / 1e6:.0f} MB"
            loop.call_soon_threadsafe(report, Event(EventKind.FETCHING, "kafka", text, share=done / total))

    try:
        await asyncio.to_thread(fetch, lock, cache_folder(lock.version), progress, within, give_up)
    finally:
        give_up.set()


def _folder(data: Path, choice: Choice) -> Path:
    """The folder for broker, Redis and ledger of this kind of Kafka; what is in memory always begins empty."""
    name = choice.kind.value
    if choice.kind is KafkaKind.EXTERNAL:
        # Offsets of one cluster mean nothing on another.
        name += "-" + re.sub(r"[^A-Za-z0-9.]+", "-", choice.address)
    folder = data / name
    if choice.kind is KafkaKind.MEMORY and folder.exists():
        shutil.rmtree(folder)
    return folder
