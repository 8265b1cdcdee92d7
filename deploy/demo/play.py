"""Plays the sample feed into `mentions.raw`, in life's pace or as fast as the broker takes it."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import datetime, timedelta

from aiokafka import AIOKafkaProducer

from silofrei.deploy.demo.feed import FeedDelivery, render, rows
from silofrei.schemas.delivery import RawDelivery
from silofrei.schemas.settings import Settings
from silofrei.streams.kafka_clients import aiokafka_producer_options
from silofrei.streams.topics import Topics, raw_record_bytes

LENGTH = timedelta(seconds=max(row.at for row in rows()) + 5)
"""How long the feed lasts in life's pace."""


async def play(
    settings: Settings,
    clock: Callable[[], datetime],
    *,
    speed: float | None,
    after_first: Callable[[], Awaitable[None]] | None = None,
) -> int:
    """Produce the whole feed once and wait until the broker has it.

    Args:
        settings: where Kafka is.
        clock: the current moment.
        speed: how much faster than life; None is as fast as the broker takes it.
        after_first: waited for between the first delivery and the others.

    Returns:
        How many deliveries were sent.
    """
    begin = clock()
    # Without a pace, all of it has been published already when it comes in; else publication keeps the pace too.
    start = begin - LENGTH if speed is None else begin
    sent = []
    async with _producer(settings) as producer:
        for entry in render(rows(), start):
            if speed is not None:
                due = begin + timedelta(seconds=entry.at / speed)
                await asyncio.sleep(max(0.0, (due - clock()).total_seconds()))
            value = _received(entry, clock())
            sent.append(await producer.send(Topics(settings).raw, value=value, key=entry.key.encode()))
            if after_first is not None and len(sent) == 1:
                await sent[0]
                await after_first()
        await asyncio.gather(*sent)
    return len(sent)


def _received(entry: FeedDelivery, now: datetime) -> bytes:
    """The record with the moment at which it really comes in."""
    if isinstance(entry.delivery, RawDelivery):
        return entry.delivery.model_copy(update={"received_at": now}).model_dump_json().encode()
    return entry.value()  # a record that is no delivery, as it is


@asynccontextmanager
async def _producer(settings: Settings) -> AsyncIterator[AIOKafkaProducer]:
    size = raw_record_bytes(settings)
    producer = AIOKafkaProducer(**aiokafka_producer_options(settings, max_request_size=size))
    await producer.start()
    try:
        yield producer
    finally:
        await producer.stop()
