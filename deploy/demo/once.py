"""`demo --once`: the feed at full speed through the whole system, to the end, with its sum."""

import asyncio
from datetime import UTC, datetime

from silofrei.deploy.demo.feed import expected
from silofrei.deploy.demo.play import play
from silofrei.deploy.demo.total import Total, add_up
from silofrei.deploy.local.instance import Instance
from silofrei.deploy.local.supervisor import Report
from silofrei.deploy.local.system import LocalSystem
from silofrei.routing.queue import TicketQueue
from silofrei.schemas.config import Config
from silofrei.schemas.event import TICKET_EVENT
from silofrei.schemas.settings import ConfigurationError, Settings
from silofrei.streams.dead_letters import list_dead_letters
from silofrei.streams.lag import group_positions
from silofrei.streams.topic_reader import read_topic
from silofrei.streams.topics import Topics

PATIENCE = 120.0
"""Longest wait for the system to finish the feed, seconds."""


def _now() -> datetime:
    return datetime.now(UTC)


async def run_once(
    settings: Settings, config: Config, report: Report, kafka: str, redis: str | None, workers: int
) -> Total:
    """Start a whole system, play the feed, wait until all of it came out, stop.

    Raises:
        ConfigurationError: something is missing, or the system did not finish in time.
    """
    system = LocalSystem(settings, config, report=report, kafka=kafka, redis=redis, workers=workers)
    totals: list[Total] = []

    async def work(_: Instance) -> None:
        # The first one waits for the worker to join its group; the others shall show the path alone.
        await play(system.settings, _now, speed=None, after_first=lambda: _finished(system.settings, config))
        await _finished(system.settings, config)
        totals.append(await asyncio.to_thread(_read, system.settings, config))

    if not await system.run(work):
        raise ConfigurationError("the round was ended before the feed was through; there is no sum to print")
    return totals[0]


async def _finished(settings: Settings, config: Config) -> None:
    """Wait until the worker has committed every delivery and the relay has moved every event."""
    topics = Topics(settings)
    queue = TicketQueue.connect(settings, departments=config.queue_names())
    try:
        async with asyncio.timeout(PATIENCE):
            while True:
                positions = await asyncio.to_thread(group_positions, settings, topics.worker_group, topics.raw)
                waiting = sum(position.lag for position in positions.values())
                if not waiting and not sum([await queue.outbox.length(brand) for brand in config.brands]):
                    return
                await asyncio.sleep(0.2)
    except TimeoutError:
        raise ConfigurationError(
            f"the feed was not through after {PATIENCE:.0f} s; the logs are in {settings.data / 'logs'}"
        ) from None
    finally:
        await queue.close()


def _read(settings: Settings, config: Config) -> Total:
    events = (
        TICKET_EVENT.validate_json(record.value or b"") for record in read_topic(settings, Topics(settings).events)
    )
    letters = [entry.letter for entry in list_dead_letters(settings)]
    return add_up(expected(), events, letters, config.queue_names())
