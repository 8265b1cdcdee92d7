"""The worker at SIGTERM, in the middle of work or of an outage, and when it hangs: it ends in time and loses nothing.

whole/ has kills, outages and rebalances under load.
"""

import json
import os
import signal
import time

import pytest
from kafka import KafkaConsumer, TopicPartition

from silofrei.deploy.local.kafka import LocalKafka
from silofrei.streams.kafka_clients import kafka_python_options

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]


def native_ids(surroundings):
    """By partition, the native id of the one mention of each record, in the order of the offsets."""
    consumer = KafkaConsumer(**kafka_python_options(surroundings.settings), group_id=None, auto_offset_reset="earliest")
    try:
        tps = [TopicPartition(surroundings.topics.raw, partition) for partition in range(4)]
        consumer.assign(tps)
        ends = consumer.end_offsets(tps)
        found = {tp.partition: [] for tp in tps}
        while any(len(found[tp.partition]) < ends[tp] for tp in tps):
            for tp, records in consumer.poll(timeout_ms=1000).items():
                for record in records:
                    body = json.loads(json.loads(record.value)["body"])
                    found[tp.partition].append(body["data"]["id"])
        return found
    finally:
        consumer.close()


def assert_commits_pass_nothing(surroundings):
    """Everything before the committed offsets is in the queue; asked in this order, since both only grow."""
    committed = surroundings.committed()
    ids = native_ids(surroundings)
    applied = surroundings.mentions()
    missing = [one for partition, offset in committed.items() for one in ids[partition][:offset] if not applied[one]]
    assert missing == []


def assert_each_once(surroundings, expected):
    mentions = surroundings.mentions()
    assert {one: n for one, n in mentions.items() if n != 1} == {}
    assert set(mentions) == set(expected)
    opened = [event["ticket_id"] for event in surroundings.events() if event["type"] == "ticket.opened"]
    assert len(set(opened)) == len(opened)
    threads = [event["thread_id"] for event in surroundings.events() if event["type"] == "ticket.opened"]
    assert len(set(threads)) == len(threads)


def test_sigterm_under_load_ends_within_seconds_and_commits_what_was_applied(surroundings, native):
    ids = [f"m{n}" for n in range(3000)]
    surroundings.send(*[native.mention(one) for one in ids])
    worker = surroundings.worker(batch_records=50)
    surroundings.wait_for(lambda: surroundings.mentions(), 30, worker)
    began = time.monotonic()
    assert worker.stop(10) == 0
    assert time.monotonic() - began < 5
    committed = sum(surroundings.committed().values())
    applied = sum(surroundings.mentions().values())
    assert 0 < applied < 3000
    assert_commits_pass_nothing(surroundings)
    # What was under way at the end may be applied and not committed: fetches of up to 50 records that go together as
    # long as they are fewer than 50, so up to 99 records.
    assert applied - 100 < committed <= applied
    worker = surroundings.worker()
    surroundings.wait_for(lambda: surroundings.lag() == 0, 60, worker)
    assert_each_once(surroundings, ids)


@pytest.mark.parametrize("how", ["stopped", "frozen"])
def test_sigterm_while_redis_is_away_ends_within_seconds_and_commits_nothing(surroundings, native, how):
    worker = surroundings.worker(redis_timeout=5)
    surroundings.send(native.mention("first"))
    surroundings.wait_for(lambda: surroundings.lag() == 0, 20, worker)
    committed = surroundings.committed()
    if how == "stopped":
        surroundings.redis.stop()
    else:
        os.kill(surroundings.redis.pid, signal.SIGSTOP)
    surroundings.send(*[native.mention(f"m{n}") for n in range(20)])
    if how == "stopped":
        surroundings.wait_for(lambda: "redis is away" in worker.says(), 20, worker)
        assert worker.metric('silofrei_dependency_up{dependency="redis"}') == 0
        assert worker.metric('silofrei_retries_total{dependency="redis"}') > 0
    else:
        time.sleep(3)
    began = time.monotonic()
    assert worker.stop(10) == 0
    assert time.monotonic() - began < 6
    assert surroundings.committed() == committed
    assert "Traceback" not in worker.says()
    if how == "stopped":
        surroundings.redis.start()
    else:
        os.kill(surroundings.redis.pid, signal.SIGCONT)
    worker = surroundings.worker()
    surroundings.wait_for(lambda: surroundings.lag() == 0, 30, worker)
    assert_each_once(surroundings, ["first", *[f"m{n}" for n in range(20)]])


def test_sigterm_while_kafka_is_away(surround, kafka_jars, tmp_path, native):
    broker = LocalKafka(tmp_path / "kafka", jars=kafka_jars)
    broker.start()
    try:
        surroundings = surround(broker.bootstrap)
        worker = surroundings.worker()
        surroundings.send(*[native.mention(f"m{n}") for n in range(100)])
        surroundings.wait_for(lambda: surroundings.mentions(), 30, worker)
        broker.stop()
        time.sleep(3)
        began = time.monotonic()
        assert worker.stop(30) == 0
        assert time.monotonic() - began < 10
        broker.start()
        worker = surroundings.worker()
        surroundings.wait_for(lambda: surroundings.lag() == 0, 60, worker)
        assert_each_once(surroundings, [f"m{n}" for n in range(100)])
    finally:
        broker.stop()


def test_a_worker_that_waits_for_redis_gives_its_partitions_away_at_once(surroundings, native):
    first = surroundings.worker("a")
    surroundings.redis.stop()
    surroundings.send(*[native.mention(f"m{n}") for n in range(200)])
    surroundings.wait_for(lambda: "redis is away" in first.says(), 20, first)
    second = surroundings.worker("b", ready=False)
    time.sleep(2)
    surroundings.redis.start()
    surroundings.wait_for(lambda: "The worker is ready" in second.says(), 30, second)
    surroundings.wait_for(lambda: surroundings.lag() == 0, 30, second)
    assert first.running
    assert_each_once(surroundings, [f"m{n}" for n in range(200)])
    assert first.stop(10) == 0
    assert second.stop(10) == 0


def test_the_watchdog_ends_a_worker_that_hangs(surroundings, native):
    worker = surroundings.worker(redis_timeout=60, watchdog=5)
    os.kill(surroundings.redis.pid, signal.SIGSTOP)
    surroundings.send(native.mention("m"))
    assert worker.wait(40) == 75
    assert "1 records wait and the commit has stood at" in worker.says()
    os.kill(surroundings.redis.pid, signal.SIGCONT)
    worker = surroundings.worker()
    surroundings.wait_for(lambda: surroundings.lag() == 0, 30, worker)
    assert_each_once(surroundings, ["m"])
