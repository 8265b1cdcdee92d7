"""`demo`: a whole system with the sample feed in life's pace and simulated people at work."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from random import Random

from silofrei.deploy.demo.agents import Pace, work
from silofrei.deploy.demo.feed import BRAND, expected
from silofrei.deploy.demo.play import LENGTH, play
from silofrei.deploy.local.instance import Instance
from silofrei.deploy.local.supervisor import Report
from silofrei.deploy.local.system import LocalSystem
from silofrei.routing.queue import TicketQueue
from silofrei.schemas.config import Config
from silofrei.schemas.settings import ConfigurationError, Settings

SEED = 20261124
"""Of the simulated people's choices, so that the demo runs the same way each time."""


def _now() -> datetime:
    return datetime.now(UTC)


async def run_live(
    settings: Settings,
    config: Config,
    report: Report,
    tell: Callable[[Instance], None],
    say: Callable[[str], None],
    kafka: str,
    redis: str | None,
    workers: int,
    speed: float,
) -> None:
    """Run until a signal.

    Args:
        settings: of the system.
        config: the company's configuration; the feed is for brand `demo`.
        report: told what the system does.
        tell: told where everything is, once it is ready.
        say: takes a line for people.
        kafka: as for `silofrei up`.
        redis: as for `silofrei up`.
        workers: how many workers.
        speed: how much faster than life the feed is played.

    Raises:
        ConfigurationError: the configuration has no brand `demo`, or something is missing.
    """
    if BRAND not in config.brands:
        raise ConfigurationError(
            f"the demo's mentions are for brand '{BRAND}'; add it to `brands` in {settings.config}"
        )
    system = LocalSystem(settings, config, report=report, kafka=kafka, redis=redis, workers=workers)

    async def life(instance: Instance) -> None:
        tell(instance)
        minutes = LENGTH.total_seconds() / 60 / speed
        say(f"  The sample feed plays for {minutes:.0f} minutes: {expected().created} mentions of a made-up company.")
        say("  Holders named 'simulated ...' are simulated and answer nobody; the pages shall have something to show.")
        queue = TicketQueue.connect(system.settings, departments=config.queue_names())
        people = [
            asyncio.create_task(work(queue, BRAND, department, Random(f"{SEED} {department}"), Pace()))  # noqa: S311  # a simulation
            for department in config.queue_names()
        ]
        try:
            sent = await play(system.settings, _now, speed=speed)
            say(f"  The feed is through: {sent} deliveries. Everything stays as it is until Ctrl-C.")
            await asyncio.gather(*people)
        finally:
            for task in people:
                task.cancel()
            await asyncio.gather(*people, return_exceptions=True)
            await queue.close()

    await system.run(life)
