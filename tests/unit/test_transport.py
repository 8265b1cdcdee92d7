"""What our consumer changes of Faust's: no network, but Faust's own objects."""

import asyncio
from contextlib import nullcontext
from types import SimpleNamespace

import pytest
from aiokafka import TopicPartition
from aiokafka.errors import IllegalStateError
from faust import types

from silofrei.streams.fetches import Fetch
from silofrei.streams.transport import BatchConsumer, BatchTransport
from silofrei.streams.worker_app import build_app, consumer_of

TP = TopicPartition("mentions.raw", 0)


def records(*offsets):
    return [
        SimpleNamespace(topic="mentions.raw", partition=0, offset=n, value=b"", timestamp=1000 * n, timestamp_type=0)
        for n in offsets
    ]


@pytest.fixture
async def app(make_settings):
    app = build_app(make_settings(batch_records=250, worker_slot="seven", topic_prefix="x."), router=None)
    app.finalize()
    yield app
    consumer_of(app)._thread.thread_loop.close()


@pytest.fixture
async def consumer(app):
    app.topics._acking_topics.add("mentions.raw")
    return consumer_of(app)


@pytest.fixture
def message(consumer):
    """Takes a fetch into the ledger and gives the message that Faust makes of it."""

    def take(*offsets):
        fetch = Fetch(TP, records(*offsets))
        consumer.ledger.take(fetch)
        made = consumer._to_message(TP, fetch)
        consumer.track_message(made)
        made.incref()
        return made

    return take


class Client:
    """As much of aiokafka's consumer as a rewind needs."""

    def __init__(self, *, assigned=True):
        self.sought = []
        self._assigned = assigned

    def seek(self, tp, offset):
        if not self._assigned:
            raise IllegalStateError("not assigned")
        self.sought.append((tp, offset))


async def test_the_app_is_set_up_as_the_findings_ask(app):
    conf = app.conf
    assert conf.id == "x.silofrei-worker"
    assert conf.consumer_group_instance_id == "x.silofrei-worker-seven"
    assert conf.processing_guarantee.name == "AT_LEAST_ONCE"
    assert conf.broker_max_poll_records == 250
    assert conf.broker_max_poll_interval == 604_800
    assert conf.broker_request_timeout > conf.broker_session_timeout == 15
    assert conf.stream_wait_empty
    assert not conf.stream_publish_on_commit
    assert not conf.topic_allow_declare
    assert not conf.web_enabled
    assert conf.table_standby_replicas == 0
    assert isinstance(app.transport, BatchTransport)
    assert isinstance(app.consumer, BatchConsumer)
    (agent,) = app.agents.values()
    assert agent.concurrency == 1
    assert list(agent.channel.topics) == ["x.mentions.raw"]


async def test_one_message_is_one_fetch(consumer, message):
    made = message(4, 5, 9)
    assert [record.offset for record in made.value.records] == [4, 5, 9]
    assert (made.tp, made.offset, made.timestamp) == (TP, 9, 9.0)


async def test_an_ack_alone_moves_no_commit(consumer, message):
    # Faust acks by itself what it skips in a rebalance: nobody has applied that.
    made = message(0, 1, 2)
    assert made.ack(consumer)
    assert made.acked
    assert list(consumer._filter_tps_with_pending_acks()) == []
    assert consumer._new_offset(TP) is None
    assert list(consumer.unacked) == []


async def test_a_settled_fetch_moves_the_commit_behind_its_last_record(consumer, message):
    made = message(0, 1, 2)
    consumer.ledger.settle(made.value)
    assert made.ack(consumer)
    assert list(consumer._filter_tps_with_pending_acks()) == [TP]
    assert consumer._filter_committable_offsets([TP]) == {TP: 3}


async def test_a_hole_at_the_head_holds_the_commit(consumer, message):
    # The case of Faust's own book: first message missing, nothing committed before.
    first, second = message(0), message(1)
    consumer.ledger.settle(second.value)
    second.ack(consumer)
    assert consumer._filter_committable_offsets(consumer.ledger.partitions()) == {}
    consumer.ledger.settle(first.value)
    first.ack(consumer)
    assert consumer._filter_committable_offsets([TP]) == {TP: 2}


async def test_offsets_between_two_fetches_are_not_counted_as_acked(consumer, message):
    await consumer._add_gap(TP, 0, 99)
    assert consumer._new_offset(TP) is None
    held = message(100, 101)
    assert consumer._new_offset(TP) is None
    consumer.ledger.settle(held.value)
    assert consumer._new_offset(TP) == 102


async def test_what_is_committed_is_not_committed_again(consumer, message):
    consumer.ledger.settle(message(0, 1).value)
    consumer._committed_offset[TP] = 2
    assert consumer._filter_committable_offsets([TP]) == {}


async def test_a_refused_commit_is_tried_again(consumer, message, monkeypatch):
    consumer.ledger.settle(message(0, 1).value)
    monkeypatch.setattr(consumer, "assignment", lambda: {TP})

    async def refuse(_offsets):
        return False

    async def flush():
        pass

    monkeypatch.setattr(consumer, "_commit", refuse)
    monkeypatch.setattr(consumer.app.producer, "flush", flush)
    assert not await consumer._commit_offsets({TP: 2})
    assert consumer._filter_committable_offsets([TP]) == {TP: 2}


async def test_nothing_that_was_read_is_dropped_for_its_offset(consumer):
    remember, recall = consumer._read_offset.__setitem__, consumer._read_offset.__getitem__
    remember(TP, 50)
    consumer._read_offset.update({TP: 60})
    assert recall(TP) is None


async def test_stopping_the_flow_halts_what_is_in_hand(consumer, message):
    made = message(0)
    consumer.stop_flow()
    assert made.value.halt.is_set()
    assert not made.value.forgotten


async def test_revoked_partitions_are_forgotten_after_faust_has_committed(consumer, message):
    made = message(0)
    seen = []

    async def revoke(_revoked):
        seen.append(made.value.forgotten)

    consumer._on_partitions_revoked = revoke
    await consumer.on_partitions_revoked({TP})
    assert seen == [False]
    assert made.value.forgotten


@pytest.mark.parametrize("committed", [0, 3])
async def test_a_rewind_goes_to_the_committed_offset_and_forgets(consumer, message, committed):
    made = message(3, 4)
    client = Client()
    consumer._thread._rewind(client, TP, committed)
    assert client.sought == [(TP, committed)]
    assert made.value.forgotten


async def test_a_rewind_keeps_what_was_applied_since_the_last_commit(consumer, message):
    # Faust rewinds as it stops: the last commit would find nothing, and everything since the one before came again.
    consumer.ledger.settle(message(3, 4).value)
    held = message(5)
    client = Client()
    consumer._thread._rewind(client, TP, 3)
    assert client.sought == [(TP, 5)]
    assert held.value.forgotten
    assert consumer._filter_committable_offsets([TP]) == {TP: 5}


async def test_a_rewind_without_a_commit_goes_to_the_first_record_in_hand(consumer, message):
    # aiokafka would stay where it is, and what was in hand would never be read again.
    message(3, 4)
    client = Client()
    consumer._thread._rewind(client, TP, None)
    assert client.sought == [(TP, 3)]


async def test_a_rewind_without_a_commit_and_with_empty_hands_stays(consumer):
    client = Client()
    consumer._thread._rewind(client, TP, None)
    assert client.sought == []


async def test_a_rewind_of_a_partition_that_is_gone_leaves_it(consumer, message):
    made = message(3)
    consumer._thread._rewind(Client(assigned=False), TP, 3)
    assert not made.value.forgotten


async def test_a_fetch_enters_the_ledger_as_it_leaves_the_client(consumer):
    other = TopicPartition("mentions.raw", 1)

    async def fetched_records(_partitions, **_limits):
        return {TP: records(5, 6), other: []}

    subscriptions = SimpleNamespace(fetch_context=nullcontext)
    fetcher = SimpleNamespace(_closed=False, _subscriptions=subscriptions, fetched_records=fetched_records)
    client = SimpleNamespace(_closed=False, _fetcher=fetcher)
    found = await consumer._thread._fetch_records(client, {TP}, timeout=1.0, max_records=10)
    ((tp, (fetch,)),) = found.items()
    assert (tp, fetch.first_offset, fetch.last_offset) == (TP, 5, 6)
    assert consumer.ledger.first_held(TP) == 5
    assert consumer.ledger.first_held(other) is None
    consumer.stop_flow()
    assert await consumer._thread._fetch_records(client, {TP}) == {}


async def test_a_full_buffer_holds_the_fetches_back_until_there_is_room_and_no_longer(consumer, monkeypatch):
    async def fetched(active_partitions, **_):
        return {tp: [] for tp in active_partitions}

    own = types.TP(*TP)
    monkeypatch.setattr(consumer, "_getmany", fetched)
    consumer._set_active_tps({own})
    consumer.on_buffer_full(own)
    waiting = asyncio.create_task(consumer._wait_next_records(30))
    await asyncio.sleep(0.02)
    assert not waiting.done()
    consumer.on_buffer_drop(own)
    records, active = await asyncio.wait_for(waiting, 0.5)
    assert active == {own}
    assert records == {own: []}
