"""The line of fetches: what waits goes together, in order, and what is tried again still comes first."""

import asyncio
from types import SimpleNamespace

import pytest
from aiokafka import TopicPartition

from silofrei.streams.fetches import Fetch, OffsetLedger
from silofrei.streams.line import Line

ONE, TWO = TopicPartition("mentions.raw", 0), TopicPartition("mentions.raw", 1)


def fetch_of(first, count=1, tp=ONE, size=10):
    return Fetch(tp, [SimpleNamespace(offset=first + number, value=b"x" * size) for number in range(count)])


def offsets(haul):
    return [record.offset for record in haul.records]


class Router:
    """Routes as told; notes each step in `seen`."""

    def __init__(self):
        self.seen = []
        self.failures = []
        self.may_end = asyncio.Event()
        self.may_end.set()

    async def route(self, haul, *, before=None, sent=None):
        self.seen.append(("read", offsets(haul)))
        await asyncio.sleep(0)
        if before:
            await asyncio.wait((before,))
        if haul.halt.is_set():
            return False
        if self.failures:
            raise self.failures.pop(0)
        self.seen.append(("queued", offsets(haul)))
        sent.set()
        await self.may_end.wait()
        self.seen.append(("ended", offsets(haul)))
        return True


class Stage:
    """A line that runs, and what became of its fetches."""

    def __init__(self, **limits):
        self.router = Router()
        self.settled = []
        self.ended = []
        self.line = Line(
            self.router,
            lambda fetch: self.settled.append(fetch.first_offset),
            **{"most_records": 100, "most_bytes": 10_000, "retry_cap": 0.01, **limits},
        )
        self.running = None

    async def add(self, *fetches):
        for fetch in fetches:

            async def ended(fetch=fetch):
                self.ended.append(fetch.first_offset)

            await self.line.add(fetch, ended)

    def run(self):
        self.running = asyncio.create_task(self.line.run())

    async def all_ended(self, count):
        async with asyncio.timeout(5):
            while len(self.ended) < count:  # noqa: ASYNC110  # the fetches end in tasks of their own
                await asyncio.sleep(0.001)


@pytest.fixture
async def stage():
    found = Stage()
    yield found
    if found.running:
        found.running.cancel()
        await asyncio.gather(found.running, return_exceptions=True)


async def test_all_that_wait_go_together_in_their_order(stage):
    await stage.add(fetch_of(0, 2), fetch_of(7, tp=TWO), fetch_of(2))
    stage.run()
    await stage.all_ended(3)
    assert stage.router.seen == [(what, [0, 1, 7, 2]) for what in ("read", "queued", "ended")]
    assert stage.settled == stage.ended == [0, 7, 2]


@pytest.mark.parametrize(("limits", "size"), [({"most_records": 2}, 1), ({"most_bytes": 200}, 100)])
async def test_a_haul_ends_with_the_fetch_that_fills_it(limits, size):
    stage = Stage(**limits)
    adding = asyncio.create_task(stage.add(*[fetch_of(number, size=size) for number in range(5)]))
    await asyncio.sleep(0.01)
    assert not adding.done()  # a full haul waits, so there is no room
    stage.run()
    await adding
    await stage.all_ended(5)
    assert [seen for what, seen in stage.router.seen if what == "ended"] == [[0, 1], [2, 3], [4]]
    stage.running.cancel()


async def test_the_next_haul_is_read_while_one_ends_and_queued_only_afterwards(stage):
    stage.router.may_end.clear()
    stage.run()
    await stage.add(fetch_of(0))
    await asyncio.sleep(0.01)
    await stage.add(fetch_of(1))
    await asyncio.sleep(0.01)
    await stage.add(fetch_of(2))
    await asyncio.sleep(0.01)
    assert stage.router.seen == [("read", [0]), ("queued", [0]), ("read", [1])]
    assert stage.settled == []
    stage.router.may_end.set()
    await stage.all_ended(3)
    assert [seen for seen in stage.router.seen if seen[0] != "read"] == [
        (what, [number]) for number in range(3) for what in ("queued", "ended")
    ]


async def test_what_fails_for_no_known_reason_is_tried_again_before_what_follows(stage, caplog):
    stage.router.failures = [ZeroDivisionError("a mistake"), KeyError("another")]
    stage.run()
    await stage.add(fetch_of(0))
    await asyncio.sleep(0)
    await stage.add(fetch_of(1))
    await stage.all_ended(2)
    assert [seen for what, seen in stage.router.seen if what == "queued"] == [[0], [1]]
    assert stage.settled == [0, 1]
    assert caplog.text.count("report it") == 2


async def test_what_fails_in_the_end_is_tried_again_before_what_was_read_meanwhile(stage, caplog):
    class Failing(Router):
        broken = True

        async def route(self, haul, *, before=None, sent=None):
            done = await super().route(haul, before=before, sent=sent)
            if self.broken:
                self.broken = False
                raise ZeroDivisionError("after its last call was sent")
            return done

    stage.router.__class__ = Failing
    stage.router.may_end.clear()
    stage.run()
    await stage.add(fetch_of(0))
    await asyncio.sleep(0.01)
    await stage.add(fetch_of(1))
    await asyncio.sleep(0.01)
    stage.router.may_end.set()
    await stage.all_ended(2)
    assert [seen for what, seen in stage.router.seen if what == "queued"] == [[0], [0], [1]]
    assert stage.settled == [0, 1]


async def test_of_a_haul_that_is_let_go_the_rest_comes_to_its_end(stage):
    ledger = OffsetLedger()
    fetches = [fetch_of(0), fetch_of(5, tp=TWO)]
    for fetch in fetches:
        ledger.take(fetch)
    stage.router.failures = [ZeroDivisionError("hold it back")]
    await stage.add(*fetches)
    stage.run()
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    ledger.forget((ONE,))
    await stage.all_ended(2)
    assert stage.settled == [5]
    assert stage.ended == [0, 5]


async def test_a_fetch_that_was_halted_before_its_turn_is_not_routed(stage):
    fetch = fetch_of(0)
    fetch.stop()
    await stage.add(fetch)
    stage.run()
    await stage.all_ended(1)
    assert stage.router.seen == []
    assert stage.settled == []


async def test_a_haul_of_which_nothing_is_left_leaves_the_one_before_it_alone(stage):
    stage.router.may_end.clear()
    stage.run()
    await stage.add(fetch_of(0))
    await asyncio.sleep(0.01)
    halted = fetch_of(1)
    halted.stop()
    await stage.add(halted)
    await asyncio.sleep(0.01)
    await stage.add(fetch_of(2))
    await asyncio.sleep(0.01)
    assert stage.ended == []
    stage.router.may_end.set()
    await stage.all_ended(3)
    assert stage.ended == [0, 1, 2]
    assert stage.settled == [0, 2]


async def test_the_end_of_the_line_ends_what_is_under_way(stage):
    stage.router.may_end.clear()
    stage.run()
    await stage.add(fetch_of(0))
    await asyncio.sleep(0.01)
    await stage.add(fetch_of(1))
    await asyncio.sleep(0.01)
    stage.running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await stage.running
    assert stage.settled == stage.ended == []
    assert len(asyncio.all_tasks()) == 1
