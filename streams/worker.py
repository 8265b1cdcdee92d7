"""The worker's process: from start to exit code.

Owns: signals, the order of starting and stopping, the watchdog's verdict, the metrics port. Refuses: the work itself
(worker_app.py, apply.py).
"""

import asyncio
import contextlib
import gc
import logging
import os
import signal
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING, NamedTuple, NoReturn

from aiokafka.errors import KafkaError

from silofrei.routing.metrics import (
    DEPENDENCY_UP,
    WATCHDOG_COUNTER,
    WATCHDOG_EXITS,
    Dependency,
    begin_opinion_series,
    begin_worker_series,
)
from silofrei.routing.opinion.batches import Opinions
from silofrei.routing.policy import Policy
from silofrei.routing.queue import EpochMissing, TicketQueue, Unavailable
from silofrei.schemas.config import Config
from silofrei.schemas.settings import ConfigurationError, Settings
from silofrei.streams.apply import Classifying, Router
from silofrei.streams.dead_letter_writer import DeadLetterWriter
from silofrei.streams.epochs import begin_epochs
from silofrei.streams.metrics_port import serve_metrics
from silofrei.streams.opinions import opinions_of
from silofrei.streams.patience import GivenUp, Patience
from silofrei.streams.topics import Topics, compare
from silofrei.streams.watchdog import STUCK, Watchdog

if TYPE_CHECKING:
    from silofrei.streams.worker_app import WorkerApp

log = logging.getLogger(__name__)

_LOOK_SECONDS = 5.0
"""How often the lag is measured."""
_SWITCH_SECONDS = 0.0005
"""After so long a thread gives way to another one that wants to run."""
_STOP_SECONDS = 8.0
"""Longest wait for Faust to stop; below the ten seconds after which supervisors lose patience."""


def run_worker(settings: Settings, config: Config, classifier: Classifying) -> int:
    """Work until SIGTERM or SIGINT; the exit code: 0 stopped, 1 crashed, 75 stuck (start it again).

    Raises:
        ConfigurationError: no broker answers, a topic is missing, the metrics port is taken, or a brand of the second
            opinion is not configured.
    """
    opinions = opinions_of(settings, config)
    _check_topics(settings, config)
    begin_worker_series(config.queue_names())
    if opinions is not None:
        begin_opinion_series()
        log.info("Texts that the classifier is unsure of are shown to %s", settings.second_opinion_model)
    serve_metrics(settings)
    _use_uvloop()
    return asyncio.run(_work(settings, config, classifier, opinions))


def _check_topics(settings: Settings, config: Config) -> None:
    needed = {Topics(settings).raw, Topics(settings).dead_letters}
    missing: list[str] = []
    for report in compare(settings, config):
        for problem in report.problems:
            log.warning("%s", problem)
        if not report.exists and report.name in needed:
            missing += report.problems
    if missing:
        raise ConfigurationError("\n".join(missing))


def _use_uvloop() -> None:
    # Faust's threads make their loops by the policy, so it must be set before faust is imported.
    with contextlib.suppress(ImportError):
        import mode.loop

        mode.loop.use("uvloop")


def _spare_the_collector() -> None:
    # What is loaded by now stays for good, and what a batch makes has no cycles: looking through all of it every few
    # hundred objects costs a tenth of the worker's time.
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)


def _share_the_interpreter() -> None:
    # The consumer's thread wants it for microseconds at each step of a fetch; by default it waits 5 ms for each.
    sys.setswitchinterval(_SWITCH_SECONDS)


async def _work(settings: Settings, config: Config, classifier: Classifying, opinions: Opinions | None) -> int:
    stop = asyncio.Event()
    _on_signals(stop)
    queue = TicketQueue.connect(settings, departments=config.queue_names())
    letters = DeadLetterWriter(settings)
    watchdog = Watchdog(settings.watchdog)
    router = Router(
        classifier=classifier,
        policy=Policy(config),
        queue=queue,
        letters=letters,
        brands=config.brands,
        batch_mentions=settings.batch_mentions,
        retry_cap=settings.retry_cap,
        clock=lambda: datetime.now(UTC),
        on_retry=watchdog.excuse,
        opinions=opinions.for_batch if opinions else None,
    )
    try:
        await _begin(settings, config, queue, stop)
        from silofrei.streams.worker_app import build_app

        _spare_the_collector()
        _share_the_interpreter()
        return await _run(settings, build_app(settings, router), watchdog, queue, stop)
    except GivenUp:
        return 0
    finally:
        if opinions is not None:
            await opinions.close()
        await letters.close()
        await queue.close()


def _on_signals(stop: asyncio.Event) -> None:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)


async def _begin(settings: Settings, config: Config, queue: TicketQueue, stop: asyncio.Event) -> None:
    """Wait for Redis and for a state that fits Kafka's offsets."""
    from silofrei.streams.lag import group_offsets

    topics = Topics(settings)
    offsets = await asyncio.to_thread(group_offsets, settings, topics.worker_group, topics.raw)

    async def attempt() -> None:
        await begin_epochs(queue, config.brands, committed=any(offsets.values()))
        WATCHDOG_EXITS.set(await queue.counted(WATCHDOG_COUNTER))

    redis = Patience(Dependency.REDIS, (Unavailable, EpochMissing), cap=settings.retry_cap)
    await redis.call(attempt, stop)


async def _run(
    settings: Settings, app: "WorkerApp", watchdog: Watchdog, queue: TicketQueue, stop: asyncio.Event
) -> int:
    starting = asyncio.create_task(app.start())
    watching = asyncio.create_task(_watch(settings, app, watchdog))
    ending = [asyncio.create_task(stop.wait()), asyncio.create_task(app.wait_until_stopped()), watching]
    try:
        await asyncio.wait((starting, *ending), return_when=asyncio.FIRST_COMPLETED)
        if starting.done() and not starting.exception():
            log.info("The worker is ready")
            await asyncio.wait(ending, return_when=asyncio.FIRST_COMPLETED)
        verdict = watching.result() if watching.done() and not app.should_stop else None
        if verdict is None:
            return await _stop(app, starting)
        log.critical("%s", verdict.reason)
        if not verdict.stuck:
            await _stop(app, starting)
            return 1
        await _count_exit(queue)
        _end(STUCK)
    finally:
        for task in ending:
            task.cancel()
        await asyncio.gather(*ending, return_exceptions=True)


async def _stop(app: "WorkerApp", starting: asyncio.Task[None]) -> int:
    # Not asyncio.timeout: Faust swallows cancellations. Without a broker, it would wait for its last commit for ever.
    stopping = asyncio.gather(app.stop(), starting, return_exceptions=True)
    done, _ = await asyncio.wait((stopping,), timeout=_STOP_SECONDS)
    reason = app.crash_reason
    if reason is None and starting.done() and not starting.cancelled():
        reason = starting.exception()
    if reason is not None:
        log.critical("The worker crashed: %s", str(reason) or type(reason).__name__)
    code = 0 if reason is None else 1
    if not done:
        log.warning("Faust did not stop within %.0f s (is Kafka away?); ending all the same", _STOP_SECONDS)
        _end(code)
    return code


def _end(code: int) -> NoReturn:
    # By force, since what is stuck need not be able to stop; nothing that is not applied was acknowledged.
    logging.shutdown()
    os._exit(code)


class _Verdict(NamedTuple):
    """Why the worker must end; one that is stuck is not asked."""

    reason: str
    stuck: bool


async def _watch(settings: Settings, app: "WorkerApp", watchdog: Watchdog) -> _Verdict:
    """Measure for ever; returns once the worker cannot go on."""
    from silofrei.streams.lag import LagMetrics, Measure
    from silofrei.streams.worker_app import consumer_of

    measure, shown = Measure(settings), LagMetrics()
    try:
        while True:
            await asyncio.sleep(min(_LOOK_SECONDS, settings.watchdog / 5))
            if not app.started:
                continue
            consumer = consumer_of(app)
            if consumer.evicted:
                slot = settings.worker_slot
                reason = f"Another worker runs with SILOFREI_WORKER_SLOT={slot}; give each worker a slot of its own"
                return _Verdict(reason, stuck=False)
            try:
                positions = await measure.positions(consumer)
            except (KafkaError, OSError) as error:
                DEPENDENCY_UP.labels(Dependency.KAFKA).set(0)
                watchdog.excuse()
                log.warning("kafka is away: %s", str(error) or type(error).__name__)
                continue
            except Exception:
                log.exception("The lag cannot be measured; this is a mistake of Silofrei: report it")
                continue
            DEPENDENCY_UP.labels(Dependency.KAFKA).set(1)
            shown.show(positions)
            wrong = watchdog.observe(positions)
            if wrong is not None:
                return _Verdict(f"Ending, to be started again: {wrong}", stuck=True)
    finally:
        await measure.close()


async def _count_exit(queue: TicketQueue) -> None:
    with contextlib.suppress(Exception):
        async with asyncio.timeout(2.0):
            await queue.count(WATCHDOG_COUNTER)
