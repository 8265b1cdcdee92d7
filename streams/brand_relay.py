"""The relay of one brand: moves its outbox in Redis to Kafka, in order, while it is the active one.

Owns: the loop. An entry leaves the outbox only when `tickets.events` and the departments' feeds have it, so a relay
that dies repeats some and loses none; event_producer.py says why the order holds even then, and relay_turn.py who may
send. Kafka or Redis away: it waits, for ever.
"""

import asyncio
import logging
import os
import socket
import time
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from functools import partial

from silofrei.routing.metrics import (
    DEAD_LETTERS,
    DEPENDENCY_UP,
    EVENT_TO_KAFKA,
    RELAY_ACTIVE,
    RELAY_EVENTS,
    RELAY_SECONDS,
    RETRIES,
    Dependency,
    Step,
    observe_all,
)
from silofrei.routing.queue.codes import Unavailable
from silofrei.routing.queue.outbox import OutboxEntry
from silofrei.routing.queue.queue import TicketQueue
from silofrei.schemas.dead_letter import DeadLetter
from silofrei.schemas.settings import Settings
from silofrei.streams.backoff import Backoff, wait_until
from silofrei.streams.dead_letter_writer import DeadLetterWriter, KafkaAway
from silofrei.streams.event_producer import EventProducer, EventRecord, TooLarge
from silofrei.streams.patience import GivenUp, Patience
from silofrei.streams.relay_records import prepare, replaced, shorten
from silofrei.streams.relay_turn import Turn, TurnOver
from silofrei.streams.topics import Topics

log = logging.getLogger(__name__)

LEASE_SECONDS = 10.0
"""How long a dead relay's lease lasts: by then another one goes on."""
_STANDBY_SECONDS = 1.0
"""How often a relay that stands by tries."""
_PASS_ON_SECONDS = 30.0
"""After so long without Kafka another relay may try: perhaps only this one cannot reach it."""
_BATCH = 500
_IDLE_SECONDS = 1.0


class BrandRelay:
    """Moves the outbox of one brand whenever this relay is the active one.

    Args:
        queue: the queues of all brands.
        brand: whose outbox.
        settings: where Kafka is, and how patient to be.
        clock: the current moment.
        active: the brands that this process is the active relay of; kept up to date here.
        lease_seconds: how long the lease lasts.
    """

    def __init__(
        self,
        queue: TicketQueue,
        brand: str,
        settings: Settings,
        clock: Callable[[], datetime],
        active: set[str],
        *,
        lease_seconds: float = LEASE_SECONDS,
    ) -> None:
        self._outbox = queue.outbox
        self._brand = brand
        self._clock = clock
        self._active = active
        self._topics = Topics(settings)
        holder = f"{socket.gethostname()}/{os.getpid()}"
        self._turn = Turn(queue.relay_lease(brand, holder, ttl=timedelta(seconds=lease_seconds)), lease_seconds)
        self._producer = EventProducer(settings, self._turn.check)
        self._letters = DeadLetterWriter(settings)
        # A blocked read must end before the client takes it for a failure.
        self._idle = min(_IDLE_SECONDS, settings.redis_timeout / 2)
        self._redis = Patience(Dependency.REDIS, (Unavailable,), cap=settings.retry_cap)
        self._kafka = Patience(Dependency.KAFKA, (KafkaAway,), cap=settings.retry_cap, on_retry=self._pass_on)
        self._retry_cap = settings.retry_cap
        self._kafka_there = 0.0
        self._standby = _STANDBY_SECONDS

    async def run(self, stop: asyncio.Event) -> None:
        """Stand by or be active, until `stop`; the batch that is under way then is finished if Kafka lets it."""
        backoff = Backoff(self._retry_cap)
        try:
            while not stop.is_set():
                self._standby = _STANDBY_SECONDS
                try:
                    await self._turn_of(stop)
                except Unavailable as error:
                    DEPENDENCY_UP.labels(Dependency.REDIS).set(0)
                    RETRIES.labels(Dependency.REDIS).inc()
                    log.warning("redis is away: %s Trying again until it is back.", error)
                    await backoff.pause(stop)
                else:
                    backoff.reset()
                    await wait_until(stop, self._standby)
        finally:
            await self._producer.close()
            await self._letters.close()

    async def _turn_of(self, stop: asyncio.Event) -> None:
        async with self._turn.held() as held:
            if not held:
                return
            log.info("active relay of brand %s", self._brand)
            self._set_active(True)
            halt = asyncio.Event()
            halting = asyncio.create_task(_first(halt, stop, self._turn.over))
            try:
                await self._move_all(stop, halt)
            except (TurnOver, GivenUp):
                log.info("no longer the active relay of brand %s", self._brand)
            finally:
                halting.cancel()
                self._set_active(False)

    async def _move_all(self, stop: asyncio.Event, halt: asyncio.Event) -> None:
        self._kafka_there = time.monotonic()
        while not stop.is_set():
            self._turn.check()
            started = time.monotonic()
            entries = await self._outbox.read(self._brand, _BATCH)
            if not entries:
                await self._outbox.wait(self._brand, self._idle)
                continue
            await self._deliver(entries, halt)
            RELAY_SECONDS.observe(time.monotonic() - started)
            now = self._clock()
            ids = [entry.entry_id for entry in entries]
            await self._redis.call(lambda ids=ids: self._outbox.remove(self._brand, ids), halt)  # type: ignore[misc]
            RELAY_EVENTS.inc(len(entries))
            written = [entry.at.timestamp() for entry in entries]
            observe_all(Step.EVENT_TO_KAFKA, EVENT_TO_KAFKA, written, [now.timestamp()] * len(written))

    async def _deliver(self, entries: Sequence[OutboxEntry], halt: asyncio.Event) -> None:
        """Everything of these entries is on Kafka afterwards, or refused and in a dead letter."""
        records, refused = prepare(entries, self._topics, self._clock())
        await self._refuse(refused, halt)
        while records:
            try:
                await self._kafka.call(partial(self._send, tuple(records)), halt)
            except TooLarge as problem:
                short, letter = shorten(entries[problem.record.number], problem, self._clock())
                await self._refuse([letter], halt)
                records = replaced(records, problem.record, short)
            else:
                break
        self._kafka_there = time.monotonic()

    async def _send(self, records: Sequence[EventRecord]) -> None:
        await self._turn.during(self._producer.send(records))

    async def _refuse(self, letters: Sequence[DeadLetter], halt: asyncio.Event) -> None:
        if not letters:
            return
        await self._kafka.call(lambda: self._letters.write(letters), halt)
        for letter in letters:
            DEAD_LETTERS.labels(letter.reason).inc()
            log.error("%s (dead letter %s)", letter.detail, letter.dead_letter_id)

    def _pass_on(self) -> None:
        if time.monotonic() - self._kafka_there > _PASS_ON_SECONDS:
            self._standby = _STANDBY_SECONDS * 5
            raise TurnOver

    def _set_active(self, held: bool) -> None:
        (self._active.add if held else self._active.discard)(self._brand)
        RELAY_ACTIVE.set(1 if self._active else 0)


async def _first(halt: asyncio.Event, *events: asyncio.Event) -> None:
    """Set `halt` as soon as one of the events is."""
    tasks = [asyncio.ensure_future(event.wait()) for event in events]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        halt.set()
    finally:
        for task in tasks:
            task.cancel()
