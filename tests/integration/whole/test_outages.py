"""Redis and Kafka away under load: nothing is lost or doubled, the metrics tell it, and all goes on by itself."""

import asyncio
import gc
import logging
import os
import signal
import time

import pytest

from silofrei.deploy.local.kafka import LocalKafka
from silofrei.routing.queue import TicketQueue

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(330),
    # The load's kafka-python leaves the sockets of refused connections to the garbage collector; see `broker`.
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

AWAY = 30
CLAIMS = 5


@pytest.fixture
def broker(kafka_jars, tmp_path, caplog):
    # What is logged would keep those sockets until after the test.
    caplog.set_level(logging.CRITICAL, logger="kafka")
    broker = LocalKafka(tmp_path / "kafka", jars=kafka_jars)
    broker.start()
    yield broker
    broker.stop()
    gc.collect()


def up(process, dependency):
    return process.metric(f'silofrei_dependency_up{{dependency="{dependency}"}}')


def retries(process, dependency):
    return process.metric(f'silofrei_retries_total{{dependency="{dependency}"}}')


def claim(settings):
    """People go on working while Kafka is away: what they do waits in the outbox."""

    async def work():
        queue = TicketQueue.connect(settings)
        try:
            tickets = [await queue.claim("demo", "service", "anna") for _ in range(CLAIMS)]
            return {ticket.id for ticket in tickets}
        finally:
            await queue.close()

    return asyncio.run(work())


def assert_goes_on(scene, *processes):
    """What is sent from now on is routed and relayed."""
    latest = scene.load.sent[-1:]
    scene.until(lambda: scene.load.sent[-1:] != latest, 30, *processes)
    applied = scene.audit.applied()
    scene.until(lambda: scene.audit.applied() > applied + 50, 60, *processes)
    scene.until(lambda: scene.audit.outbox() < 200, 60, *processes)


def test_redis_and_kafka_go_away_under_load_and_come_back(broker, stage, surround):
    scene = stage(surround(broker.bootstrap))
    redis = scene.surroundings.redis
    worker, relay = both = scene.worker(redis_timeout=2), scene.relay(redis_timeout=2)
    with scene.commits:
        with scene.load.running(per_second=100):
            assert_goes_on(scene, *both)
            assert [up(one, what) for one in both for what in ("redis", "kafka")] == [1, 1, 1, 1]

            # Refuses connections. A crash, not a clean end: what it has confirmed is in its append-only file.
            before = [retries(one, "redis") for one in both]
            redis.kill()
            gone = time.monotonic()
            scene.until(lambda: [up(one, "redis") for one in both] == [0, 0], 15, *both)
            early = [retries(one, "redis") for one in both]
            time.sleep(max(0, gone + AWAY - time.monotonic()))
            late = [retries(one, "redis") for one in both]
            assert all(first < second < third for first, second, third in zip(before, early, late, strict=True))
            redis.start()
            scene.until(lambda: [up(one, "redis") for one in both] == [1, 1], 20, *both)
            assert_goes_on(scene, *both)
            assert all(f"redis is {what}" in worker.says() for what in ("away", "back"))

            # Takes connections and does not answer.
            before = [retries(one, "redis") for one in both]
            os.kill(redis.pid, signal.SIGSTOP)
            scene.until(lambda: [up(one, "redis") for one in both] == [0, 0], 8, *both)
            time.sleep(4)
            os.kill(redis.pid, signal.SIGCONT)
            scene.until(lambda: [up(one, "redis") for one in both] == [1, 1], 20, *both)
            assert all(one < other for one, other in zip(before, [retries(one, "redis") for one in both], strict=True))
            assert_goes_on(scene, *both)

            # Longer than a session of the workers' group.
            broker.kill()
            gone = time.monotonic()
            assert len(claim(scene.surroundings.settings)) == CLAIMS
            scene.until(lambda: [up(one, "kafka") for one in both] == [0, 0], 25, *both)
            time.sleep(max(0, gone + AWAY - time.monotonic()))
            assert [up(one, "kafka") for one in both] == [0, 0]
            # Kafka's clients repeat within a call, so that here the waiting events tell more than the retries.
            assert relay.metric("silofrei_outbox_length") >= CLAIMS
            broker.start()
            scene.until(lambda: [up(one, "kafka") for one in both] == [1, 1], 40, *both)
            assert_goes_on(scene, *both)
        scene.load.flush()
        scene.until(scene.audit.settled, 60, *both)
    book = scene.audit.check(scene.commits, claimed=CLAIMS)
    assert len(book.tickets) > 500
    assert len(book.dead) > 10
    assert worker.metric("silofrei_watchdog_exits") == 0
    assert worker.stop(10) == 0
    assert relay.stop(10) == 0
