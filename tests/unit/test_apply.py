import asyncio
import json
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest
from aiokafka import TopicPartition
from prometheus_client import REGISTRY

from silofrei.routing.queue import Applied, ApplyCode, EpochMissing, RefusalCode, Refused, Unavailable
from silofrei.schemas.classification import Classification, Scores
from silofrei.schemas.decision import DiscardDecision, RoutingDecision
from silofrei.schemas.delivery import RawDelivery
from silofrei.schemas.mention import MentionDeleted
from silofrei.schemas.names import DeadLetterReason, DiscardReason, Label, Language, Priority
from silofrei.streams.apply import Router
from silofrei.streams.dead_letter_writer import KafkaAway
from silofrei.streams.fetches import Fetch

NOW = datetime(2026, 11, 3, 9, 0, 5, tzinfo=UTC)
TP = TopicPartition("mentions.raw", 0)


class Classifier:
    """Takes the first word of a text as its label; a text that says `crash` breaks it."""

    def __init__(self):
        self.calls = []

    def classify(self, inputs, *, explain=True):
        self.calls.append([one.text for one in inputs])
        if any("crash" in one.text for one in inputs):
            raise ZeroDivisionError("no words")
        return [classification(Label(one.text.split()[0])) for one in inputs]


class Policy:
    def decide(self, mention, answer, now):
        if "undecidable" in mention.text:
            raise KeyError("rule")
        if answer.label is Label.NONE:
            return DiscardDecision(reason=DiscardReason.NOT_ACTIONABLE, rule="model-none")
        return RoutingDecision(
            department=answer.label.value, priority=Priority.NORMAL, due_at=now + timedelta(hours=1), rule="model"
        )


class Queue:
    """Remembers what it applied; fails as told: for some texts, or for the next calls."""

    def __init__(self):
        self.applied = {}
        self.order = []
        self.calls = []
        self.failures = []
        self.refuses = {}

    async def apply(self, brand, effects):
        self.calls.append((brand, [subject(effect.change) for effect in effects]))
        await asyncio.sleep(0)
        if self.failures:
            raise self.failures.pop(0)
        for effect in effects:
            for word, error in self.refuses.items():
                if not isinstance(effect.change, MentionDeleted) and word in effect.change.mention.text:
                    raise error
        return [self._answer(effect) for effect in effects]

    def _answer(self, effect):
        key = subject(effect.change)
        if key in self.applied:
            return Applied(ApplyCode.DUPLICATE, None, None, NOW)
        self.applied[key] = effect
        self.order.append(key)
        if isinstance(effect.change, MentionDeleted):
            return Applied(ApplyCode.DELETED, "t-1", "service", NOW)
        if isinstance(effect.decision, DiscardDecision):
            return Applied(ApplyCode.DISCARDED, None, None, NOW)
        return Applied(ApplyCode.OPENED, f"t-{key}", effect.decision.department, NOW + timedelta(seconds=2))


class Letters:
    def __init__(self):
        self.written = []
        self.failures = []

    async def write(self, letters):
        if self.failures:
            raise self.failures.pop(0)
        self.written += letters


def subject(change):
    if isinstance(change, MentionDeleted):
        return f"-{change.mention_id.rpartition('/')[2]}"
    return change.mention.id.rpartition("/")[2]


def classification(label):
    scores = {one.value: 1.0 if one is label else 0.0 for one in Label}
    return Classification(label=label, scores=Scores(**scores), language=Language.GERMAN, abstained=False, model="test")


def body(native_id, text, change="created"):
    data = {"id": native_id}
    if change == "created":
        author = {"id": "u1", "name": "A"}
        data |= {"kind": "comment", "text": text, "author": author, "created_at": "2026-11-03T09:00:00Z"}
    else:
        data |= {"deleted_at": "2026-11-03T09:00:00Z"}
    return json.dumps(
        {
            "specversion": "1.0",
            "type": f"silofrei.mention.{change}",
            "source": "https://f.example",
            "id": f"e-{native_id}",
            "time": "2026-11-03T09:00:00Z",
            "data": data,
        }
    )


def record(offset, native_id, text="service please", *, brand="demo", change="created", value=...):
    if value is ...:
        delivery = RawDelivery(
            delivery_id=f"d{offset}",
            brand=brand,
            channel="cloudevents",
            connector="test",
            received_at=NOW,
            body=body(native_id, text, change),
        )
        value = delivery.model_dump_json().encode()
    return SimpleNamespace(topic="mentions.raw", partition=0, offset=offset, value=value)


def fetch_of(*records):
    return Fetch(TP, records)


@pytest.fixture
def parts():
    return SimpleNamespace(classifier=Classifier(), policy=Policy(), queue=Queue(), letters=Letters(), retries=[])


def router(parts, *, batch=500, brands=("demo", "other")):
    return Router(
        classifier=parts.classifier,
        policy=parts.policy,
        queue=parts.queue,
        letters=parts.letters,
        brands=brands,
        batch_mentions=batch,
        retry_cap=0.01,
        clock=lambda: NOW,
        on_retry=lambda: parts.retries.append(1),
    )


def counted(name, **labels):
    return REGISTRY.get_sample_value(name, labels) or 0.0


async def test_every_mention_of_a_fetch_reaches_the_queue_in_its_order(parts):
    assert await router(parts).route(fetch_of(record(0, "a"), record(1, "b", "sales offer"), record(2, "c", "none")))
    assert parts.queue.order == ["a", "b", "c"]
    assert parts.queue.applied["b"].decision.department == "sales"
    assert parts.queue.applied["c"].decision.action == "discard"
    assert parts.queue.applied["a"].classification.label is Label.SERVICE
    assert parts.letters.written == []


async def test_a_fetch_is_classified_at_once_and_queued_in_calls_of_a_bounded_size(parts):
    records = [record(n, f"m{n}") for n in range(7)]
    assert await router(parts, batch=3).route(fetch_of(*records))
    assert [len(call) for call in parts.classifier.calls] == [3, 3, 1]
    assert [len(keys) for _, keys in parts.queue.calls] == [3, 3, 1]


async def test_brands_do_not_share_a_call(parts):
    await router(parts).route(fetch_of(record(0, "a"), record(1, "b", brand="other"), record(2, "c")))
    assert parts.queue.calls == [("demo", ["a", "c"]), ("other", ["b"])]


async def test_a_deletion_is_neither_classified_nor_decided(parts):
    await router(parts).route(fetch_of(record(0, "a"), record(1, "a", change="deleted")))
    assert parts.classifier.calls == [["service please"]]
    deletion = parts.queue.applied["-a"]
    assert (deletion.classification, deletion.decision) == (None, None)
    assert parts.queue.order == ["a", "-a"]


async def test_what_cannot_be_read_is_buried_before_the_fetch_is_at_its_end(parts):
    assert await router(parts).route(fetch_of(record(0, "a"), record(1, "", value=b"{"), record(2, "b")))
    (letter,) = parts.letters.written
    assert letter.dead_letter_id == "mentions.raw/0/1"
    assert parts.queue.order == ["a", "b"]


async def test_an_outage_of_redis_is_waited_for_and_the_same_call_repeated(parts):
    parts.queue.failures = [Unavailable("gone")] * 3 + [EpochMissing("empty")]
    before = counted("silofrei_retries_total", dependency="redis")
    assert await router(parts).route(fetch_of(record(0, "a"), record(1, "b")))
    assert [keys for _, keys in parts.queue.calls] == [["a", "b"]] * 5
    assert parts.queue.order == ["a", "b"]
    assert len(parts.retries) == 4
    assert counted("silofrei_retries_total", dependency="redis") == before + 4
    assert counted("silofrei_dependency_up", dependency="redis") == 1


async def test_an_outage_of_kafka_holds_the_fetch_until_its_dead_letters_are_written(parts):
    parts.letters.failures = [KafkaAway("gone")] * 2
    assert await router(parts).route(fetch_of(record(0, "", value=None)))
    assert [letter.dead_letter_id for letter in parts.letters.written] == ["mentions.raw/0/0"]
    assert len(parts.retries) == 2


@pytest.mark.parametrize("away", ["queue", "letters"])
async def test_a_halt_during_an_outage_ends_the_wait_and_nothing_counts_as_done(parts, away):
    parts.queue.failures = [Unavailable("gone")] * 10_000 if away == "queue" else []
    parts.letters.failures = [KafkaAway("gone")] * 10_000
    fetch = fetch_of(record(0, "a"), record(1, "", value=b"{"))
    routing = asyncio.create_task(router(parts).route(fetch))
    await asyncio.sleep(0.05)
    assert not routing.done()
    fetch.halt.set()
    assert await asyncio.wait_for(routing, 1) is False
    assert parts.letters.written == []


async def test_a_halt_lets_a_call_that_is_under_way_finish(parts):
    started = asyncio.Event()

    class Slow(Queue):
        async def apply(self, brand, effects):
            started.set()
            await asyncio.sleep(0.05)
            return await super().apply(brand, effects)

    parts.queue = Slow()
    fetch = fetch_of(record(0, "a"))
    routing = asyncio.create_task(router(parts).route(fetch))
    await started.wait()
    fetch.halt.set()
    assert await routing is True
    assert parts.queue.order == ["a"]


async def test_a_call_that_hangs_is_left_two_seconds_after_a_halt(parts):
    class Hanging(Queue):
        async def apply(self, brand, effects):
            await asyncio.Event().wait()

    parts.queue = Hanging()
    fetch = fetch_of(record(0, "a"))
    routing = asyncio.create_task(router(parts).route(fetch))
    await asyncio.sleep(0.01)
    fetch.halt.set()
    assert await asyncio.wait_for(routing, 4) is False


async def test_between_two_calls_a_halted_fetch_is_let_go(parts):
    class Halting(Queue):
        async def apply(self, brand, effects):
            fetch.halt.set()
            return await super().apply(brand, effects)

    parts.queue = Halting()
    fetch = fetch_of(*[record(n, f"m{n}") for n in range(4)])
    assert await router(parts, batch=2).route(fetch) is False
    assert parts.queue.order == ["m0", "m1"]
    again = fetch_of(*fetch.records)
    parts.queue.__class__ = Queue
    assert await router(parts, batch=2).route(again) is True
    assert parts.queue.order == ["m0", "m1", "m2", "m3"]


class Waiting(Queue):
    """Answers a call only when it may."""

    def __init__(self):
        super().__init__()
        self.may = asyncio.Event()

    async def apply(self, brand, effects):
        answers = await super().apply(brand, effects)
        await self.may.wait()
        return answers


async def test_while_the_queue_works_on_one_call_the_next_is_decided_but_not_sent(parts):
    parts.queue = Waiting()
    routing = asyncio.create_task(router(parts, batch=2).route(fetch_of(*[record(n, f"m{n}") for n in range(6)])))
    await asyncio.sleep(0.05)
    assert len(parts.classifier.calls) == 2
    assert [keys for _, keys in parts.queue.calls] == [["m0", "m1"]]
    parts.queue.may.set()
    assert await routing is True
    assert [keys for _, keys in parts.queue.calls] == [["m0", "m1"], ["m2", "m3"], ["m4", "m5"]]


async def test_calls_of_the_queue_stay_in_order_through_an_outage(parts):
    parts.queue.failures = [Unavailable("gone")] * 3
    assert await router(parts, batch=1).route(fetch_of(record(0, "a"), record(1, "b"), record(2, "c")))
    assert [keys for _, keys in parts.queue.calls] == [["a"]] * 4 + [["b"], ["c"]]


@pytest.mark.parametrize("how", ["cancelled", "mistaken"])
async def test_no_call_of_the_queue_outlives_its_fetch(parts, how):
    parts.queue = Waiting()
    routing = asyncio.create_task(router(parts, batch=1).route(fetch_of(record(0, "a"), record(1, "b", "mine"))))
    if how == "mistaken":
        # Not an error of the classifier, which would be buried: one that ends the fetch, to be tried again.
        parts.classifier.classify = lambda inputs: [] if "mine" in inputs[0].text else [classification(Label.SERVICE)]
    await asyncio.sleep(0.05)
    if how == "cancelled":
        routing.cancel()
    with pytest.raises(asyncio.CancelledError if how == "cancelled" else RuntimeError):
        await routing
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_poison_in_the_queue_is_found_and_buried_alone(parts):
    parts.queue.refuses = {"poison": Refused(RefusalCode.BAD_ARGUMENT, "Effect 1 has a wrong text.")}
    records = [record(n, f"m{n}", "service poison" if n == 5 else "service please") for n in range(9)]
    assert await router(parts).route(fetch_of(*records))
    assert parts.queue.order == [f"m{n}" for n in range(9) if n != 5]
    (letter,) = parts.letters.written
    assert letter.dead_letter_id == "mentions.raw/0/5/0"
    assert letter.reason is DeadLetterReason.REFUSED
    assert "wrong text" in letter.detail
    assert letter.value == records[5].value
    assert (letter.brand, letter.channel) == ("demo", "cloudevents")


@pytest.mark.parametrize("text", ["service crash", "service undecidable"])
async def test_a_text_that_breaks_classifier_or_policy_is_buried_alone(parts, text):
    records = [record(n, f"m{n}", text if n == 2 else "service please") for n in range(5)]
    assert await router(parts).route(fetch_of(*records))
    assert parts.queue.order == ["m0", "m1", "m3", "m4"]
    (letter,) = parts.letters.written
    assert letter.dead_letter_id == "mentions.raw/0/2/0"
    assert letter.reason is DeadLetterReason.REFUSED


async def test_many_broken_texts_are_buried_however_many_they_are(parts):
    parts.queue.refuses = {"poison": ValueError("cannot be written as JSON")}
    records = [record(n, f"m{n}", "service poison") for n in range(30)]
    assert await router(parts).route(fetch_of(*records))
    assert len(parts.letters.written) == 30


async def test_a_queue_that_refuses_everything_is_waited_for_instead_of_burying_the_mail(parts):
    parts.queue.refuses = {"service": Refused(RefusalCode.REJECTED, "WRONGTYPE")}
    fetch = fetch_of(*[record(n, f"m{n}") for n in range(30)])
    routing = asyncio.create_task(router(parts).route(fetch))
    await asyncio.sleep(0.2)
    assert not routing.done()
    assert parts.letters.written == []
    parts.queue.refuses = {}
    assert await asyncio.wait_for(routing, 5) is True
    assert sorted(parts.queue.order) == sorted(f"m{n}" for n in range(30))
    assert parts.letters.written == []


async def test_outcomes_are_counted_once_and_only_when_confirmed(parts):
    names = {
        "opened": ("silofrei_changes_total", {"channel": "cloudevents", "department": "service", "outcome": "opened"}),
        "discarded": ("silofrei_changes_total", {"channel": "cloudevents", "department": "", "outcome": "discarded"}),
        "buried": ("silofrei_changes_total", {"channel": "unknown", "department": "", "outcome": "dead_letter"}),
        "reason": ("silofrei_dead_letters_total", {"reason": "broken_envelope"}),
        "deliveries": ("silofrei_deliveries_total", {"channel": "cloudevents"}),
        "queued": ("silofrei_ingested_to_queued_seconds_sum", {"channel": "cloudevents"}),
        "batches": ("silofrei_batch_mentions_count", {}),
    }

    def values():
        return {key: counted(name, **labels) for key, (name, labels) in names.items()}

    before = values()
    parts.queue.failures = [Unavailable("gone")]
    parts.letters.failures = [KafkaAway("gone")]
    records = [record(0, "a"), record(1, "b"), record(2, "c", "none"), record(3, "", value=b"{")]
    assert await router(parts).route(fetch_of(*records))
    risen = {key: value - before[key] for key, value in values().items()}
    assert risen == {
        "opened": 2,
        "discarded": 1,
        "buried": 1,
        "reason": 1,
        "deliveries": 3,
        "queued": 4.0,
        "batches": 1,
    }


async def test_a_repeated_fetch_adds_duplicates_and_no_latencies(parts):
    fetch = fetch_of(record(0, "a"))
    await router(parts).route(fetch)
    duplicates = {"channel": "cloudevents", "department": "", "outcome": "duplicate"}
    before = counted("silofrei_changes_total", **duplicates)
    observed = counted("silofrei_published_to_queued_seconds_count", channel="cloudevents")
    await router(parts).route(fetch_of(*fetch.records))
    assert counted("silofrei_changes_total", **duplicates) == before + 1
    assert counted("silofrei_published_to_queued_seconds_count", channel="cloudevents") == observed
