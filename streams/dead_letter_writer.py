"""Writing dead letters: each is on Kafka before the record that it comes from is acknowledged.

Owns: the producer and what happens to a record too large to be copied. Refuses: repeating (the worker does, for ever).
"""

import asyncio
from collections.abc import Iterable

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError, MessageSizeTooLargeError

from silofrei.schemas.dead_letter import DeadLetter
from silofrei.schemas.settings import Settings
from silofrei.streams.kafka_clients import aiokafka_producer_options
from silofrei.streams.producer_end import stop_producer
from silofrei.streams.topics import Topics, dead_letter_bytes


class KafkaAway(Exception):  # noqa: N818  # it names the state of the world, as DESIGN.md does
    """Kafka did not take a record: repeat the same call later."""


class DeadLetterWriter:
    """Writes dead letters; connects at the first one."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._topic = Topics(settings).dead_letters
        self._producer: AIOKafkaProducer | None = None

    async def write(self, letters: Iterable[DeadLetter]) -> None:
        """Put the letters on Kafka and wait until all in-sync replicas have them.

        A repeated call may write a letter twice; it has the same id, so it is still one.

        Raises:
            KafkaAway: not all were taken.
        """
        try:
            producer = await self._started()
            await asyncio.gather(*[self._write(producer, letter) for letter in letters])
        except (KafkaError, OSError, TimeoutError) as error:
            # A producer in doubt is not used again: after some errors it refuses everything.
            await self.close()
            raise KafkaAway(
                f"cannot write to {self._topic} ({str(error) or type(error).__name__}); start Kafka, or run "
                "`silofrei topics` if the topic is missing"
            ) from error

    async def close(self) -> None:
        """Close the connection; it opens again with the next letter."""
        producer, self._producer = self._producer, None
        if producer is not None:
            await stop_producer(producer)

    async def _started(self) -> AIOKafkaProducer:
        if self._producer is None:
            size = dead_letter_bytes(self._settings)
            producer = AIOKafkaProducer(**aiokafka_producer_options(self._settings, max_request_size=size))
            try:
                await producer.start()
            except BaseException:
                await producer.stop()
                raise
            self._producer = producer
        return self._producer

    async def _write(self, producer: AIOKafkaProducer, letter: DeadLetter) -> None:
        key = letter.dead_letter_id.encode()
        try:
            await producer.send_and_wait(self._topic, letter.model_dump_json().encode(), key)
        except MessageSizeTooLargeError:
            await producer.send_and_wait(self._topic, _without_value(letter).model_dump_json().encode(), key)


def _without_value(letter: DeadLetter) -> DeadLetter:
    # A compressed record may be larger, unpacked, than any limit. What happened must be kept all the same.
    origin = letter.origin
    where = f"{origin.topic}, partition {origin.partition}, offset {origin.offset}"
    detail = (
        f"{letter.detail} The record ({len(letter.value)} bytes) is too large to be copied here: redrive it while it "
        f"still lies at {where}, or raise SILOFREI_MAX_DELIVERY_BYTES."
    )
    return letter.model_copy(update={"value": b"", "detail": detail})
