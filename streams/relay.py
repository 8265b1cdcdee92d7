"""The relay's process: the outboxes to Kafka, and the house-keeping of the queues beside it.

Owns: start, signals and end. The work is elsewhere: brand_relay.py moves one brand's outbox, reaper.py ends leases that
ran out, gauges.py measures the queues.
"""

import asyncio
import signal
from datetime import UTC, datetime

import uvloop

from silofrei.routing.metrics import begin_relay_series
from silofrei.routing.queue.client import connect
from silofrei.routing.queue.codes import Refused
from silofrei.routing.queue.queue import TicketQueue
from silofrei.schemas.config import Config
from silofrei.schemas.settings import ConfigurationError, Settings
from silofrei.streams.backoff import wait_until
from silofrei.streams.brand_relay import BrandRelay
from silofrei.streams.gauges import observe
from silofrei.streams.metrics_port import serve_metrics
from silofrei.streams.reaper import reap_for_ever
from silofrei.streams.topics import Topics, compare

_GAUGE_SECONDS = 2.0


def run_relay(settings: Settings, config: Config) -> int:
    """Relay, reap and measure until SIGTERM or SIGINT; 0 then.

    Raises:
        ConfigurationError: no broker answers, a topic is missing, or the metrics port is taken.
        Refused: the outbox is no stream; somebody else writes to this Redis.
    """
    _check_topics(settings, config)
    begin_relay_series(config.queue_names())
    serve_metrics(settings)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_work(settings, config))
    return 0


def _check_topics(settings: Settings, config: Config) -> None:
    raw = Topics(settings).raw
    missing = [report for report in compare(settings, config) if not report.exists and report.name != raw]
    if missing:
        raise ConfigurationError("\n".join(problem for report in missing for problem in report.problems))


async def _work(settings: Settings, config: Config) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    queue = connect(settings)
    active: set[str] = set()
    try:
        async with asyncio.TaskGroup() as group:
            for brand in config.brands:
                relay = BrandRelay(queue, brand, settings, lambda: datetime.now(UTC), active)
                group.create_task(relay.run(stop))
            group.create_task(reap_for_ever(queue, config.brands, stop))
            group.create_task(_observe_for_ever(queue, config, stop))
    except* Refused as refusals:
        raise refusals.exceptions[0] from None
    finally:
        await queue.close()


async def _observe_for_ever(queue: TicketQueue, config: Config, stop: asyncio.Event) -> None:
    while True:
        await observe(queue, queue.outbox, config.brands, config.queue_names())
        if await wait_until(stop, _GAUGE_SECONDS):
            return
