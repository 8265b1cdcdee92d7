"""The ledger's process on a real Kafka: killed at any moment, the files hold the topic exactly."""

import asyncio
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from aiokafka import AIOKafkaProducer
from kafka import TopicPartition

from silofrei.deploy.local.kafka import LocalKafka
from silofrei.schemas.config import Config
from silofrei.schemas.ledger import EVENTS_FOLDER, Part
from silofrei.schemas.settings import Settings
from silofrei.streams.kafka_clients import admin_client, aiokafka_producer_options
from silofrei.streams.lag import group_positions
from silofrei.streams.ledger import Flush, Ledger
from silofrei.streams.ledger_files import LedgerFiles
from silofrei.streams.topic_reader import read_topic
from silofrei.streams.topics import Topics, provision

EAGER = """
import asyncio, signal, sys
from silofrei.schemas.settings import load_settings
from silofrei.streams import ledger, ledger_files
from silofrei.streams.topics import Topics
# Small files and many joins, so that a kill meets each of them.
ledger_files.JOIN_COUNT = 5
async def main():
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    settings = load_settings()
    with ledger_files.LedgerFiles(settings.ledger_folder, Topics(settings).events).opened() as files:
        print("open", flush=True)
        await ledger.Ledger(settings, files, flush=ledger.Flush(rows=300, seconds=0.05)).run(stop)
asyncio.run(main())
"""


@pytest.fixture
def settings(make_settings: Callable[..., Settings], local_kafka: str, topic_prefix: str) -> Settings:
    made = make_settings(kafka=local_kafka, topic_prefix=topic_prefix, retry_cap=0.5)
    provision(made, Config())
    return made


def start(settings: Settings, *argv: str) -> subprocess.Popen[str]:
    given = {
        "SILOFREI_KAFKA": settings.kafka,
        "SILOFREI_TOPIC_PREFIX": settings.topic_prefix,
        "SILOFREI_DATA": str(settings.data),
    }
    log = settings.data.parent / "ledger.log"
    with log.open("a") as stream:
        return subprocess.Popen(
            [sys.executable, *argv],
            env={**os.environ, **given},
            cwd=log.parent,
            stdout=subprocess.PIPE,
            stderr=stream,
            text=True,
        )


def event(number: int) -> bytes:
    ticket, seq = number % 997, number // 997 + 1
    values = {
        "type": "ticket.released",
        "event_id": f"t-{ticket}:{seq}",
        "brand": "demo",
        "at": "2026-11-20T10:00:00Z",
        "ticket_id": f"t-{ticket}",
        "seq": seq,
        "department": "service",
        "holder": "anna",
        "reason": "",
    }
    return json.dumps(values).encode()


async def publish(settings: Settings, numbers: range) -> None:
    options = aiokafka_producer_options(settings, max_request_size=1_000_000)
    async with AIOKafkaProducer(**options) as producer:
        for first in range(numbers.start, numbers.stop, 100):
            sent = [
                await producer.send(Topics(settings).events, event(number), key=f"t-{number % 997}".encode())
                for number in range(first, min(first + 100, numbers.stop))
            ]
            await asyncio.gather(*sent)


async def keep_publishing(settings: Settings, enough: asyncio.Event) -> int:
    """About two thousand events a second until it is enough; how many there were."""
    options = aiokafka_producer_options(settings, max_request_size=1_000_000)
    number = 0
    async with AIOKafkaProducer(**options) as producer:
        while not enough.is_set():
            for number in range(number, number + 100):  # noqa: B020 - goes on where the last round stopped
                await producer.send(Topics(settings).events, event(number), key=f"t-{number % 997}".encode())
            number += 1
            await producer.flush()
            await asyncio.sleep(0.05)
    return number


def topic(settings: Settings) -> Counter[tuple[int, int, str]]:
    """Partition, offset and event id of every record."""
    records = read_topic(settings, Topics(settings).events)
    return Counter(
        (record.partition, record.offset, json.loads(record.value or b"{}")["event_id"]) for record in records
    )


def ledger(settings: Settings) -> Counter[tuple[int, int, str]]:
    """The same of every row."""
    found: Counter[tuple[int, int, str]] = Counter()
    for path in (settings.ledger_folder / EVENTS_FOLDER).glob("partition=*/*.parquet"):
        partition = int(path.parent.name.partition("=")[2])
        table = pq.read_table(path, columns=["offset", "event_id"], partitioning=None)
        found.update((partition, row["offset"], row["event_id"]) for row in table.to_pylist())
    return found


def rows(settings: Settings) -> int:
    """About how many rows there are: a running ledger joins files meanwhile."""
    count = 0
    for path in (settings.ledger_folder / EVENTS_FOLDER).glob("partition=*/*.parquet"):
        with suppress(FileNotFoundError):
            count += pq.read_metadata(path).num_rows
    return count


def lag(settings: Settings) -> int:
    positions = group_positions(settings, Topics(settings).ledger_group, Topics(settings).events)
    return sum(position.lag for position in positions.values())


def wait_for(true: Callable[[], bool], seconds: float = 90) -> None:
    until = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < until, f"not so within {seconds} s"
        time.sleep(0.2)


async def test_killed_again_and_again_the_files_hold_the_topic_exactly(settings: Settings) -> None:
    chance = random.Random(7)  # noqa: S311 - moments of kills, not secrets
    enough = asyncio.Event()
    publishing = asyncio.create_task(keep_publishing(settings, enough))
    reached = 0
    for _ in range(8):
        process = start(settings, "-c", EAGER)
        assert process.stdout is not None
        assert await asyncio.to_thread(process.stdout.readline) == "open\n"
        # Killed at work, that is after it has written something.
        await asyncio.to_thread(wait_for, lambda reached=reached: rows(settings) > reached)
        await asyncio.sleep(chance.uniform(0.0, 0.6))
        process.kill()
        process.communicate()
        reached = rows(settings)
    enough.set()
    count = await publishing
    last = start(settings, "-m", "silofrei.deploy.cli.main", "ledger")
    await asyncio.to_thread(wait_for, lambda: lag(settings) == 0)
    last.send_signal(signal.SIGTERM)
    last.communicate(timeout=20)
    assert last.returncode == 0
    there = await asyncio.to_thread(topic, settings)
    assert there.total() == count
    assert ledger(settings) == there


async def test_a_second_process_is_refused_with_a_clear_message(settings: Settings) -> None:
    first = start(settings, "-c", EAGER)
    try:
        assert first.stdout is not None
        assert await asyncio.to_thread(first.stdout.readline) == "open\n"
        second = start(settings, "-m", "silofrei.deploy.cli.main", "ledger")
        await asyncio.to_thread(second.communicate, timeout=30)
        assert second.returncode == 2
        said = (settings.data.parent / "ledger.log").read_text()
        assert f"this ledger is being written by process {first.pid}" in " ".join(said.split())
    finally:
        first.kill()
        first.communicate()


async def follow(settings: Settings, done: Callable[[], bool]) -> None:
    """A ledger in this process until it is so."""
    stop = asyncio.Event()
    with LedgerFiles(settings.ledger_folder, Topics(settings).events).opened() as files:
        task = asyncio.create_task(Ledger(settings, files, flush=Flush(seconds=0.1)).run(stop))
        try:
            await asyncio.to_thread(wait_for, done)
        finally:
            stop.set()
            await task


async def test_what_retention_took_is_told_and_kept_as_a_gap(
    settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    await publish(settings, range(1000))
    await follow(settings, lambda: ledger(settings).total() == 1000)
    before = ledger(settings)
    await publish(settings, range(1000, 3000))
    ends = Counter(partition for partition, _, _ in topic(settings))
    written = Counter(partition for partition, _, _ in before)
    with admin_client(settings) as admin:
        admin.delete_records({TopicPartition(Topics(settings).events, 2): ends[2] - 10})
    lost = ends[2] - 10 - written[2]
    assert lost > 100
    await follow(settings, lambda: ledger(settings).total() == 3000 - lost)
    gap = Part(written[2], ends[2] - 10, gap=True)
    assert (settings.ledger_folder / EVENTS_FOLDER / "partition=2" / gap.name).exists()
    assert f"partition 2: offsets {written[2]} to {ends[2] - 11} were deleted by Kafka's retention" in caplog.text
    # Only the gap is missing, and a restart is content with it.
    assert before + topic(settings) >= ledger(settings)
    await follow(settings, lambda: True)


async def test_partitions_that_are_added_are_followed(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("silofrei.streams.ledger_reader.METADATA_MS", 500)
    await publish(settings, range(500))
    stop = asyncio.Event()
    with LedgerFiles(settings.ledger_folder, Topics(settings).events).opened() as files:
        task = asyncio.create_task(Ledger(settings, files, flush=Flush(seconds=0.1)).run(stop))
        await asyncio.to_thread(wait_for, lambda: ledger(settings).total() == 500)
        with admin_client(settings) as admin:
            admin.create_partitions({Topics(settings).events: 6})
        await asyncio.sleep(1)
        await publish(settings, range(500, 1500))
        await asyncio.to_thread(wait_for, lambda: ledger(settings).total() == 1500)
        stop.set()
        await task
    assert ledger(settings) == topic(settings)
    assert {partition for partition, _, _ in ledger(settings)} == set(range(6))


async def test_kafka_away_is_waited_for(
    make_settings: Callable[..., Settings], topic_prefix: str, kafka_jars: Path, tmp_path: Path
) -> None:
    broker = LocalKafka(tmp_path / "kafka", jars=kafka_jars)
    broker.start()
    try:
        settings = make_settings(kafka=broker.bootstrap, topic_prefix=topic_prefix, retry_cap=0.5)
        provision(settings, Config())
        await publish(settings, range(300))
        stop = asyncio.Event()
        with LedgerFiles(settings.ledger_folder, Topics(settings).events).opened() as files:
            task = asyncio.create_task(Ledger(settings, files, flush=Flush(seconds=0.1)).run(stop))
            await asyncio.to_thread(wait_for, lambda: ledger(settings).total() == 300)
            await asyncio.to_thread(broker.stop)
            await asyncio.sleep(3)
            assert not task.done()
            await asyncio.to_thread(broker.start)
            await publish(settings, range(300, 600))
            await asyncio.to_thread(wait_for, lambda: ledger(settings).total() == 600)
            stop.set()
            await task
        assert ledger(settings) == topic(settings)
    finally:
        broker.stop()
