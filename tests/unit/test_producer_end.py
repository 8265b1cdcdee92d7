"""A producer is told that it is at its end, whatever its connections do."""

import asyncio
from types import SimpleNamespace
from typing import Any, cast

import pytest
from aiokafka.errors import KafkaConnectionError

from silofrei.streams import producer_end
from silofrei.streams.producer_end import stop_producer


class Producer:
    """Its connections close as they are told to."""

    def __init__(self, close: Any) -> None:
        self.client = SimpleNamespace(close=close)
        self.stopped = False

    async def stop(self) -> None:
        self.stopped = True


async def hangs() -> None:
    await asyncio.Event().wait()


async def breaks() -> None:
    raise KafkaConnectionError("gone")


@pytest.mark.parametrize("close", [hangs, breaks])
async def test_it_is_stopped_also_where_its_connections_do_not_close(
    monkeypatch: pytest.MonkeyPatch, close: Any
) -> None:
    monkeypatch.setattr(producer_end, "_CLOSE_SECONDS", 0.05)
    producer = Producer(close)
    await stop_producer(cast(Any, producer), drop=True)
    assert producer.stopped


async def test_without_a_drop_it_closes_its_connections_itself() -> None:
    producer = Producer(breaks)
    await stop_producer(cast(Any, producer))
    assert producer.stopped
