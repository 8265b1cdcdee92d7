"""The worker from the topic to the queue: what it takes, how it starts and ends, what it says when it cannot."""

import json
import time

import pytest

pytestmark = pytest.mark.slow


def test_mentions_become_tickets_and_offsets_follow(surroundings, native):
    worker = surroundings.worker()
    surroundings.send(*[native.mention(f"m{n}", thread=f"t{n % 30}") for n in range(300)])
    surroundings.wait_for(lambda: surroundings.lag() == 0, 30, worker)
    mentions = surroundings.mentions()
    assert mentions == {f"m{n}": 1 for n in range(300)}
    opened = [event for event in surroundings.events() if event["type"] == "ticket.opened"]
    assert len({event["ticket_id"] for event in opened}) == len(opened)
    assert worker.metric('silofrei_deliveries_total{channel="cloudevents"}') == 300
    assert worker.metric('silofrei_ingested_to_queued_seconds_count{channel="cloudevents"}') == 300
    assert worker.metric("silofrei_batch_mentions_sum") == 300
    assert worker.metric('silofrei_dependency_up{dependency="redis"}') == 1
    partition = f'{{partition="0",topic="{surroundings.topics.raw}"}}'
    surroundings.wait_for(
        lambda: worker.metric(f"silofrei_committed_offset{partition}") == surroundings.committed()[0], 10, worker
    )
    assert worker.metric(f"silofrei_consumer_lag{partition}") == 0
    assert worker.stop(10) == 0
    assert "Traceback" not in worker.says()


def test_what_waits_before_the_start_is_taken_from_the_beginning(surroundings, native):
    surroundings.send(*[native.mention(f"m{n}") for n in range(50)])
    worker = surroundings.worker()
    surroundings.wait_for(lambda: surroundings.lag() == 0, 30, worker)
    assert surroundings.mentions() == {f"m{n}": 1 for n in range(50)}


def test_a_restart_goes_on_behind_the_last_commit_without_a_pause(surroundings, native):
    first = surroundings.worker()
    surroundings.send(*[native.mention(f"m{n}") for n in range(40)])
    surroundings.wait_for(lambda: sum(surroundings.mentions().values()) == 40, 30, first)
    assert first.stop(10) == 0
    assert surroundings.lag() == 0
    surroundings.send(*[native.mention(f"n{n}") for n in range(10)])
    second = surroundings.worker()
    # Static membership: well within the session time-out of 15 s.
    surroundings.wait_for(lambda: surroundings.lag() == 0, 8, second)
    assert second.metric('silofrei_deliveries_total{channel="cloudevents"}') == 10
    assert sum(surroundings.mentions().values()) == 50


def test_a_killed_worker_has_its_partitions_back_at_once(surroundings, native):
    surroundings.worker().kill()
    surroundings.send(*[native.mention(f"m{n}") for n in range(10)])
    second = surroundings.worker()
    surroundings.wait_for(lambda: surroundings.lag() == 0, 8, second)


def test_a_worker_works_on_the_memory_cluster(surround, memory_kafka, native):
    surroundings = surround(memory_kafka, kafka_memory=True)
    worker = surroundings.worker()
    surroundings.send(*[native.mention(f"m{n}") for n in range(200)], b"{broken")
    surroundings.wait_for(lambda: sum(surroundings.mentions().values()) == 200, 30, worker)
    surroundings.wait_for(lambda: len(surroundings.dead_letters()) == 1, 20, worker)
    surroundings.wait_for(lambda: surroundings.lag() == 0, 10, worker)
    assert worker.stop(10) == 0


def test_a_brand_that_nobody_configured_and_one_that_is_new(surroundings, native, tmp_path):
    worker = surroundings.worker()
    surroundings.send(native.envelope(native.cloud_event("m1"), brand="nordwind"))
    surroundings.wait_for(lambda: surroundings.lag() == 0, 20, worker)
    (letter,) = surroundings.dead_letters().values()
    assert letter.letter.reason == "unknown_brand"
    assert worker.stop(10) == 0
    config = tmp_path / "silofrei.toml"
    config.write_text('brands = ["demo", "nordwind"]\n')
    worker = surroundings.worker(config=config)
    surroundings.send(native.envelope(native.cloud_event("m1"), brand="nordwind"))
    surroundings.wait_for(lambda: surroundings.lag() == 0, 20, worker)
    assert [event["type"] for event in surroundings.events("nordwind")] == ["ticket.opened"]


def test_a_second_worker_of_the_same_slot_ends_and_the_first_goes_on(surroundings, native):
    first = surroundings.worker("a")
    time.sleep(9)
    second = surroundings.worker("a", ready=False)
    assert second.wait(60) == 1
    assert "give each worker a slot of its own" in second.says()
    surroundings.send(*[native.mention(f"m{n}") for n in range(10)])
    surroundings.wait_for(lambda: surroundings.lag() == 0, 20, first)
    assert first.stop() == 0


def test_missing_topics_are_one_readable_error(surroundings):
    worker = surroundings.worker(ready=False, topic_prefix="nothing.here.")
    assert worker.wait() == 2
    assert "topic nothing.here.mentions.raw is missing; run `silofrei topics`" in worker.says()
    assert "Traceback" not in worker.says()


def test_an_unreachable_broker_is_one_readable_error(surroundings):
    worker = surroundings.worker(ready=False, kafka="127.0.0.1:1")
    assert worker.wait(30) == 2
    assert "SILOFREI_KAFKA='127.0.0.1:1': no broker answers over PLAINTEXT" in worker.says()
    assert "Traceback" not in worker.says()


def test_a_taken_metrics_port_is_one_readable_error(surroundings):
    first = surroundings.worker()
    second = surroundings.worker("1", ready=False, metrics_port=first.metrics_port)
    assert second.wait() == 2
    assert f"SILOFREI_METRICS_PORT={first.metrics_port}" in second.says()


def test_a_redis_that_lost_its_data_is_not_taken_for_a_new_one(surroundings, native):
    first = surroundings.worker()
    surroundings.send(*[native.mention(f"m{n}") for n in range(5)])
    surroundings.wait_for(lambda: surroundings.lag() == 0, 20, first)
    assert first.stop(10) == 0
    surroundings.redis.stop()
    for part in sorted(surroundings.redis.data.rglob("*"), reverse=True):
        part.unlink() if part.is_file() else part.rmdir() if part.is_dir() else None
    surroundings.redis.start()
    surroundings.send(native.mention("later"))
    second = surroundings.worker(ready=False)
    surroundings.wait_for(lambda: "its data was lost" in second.says(), 20, second)
    assert surroundings.mentions() == {}
    assert surroundings.lag() == 1
    assert second.stop(5) == 0


def test_many_mentions_of_one_delivery_are_one_record(surroundings, native):
    worker = surroundings.worker()
    batch = json.dumps([json.loads(native.cloud_event(f"m{n}")) for n in range(1000)])
    surroundings.send(native.envelope(batch, content_type="application/cloudevents-batch+json"))
    surroundings.wait_for(lambda: surroundings.lag() == 0, 30, worker)
    assert sum(surroundings.mentions().values()) == 1000
