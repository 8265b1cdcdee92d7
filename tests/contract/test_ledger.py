"""The ledger over a Kafka in memory and over the real one: what is in the topic is in the files, once."""

import asyncio
import json
from collections.abc import Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from aiokafka import AIOKafkaProducer

from silofrei.routing.metrics import CONSUMER_LAG
from silofrei.schemas.config import Config
from silofrei.schemas.ledger import EVENTS_FOLDER, Part
from silofrei.schemas.settings import Settings
from silofrei.streams import ledger_files
from silofrei.streams.kafka_clients import aiokafka_producer_options
from silofrei.streams.ledger import Flush, Ledger
from silofrei.streams.ledger_files import LedgerFiles
from silofrei.streams.ledger_recovery import LedgerError
from silofrei.streams.topics import Topics, provision


@pytest.fixture(params=["memory", "local"])
def settings(request: pytest.FixtureRequest, make_settings: Callable[..., Settings], topic_prefix: str) -> Settings:
    broker = request.getfixturevalue(f"{request.param}_kafka")
    made = make_settings(
        kafka=broker, kafka_memory=request.param == "memory", topic_prefix=topic_prefix, topic_partitions=4
    )
    provision(made, Config())
    return made


def event(ticket: int, seq: int) -> bytes:
    ticket_id = f"t-{ticket}"
    return json.dumps(
        {
            "type": "ticket.released",
            "event_id": f"{ticket_id}:{seq}",
            "brand": "demo",
            "at": "2026-11-20T10:00:00Z",
            "ticket_id": ticket_id,
            "seq": seq,
            "department": "service",
            "holder": "anna",
            "reason": "",
        }
    ).encode()


async def publish(settings: Settings, numbers: range, *, to: int | None = None) -> list[tuple[int, int]]:
    """Sends one event per number and returns where each went; `to` names one partition."""
    async with AIOKafkaProducer(**aiokafka_producer_options(settings, max_request_size=1_000_000)) as producer:
        sent = [
            await producer.send(Topics(settings).events, event(number, 1), key=f"t-{number}".encode(), partition=to)
            for number in numbers
        ]
        return [(record.partition, record.offset) for record in await asyncio.gather(*sent)]


def written(settings: Settings) -> list[tuple[int, int]]:
    """Partition and offset of every row, repeats too."""
    found = []
    for path in sorted((settings.ledger_folder / EVENTS_FOLDER).glob("partition=*/*.parquet")):
        partition = int(path.parent.name.partition("=")[2])
        # A join may take the file away between the listing and the reading.
        with suppress(FileNotFoundError):
            offsets = pq.read_table(path, columns=["offset"], partitioning=None).column("offset").to_pylist()
            found += [(partition, offset) for offset in offsets]
    return found


def files(settings: Settings) -> LedgerFiles:
    return LedgerFiles(settings.ledger_folder, Topics(settings).events)


@asynccontextmanager
async def following(settings: Settings, flush: Flush = Flush(seconds=0.1)) -> Any:  # noqa: B008
    stop = asyncio.Event()
    with files(settings).opened() as opened:
        task = asyncio.create_task(Ledger(settings, opened, flush=flush).run(stop))
        try:
            yield task
        finally:
            stop.set()
            async with asyncio.timeout(20):
                await task


async def until(holds: Callable[[], bool], seconds: float = 20) -> None:
    async with asyncio.timeout(seconds):
        while not holds():  # noqa: ASYNC110 - files are watched, nothing tells
            await asyncio.sleep(0.05)


async def test_every_record_is_written_once_over_restarts(settings: Settings) -> None:
    places = await publish(settings, range(300))
    async with following(settings):
        await until(lambda: len(written(settings)) == 300)
        places += await publish(settings, range(300, 500))
        await until(lambda: len(written(settings)) == 500)
    places += await publish(settings, range(500, 800))
    async with following(settings):
        await until(lambda: len(written(settings)) == 800)
    assert sorted(written(settings)) == sorted(places)
    assert len({partition for partition, _ in places}) == 4


async def test_a_stop_writes_what_was_read(settings: Settings) -> None:
    places = await publish(settings, range(50))
    async with following(settings, Flush(seconds=3600)):
        await asyncio.sleep(2)
        assert written(settings) == []
    assert sorted(written(settings)) == sorted(places)


async def test_small_files_are_joined_under_way(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ledger_files, "JOIN_COUNT", 5)
    async with (
        AIOKafkaProducer(**aiokafka_producer_options(settings, max_request_size=1_000_000)) as producer,
        following(settings, Flush(rows=1)),
    ):
        for number in range(7):
            await producer.send_and_wait(Topics(settings).events, event(number, 1), partition=0)
            # While files are joined, their rows stand in both; taken for news, the next two records would share a file.
            await until(lambda expected=number + 1: len(set(written(settings))) == expected)
    assert sorted(written(settings)) == [(0, offset) for offset in range(7)]
    names = sorted(path.name for path in (settings.ledger_folder / EVENTS_FOLDER / "partition=0").iterdir())
    assert names == [Part(0, 5).name, Part(5, 6).name, Part(6, 7).name]


async def test_a_topic_that_is_shorter_than_the_ledger_is_refused(settings: Settings) -> None:
    await publish(settings, range(20), to=1)
    with files(settings).opened() as opened:
        opened.write(1, 31, [{"offset": 30, "event_id": "t-30:1", "type": "ticket.claimed"}])
    with pytest.raises(LedgerError, match=r"ends at offset 20 in partition 1, the ledger at 31: it was created anew"):
        async with following(settings) as task:
            await asyncio.wait([task], timeout=20)


async def test_a_topic_with_other_events_is_refused(settings: Settings) -> None:
    await publish(settings, range(20), to=1)
    with files(settings).opened() as opened:
        opened.write(1, 10, [{"offset": 9, "event_id": "t-other:1", "type": "ticket.claimed"}])
    with pytest.raises(LedgerError, match="has another event at offset 9 of partition 1 than the ledger"):
        async with following(settings) as task:
            await asyncio.wait([task], timeout=20)


async def test_a_topic_with_fewer_partitions_is_refused(settings: Settings) -> None:
    with files(settings).opened() as opened:
        opened.write(7, 10, [{"offset": 9, "event_id": "t-other:1", "type": "ticket.claimed"}])
    with pytest.raises(LedgerError, match="has no partition 7"):
        async with following(settings) as task:
            await asyncio.wait([task], timeout=20)


async def test_what_cannot_be_read_keeps_its_place(settings: Settings, caplog: pytest.LogCaptureFixture) -> None:
    async with AIOKafkaProducer(**aiokafka_producer_options(settings, max_request_size=1_000_000)) as producer:
        await producer.send_and_wait(Topics(settings).events, b"not an event", partition=2)
    places = [(2, 0), *await publish(settings, range(3), to=2)]
    async with following(settings):
        await until(lambda: len(written(settings)) == 4)
    assert sorted(written(settings)) == sorted(places)
    assert "offset 0, are no events" in caplog.text


async def test_the_lag_is_visible(settings: Settings) -> None:
    await publish(settings, range(10), to=3)
    async with following(settings):
        await until(lambda: len(written(settings)) == 10)
        await asyncio.sleep(0.5)
    assert CONSUMER_LAG.labels(Topics(settings).events, 3)._value.get() == 0


async def test_a_missing_topic_is_waited_for(
    make_settings: Callable[..., Settings], local_kafka: str, topic_prefix: str
) -> None:
    settings = make_settings(kafka=local_kafka, topic_prefix=topic_prefix, retry_cap=0.3)
    async with following(settings) as task:
        await asyncio.sleep(1)
        assert not task.done()
        await asyncio.to_thread(provision, settings, Config())
        places = await publish(settings, range(10))
        await until(lambda: len(written(settings)) == 10)
    assert sorted(written(settings)) == sorted(places)


async def test_a_second_ledger_in_the_same_folder_is_refused(settings: Settings, tmp_path: Path) -> None:
    async with following(settings):
        # The lock belongs to the open file, so a second opening is refused even within one process.
        with pytest.raises(LedgerError, match="is being written by"), files(settings).opened():
            pass
