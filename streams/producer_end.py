"""The end of an aiokafka producer, whatever state it is in."""

import asyncio
import contextlib

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

_CLOSE_SECONDS = 3.0


async def stop_producer(producer: AIOKafkaProducer, *, drop: bool = False) -> None:
    """Close an aiokafka producer, within seconds and whatever state it is in.

    Args:
        producer: the producer; it is of no use afterwards.
        drop: cut its connections first, so that nothing is repeated in the background.
    """
    # One after the other: a producer whose connections do not close in time must still be told that it is at its end.
    for close in (producer.client.close, producer.stop) if drop else (producer.stop,):
        with contextlib.suppress(KafkaError, OSError, TimeoutError):
            async with asyncio.timeout(_CLOSE_SECONDS):
                await close()
