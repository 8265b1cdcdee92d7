"""Deliveries whose end is known beforehand, and the audit of what became of them.

Owns: the feed (`Feed`), a model of the queue that shares no code with it (`Book`), and the comparison of both with
Kafka and Redis (`Audit`). The truth is what lies in mentions.raw, in its order: what was not sent is not expected, and
what a producer repeated is expected to change nothing.
"""

import asyncio
import json
import os
import signal
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Any

import pytest
import redis
from kafka import KafkaProducer, TopicPartition
from kafka.admin import OffsetSpec
from kafka.errors import KafkaError

from silofrei.routing.queue import TicketQueue
from silofrei.schemas.event import TICKET_EVENT
from silofrei.schemas.settings import ConfigurationError
from silofrei.schemas.ticket import Ticket
from silofrei.streams.kafka_clients import admin_client, kafka_python_producer_options
from silofrei.streams.topic_reader import read_topic

SOURCE = "https://forum.nordwind.example"
PARTITIONS = 4
# The same native ids occur under both brands, which must not matter.
BRANDS = ("demo", "nordwind")
WORDS = {"service": "Rechnung", "sales": "Angebot", "hr": "Bewerbung", "pr": "Interview"}
RAFFLE = "Gewinnspiel"
CONFIG = f"""
brands = {json.dumps(BRANDS)}
rules = [
  {{name = "raffle", when = {{words = ["{RAFFLE}"]}}, then = {{discard = true}}}},
  {{name = "bill", when = {{words = ["{WORDS["service"]}"]}}, then = {{department = "service"}}}},
  {{name = "offer", when = {{words = ["{WORDS["sales"]}"]}}, then = {{department = "sales"}}}},
  {{name = "job", when = {{words = ["{WORDS["hr"]}"]}}, then = {{department = "hr"}}}},
  {{name = "press", when = {{words = ["{WORDS["pr"]}"]}}, then = {{department = "pr"}}}},
]
"""
"""What decides is in the text, so that the end of a mention does not hang on what a model has learned."""
FREE_TEXTS = (
    "Schönes Wetter heute am Hafen",
    "Mein Rad klappert seit gestern, was kann ich tun?",
    "My parcel never arrived and nobody answers the phone",
    "😀😀😀",
    "",
)
"""Texts without any of these words: the classifier decides, and either end is right."""


@dataclass(frozen=True, slots=True)
class Change:
    """One change of one mention; its text belongs to `department`, "" is a discard, None leaves it to the model."""

    op: str
    mention: str
    thread: str
    text: str = ""
    department: str | None = ""
    revision: str = ""


@dataclass(frozen=True, slots=True)
class Poison:
    """One item that cannot be read, or a whole delivery: why, and the field at fault."""

    reason: str
    field: str | None


@dataclass(frozen=True, slots=True)
class Delivery:
    """One record for mentions.raw and what it holds; a `Poison` instead of items where nothing can be read."""

    value: bytes | None
    partition: int
    brand: str = ""
    items: tuple[Change | Poison, ...] | Poison = ()

    @property
    def changes(self) -> list[Change]:
        items = () if isinstance(self.items, Poison) else self.items
        return [one for one in items if isinstance(one, Change)]


class Feed:
    """Makes deliveries: single mentions and batches, in threads, with edits, deletions, repeats and poison."""

    def __init__(self, seed: int = 1) -> None:
        self._random = Random(seed)  # noqa: S311  # no secret: the same feed each time
        self._numbers: Counter[str] = Counter()
        self._open: dict[tuple[str, int], list[list[Change]]] = defaultdict(list)
        self._made = 0

    def take(self, count: int) -> list[Delivery]:
        """The next deliveries; one in a hundred is poison as a whole, and some batches hold one poisoned item."""
        return [self._poison() if self._random.random() < 0.01 else self._next() for _ in range(count)]

    def _next(self) -> Delivery:
        chance = self._random
        brand = chance.choices(BRANDS, (3, 1))[0]
        partition = chance.randrange(PARTITIONS)
        size = chance.randint(2, 6) if chance.random() < 0.12 else 1
        items: list[Change | Poison] = [self._change(brand, partition) for _ in range(size)]
        natives = [self._native(one) for one in items if isinstance(one, Change)]
        if size > 1 and chance.random() < 0.1:
            place = chance.randrange(size + 1)
            native, poison = self._poisoned_item(place)
            natives.insert(place, native)
            items.insert(place, poison)
        body = json.dumps(natives if len(natives) > 1 else natives[0])
        return Delivery(self._envelope(body, brand=brand), partition, brand, tuple(items))

    def _change(self, brand: str, partition: int) -> Change:
        threads = self._open[brand, partition]
        while len(threads) < 30:
            threads.append(self._thread(brand))
        thread = self._random.choice(threads)
        change = thread.pop(0)
        if not thread:
            threads.remove(thread)
        return change

    def _thread(self, brand: str) -> list[Change]:
        """All changes of a new thread, in order."""
        chance = self._random
        number = self._numbers[brand]
        self._numbers[brand] += 1
        thread = f"t{number}"
        if chance.random() < 0.05:
            return [Change("created", f"{thread}-m0", thread, chance.choice(FREE_TEXTS), None)]
        department = chance.choice(list(WORDS))
        placed: list[tuple[float, Change]] = []
        for count in range(chance.choices((1, 2, 3, 6), (5, 3, 2, 1))[0]):
            mention = f"{thread}-m{count}"
            created = self._version("created", mention, thread, department, 0)
            placed.append((count, created))
            if chance.random() < 0.05:
                placed.append((count + 3 * chance.random() + 0.1, created))
            if chance.random() < 0.1:
                for revision in range(1, chance.randint(2, 3)):
                    edited = self._version("edited", mention, thread, department, revision)
                    placed.append((count + 3 * chance.random() + 0.1, edited))
            if chance.random() < 0.12:
                before = chance.random() < 0.25
                at = count - 0.5 if before else count + 4 * chance.random() + 0.1
                placed.append((at, Change("deleted", mention, thread)))
        return [change for _, change in sorted(placed, key=lambda one: one[0])]

    def _version(self, op: str, mention: str, thread: str, department: str, revision: int) -> Change:
        raffle = self._random.random() < 0.1
        word = RAFFLE if raffle else WORDS[department]
        text = f"{word}: für {mention} bitte, Fassung {revision} 🚲"
        name = f"r{revision}-{mention}" if revision else ""
        return Change(op, mention, thread, text, "" if raffle else department, name)

    def _native(self, change: Change) -> dict[str, Any]:
        moment = datetime.now(UTC).isoformat()
        data: dict[str, Any] = {"id": change.mention, "deleted_at": moment}
        if change.op != "deleted":
            data = {
                "id": change.mention,
                "kind": "comment",
                "thread": change.thread,
                "text": change.text,
                "author": {"id": f"u-{change.thread}", "handle": "radler"},
                "created_at": moment,
                "language": "de",
            }
        event_id = change.revision or f"{change.op}-{change.mention}"
        return _cloud_event(change.op, event_id, data)

    def _poisoned_item(self, place: int) -> tuple[dict[str, Any], Poison]:
        data = {"id": f"bad-{self._made}", "text": "x", "author": {"id": "u"}, "created_at": "2026-01-01T00:00:00Z"}
        where = f"[{place}].data"
        kind = self._random.randrange(3)
        if kind == 0:
            del data["author"]
            poison = Poison("missing_field", f"{where}.author")
        elif kind == 1:
            data["text"] = "halb \ud83d"
            poison = Poison("invalid_unicode", f"{where}.text")
        else:
            data["created_at"] = "0001-01-01T00:00:00Z"
            poison = Poison("invalid_time", f"{where}.created_at")
        return _cloud_event("created", f"e-bad-{self._made}", data), poison

    def _poison(self) -> Delivery:
        self._made += 1
        partition = self._random.randrange(PARTITIONS)
        broken = '{"specversion": "1.0", "id": '
        value, poison = self._random.choice(
            [
                (b"\x00 no delivery %d" % self._made, Poison("broken_envelope", None)),
                (self._envelope(broken), Poison("broken_body", "body")),
                (self._envelope("{}", channel="telex"), Poison("unknown_channel", "channel")),
                (self._envelope("{}", brand="sturmvogel"), Poison("unknown_brand", "brand")),
                (self._envelope('"a text alone"'), Poison("invalid_field", None)),
            ]
        )
        return Delivery(value, partition, "", poison)

    def _envelope(self, body: str, **fields: str) -> bytes:
        self._made += 1
        values = {
            "delivery_id": f"d-{self._made}",
            "brand": BRANDS[0],
            "channel": "cloudevents",
            "connector": "test",
            "received_at": datetime.now(UTC).isoformat(),
            "body": body,
            **fields,
        }
        return json.dumps(values).encode()


def _cloud_event(op: str, event_id: str, data: dict[str, Any]) -> dict[str, Any]:
    kind = f"silofrei.mention.{op}"
    return {"specversion": "1.0", "type": kind, "source": SOURCE, "id": event_id, "data": data}


@dataclass(slots=True)
class Expected:
    """One event that must come, once; `at` is when it was applied, as soon as it was found."""

    type: str
    mention: str = ""
    text: str = ""
    rule: str = ""
    at: float | None = None


@dataclass(slots=True)
class ExpectedTicket:
    """One ticket that must be there; its first event opens it."""

    brand: str
    thread: str
    department: str
    events: list[Expected]
    texts: dict[str, str] = field(default_factory=dict)
    """Text of each mention, "" once it was deleted."""
    deleted: set[str] = field(default_factory=set)
    resolved: bool = False


@dataclass(slots=True)
class _Known:
    """What the model remembers of a mention."""

    place: ExpectedTicket | str | None = None
    deleted: bool = False
    revisions: set[str] = field(default_factory=set)


class Book:
    """What must come of these records, read in the order of each partition.

    Attributes:
        tickets: by brand and the mention that opens them.
        discards: in order, by brand and mention.
        free: mentions whose end the classifier decides: exactly one of a ticket of their own and a discard.
        dead: dead letters by partition, offset and item.
        by_record: all that each record must cause, by partition, in the order of the offsets.
    """

    def __init__(self, records: Iterable[tuple[int, int, Delivery]]) -> None:
        self.tickets: dict[tuple[str, str], ExpectedTicket] = {}
        self.discards: dict[tuple[str, str], list[Expected]] = defaultdict(list)
        self.free: dict[tuple[str, str], Expected] = {}
        self.dead: dict[tuple[int, int, int | None], tuple[Poison, Expected]] = {}
        self.by_record: dict[int, list[list[Expected]]] = defaultdict(list)
        self.known: dict[tuple[str, str], _Known] = defaultdict(_Known)
        self._threads: dict[tuple[str, str], ExpectedTicket] = {}
        for partition, offset, delivery in records:
            caused: list[Expected] = []
            assert offset == len(self.by_record[partition])
            self.by_record[partition].append(caused)
            items = (delivery.items,) if isinstance(delivery.items, Poison) else delivery.items
            for number, item in enumerate(items):
                if isinstance(item, Poison):
                    place = None if isinstance(delivery.items, Poison) else number
                    expected = Expected("dead-letter")
                    self.dead[partition, offset, place] = item, expected
                    caused.append(expected)
                else:
                    caused += self._change(delivery.brand, item)

    def _change(self, brand: str, change: Change) -> list[Expected]:
        known = self.known[brand, change.mention]
        if change.op == "deleted":
            return self._delete(brand, change, known)
        if known.deleted:
            if known.place is not None:
                return []
            known.place = "discard"
            return [self._discard(brand, change, "", "deleted-first")]
        if known.place is not None and (change.op == "created" or change.revision in known.revisions):
            return []
        known.revisions.add(change.revision)
        if isinstance(known.place, ExpectedTicket):
            known.place.texts[change.mention] = change.text
            known.place.events.append(Expected("mention.edited", change.mention, change.text))
            return known.place.events[-1:]
        return self._place(brand, change, known)

    def _place(self, brand: str, change: Change, known: _Known) -> list[Expected]:
        if change.department is None:
            known.place = "free"
            self.free[brand, change.mention] = Expected("", change.mention, change.text)
            return [self.free[brand, change.mention]]
        if change.department == "":
            known.place = "discard"
            return [self._discard(brand, change, change.text, "raffle")]
        ticket = self._threads.get((brand, change.thread))
        if ticket is None:
            ticket = ExpectedTicket(brand, change.thread, change.department, [])
            self._threads[brand, change.thread] = self.tickets[brand, change.mention] = ticket
        ticket.events.append(
            Expected("mention.appended" if ticket.events else "ticket.opened", change.mention, change.text)
        )
        ticket.texts[change.mention] = change.text
        known.place = ticket
        return ticket.events[-1:]

    def _discard(self, brand: str, change: Change, text: str, rule: str) -> Expected:
        self.discards[brand, change.mention].append(Expected("mention.discarded", change.mention, text, rule))
        return self.discards[brand, change.mention][-1]

    def _delete(self, brand: str, change: Change, known: _Known) -> list[Expected]:
        if known.deleted:
            return []
        known.deleted = True
        ticket = known.place
        if not isinstance(ticket, ExpectedTicket):
            return []
        caused = [Expected("mention.deleted", change.mention)]
        ticket.texts[change.mention] = ""
        ticket.deleted.add(change.mention)
        if ticket.deleted == ticket.texts.keys():
            ticket.resolved = True
            caused.append(Expected("ticket.resolved"))
            del self._threads[brand, ticket.thread]
        ticket.events += caused
        return caused


class Commits:
    """Watches the committed offsets of the worker's group, all the time, in a thread."""

    def __init__(self, surroundings: Any) -> None:
        self._settings = surroundings.settings
        self._group, topic = surroundings.topics.worker_group, surroundings.topics.raw
        self._tps = [TopicPartition(topic, partition) for partition in range(PARTITIONS)]
        self.samples: list[tuple[float, dict[int, int]]] = []
        """When the broker had answered, and the committed offset of each partition."""
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="commits")

    def __enter__(self) -> "Commits":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join(60)

    def _run(self) -> None:
        while not self._ended.is_set():
            with suppress(KafkaError, ConfigurationError), admin_client(self._settings) as admin:
                while not self._ended.wait(0.05):
                    found = admin.list_group_offsets({self._group: self._tps})[self._group]
                    offsets = {tp.partition: one.offset for tp, one in found.items() if one.offset > 0}
                    self.samples.append((time.time(), offsets))
            self._ended.wait(0.5)


class Load:
    """Sends deliveries and remembers which the broker has confirmed."""

    def __init__(self, surroundings: Any, feed: Feed) -> None:
        self._topic, self._feed = surroundings.topics.raw, feed
        self._lock = threading.Lock()
        options = kafka_python_producer_options(surroundings.settings, max_request_size=10_000_000)
        self._producer = KafkaProducer(**options)
        self.sent: list[Delivery] = []
        self._futures: list[Any] = []
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None

    def send(self, count: int) -> list[Delivery]:
        """Hand the next deliveries to the producer."""
        with self._lock:
            deliveries = self._feed.take(count)
            for one in deliveries:
                self._futures.append(self._producer.send(self._topic, one.value, partition=one.partition))
                self.sent.append(one)
        return deliveries

    def flush(self) -> None:
        """Wait until the broker has all; fails where it did not take one."""
        self._producer.flush(timeout=120)
        for future in self._futures:
            future.get(timeout=120)

    @contextmanager
    def running(self, per_second: int) -> Iterator[None]:
        """Sends all the time."""

        def run() -> None:
            while not self._ended.wait(0.1):
                self.send(per_second // 10)

        self._thread = threading.Thread(target=run, name="load")
        self._thread.start()
        try:
            yield
        finally:
            self._ended.set()
            self._thread.join(120)

    def close(self) -> None:
        """End it; what a broker that is gone has not taken is let go."""
        self._ended.set()
        with suppress(KafkaError):
            self._producer.close(timeout=5)


def frozen(pid: int) -> None:
    """Stop a process in its tracks; returns once it stands still and what it had sent has arrived."""
    os.kill(pid, signal.SIGSTOP)
    while Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "T":
        time.sleep(0.001)
    time.sleep(0.02)


class Audit:
    """Compares Kafka and Redis with what must have come of the deliveries."""

    def __init__(self, surroundings: Any, load: Load) -> None:
        self._at, self._load = surroundings, load
        self._topics = surroundings.topics
        self._redis = redis.Redis.from_url(surroundings.redis.url)
        self._there: set[str] = set()

    # --- While it runs

    def applied(self) -> int:
        """How many mentions the queue knows."""
        marks = [self._mark(brand, one.mention) for brand, one in self._sent_changes()]
        return sum(self._exist(sorted(set(marks))))

    def torn(self) -> list[int]:
        """Partitions where the queue has a later record's mentions and not an earlier one's: a fetch is half done."""
        partitions: dict[int, list[list[str]]] = defaultdict(list)
        seen: set[str] = set()
        for delivery in self._load.sent:
            marks = {self._mark(delivery.brand, one.mention) for one in delivery.changes} - seen
            seen |= marks
            if marks:
                partitions[delivery.partition].append(sorted(marks))
        found = []
        for partition, records in sorted(partitions.items()):
            self._exist([mark for marks in records for mark in marks])
            states = [[mark in self._there for mark in marks] for marks in records]
            missing = next((number for number, state in enumerate(states) if not any(state)), len(states))
            if any(all(state) for state in states[missing:]):
                found.append(partition)
        return found

    def doubled(self) -> int:
        """Events that are in Kafka and still in the outbox; exact until a relay has been killed."""
        (added, length) = (0, 0)
        for brand in BRANDS:
            stream = f"sf:{{{brand}}}:outbox"
            if self._redis.exists(stream):
                added += self._redis.xinfo_stream(stream)["entries-added"]
                length += self._redis.xlen(stream)
        return self._end(self._topics.events) - (added - length)

    def relay_active(self) -> bool:
        """Whether a relay has the lease of a brand."""
        return any(self._redis.exists(f"sf:{{{brand}}}:relay") for brand in BRANDS)

    def outbox(self) -> int:
        """Events that are not yet safe in Kafka."""
        return sum(self._redis.xlen(f"sf:{{{brand}}}:outbox") for brand in BRANDS)

    def settled(self) -> bool:
        """Whether all that was sent has been routed and relayed."""
        return self._at.lag() == 0 and self.outbox() == 0

    # --- Afterwards

    def check(self, commits: Commits | None = None, *, claimed: int = 0) -> Book:
        """Everything that was sent has come to its one end; `claimed` is how many claims people made meanwhile."""
        records = self._records()
        book = Book(records)
        events = self._events(claimed)
        self._check_discards(book, events)
        ids = self._check_tickets(book, events)
        assert all(one.at is not None for one in book.free.values()), "mentions without an end"
        self._check_feeds(events)
        self._check_dead(book)
        self._check_redis(book, ids)
        ends = {partition: len(caused) for partition, caused in book.by_record.items()}
        assert self._at.committed() == ends
        if commits is not None:
            self._check_commits(book, commits)
        return book

    def _records(self) -> list[tuple[int, int, Delivery]]:
        by_value = {one.value: one for one in self._load.sent}
        assert len(by_value) == len(self._load.sent)
        records = [
            (one.partition, one.offset, by_value[one.value]) for one in read_topic(self._at.settings, self._topics.raw)
        ]
        assert {delivery.value for _, _, delivery in records} == by_value.keys(), "the broker lost deliveries"
        return records

    def _events(self, claimed: int) -> list[dict[str, Any]]:
        """The events of tickets.events, each once and as it was first written; the order in each ticket is right."""
        found: dict[str, dict[str, Any]] = {}
        latest: dict[str, int] = {}
        for record in read_topic(self._at.settings, self._topics.events):
            event = json.loads(record.value or b"")
            if event["event_id"] in found:
                assert found[event["event_id"]] == event, "two events have one id"
                continue
            TICKET_EVENT.validate_json(record.value or b"")
            found[event["event_id"]] = event
            if "ticket_id" in event:
                assert event["seq"] == latest.get(event["ticket_id"], 0) + 1, f"a gap before {event}"
                latest[event["ticket_id"]] = event["seq"]
        events = list(found.values())
        kinds = Counter(event["type"] for event in events)
        assert kinds.pop("ticket.claimed", 0) == claimed
        self.kinds = kinds
        return [event for event in events if event["type"] != "ticket.claimed"]

    def _check_discards(self, book: Book, events: Iterable[dict[str, Any]]) -> None:
        found: dict[tuple[str, str], list[dict[str, Any]]] = defaultdict(list)
        for event in events:
            if event["type"] == "mention.discarded":
                found[event["brand"], _native_id(event["mention"]["id"])].append(event)
        for key, free in book.free.items():
            if key in found:
                (event,) = found.pop(key)
                free.at = _seconds(event["at"])
        assert found.keys() == book.discards.keys()
        for key, expected in book.discards.items():
            assert [(one["rule"], one["mention"]["text"]) for one in found[key]] == [
                (one.rule, one.text) for one in expected
            ], key
            for one, event in zip(expected, found[key], strict=True):
                one.at = _seconds(event["at"])

    def _check_tickets(self, book: Book, events: Iterable[dict[str, Any]]) -> dict[str, ExpectedTicket | None]:
        """Every ticket has exactly the expected events; returns what each ticket id stands for, None: the model's."""
        by_ticket: dict[str, list[dict[str, Any]]] = defaultdict(list)
        for event in events:
            if "ticket_id" in event:
                by_ticket[event["ticket_id"]].append(event)
        ids: dict[str, ExpectedTicket | None] = {}
        opened: set[tuple[str, str]] = set()
        for ticket_id, found in by_ticket.items():
            first = found[0]
            key = (first["brand"], _native_id(first["mention"]["id"]))
            assert key not in opened, f"two tickets for {key}"
            opened.add(key)
            if key in book.free:
                (event,) = found
                assert book.free[key].at is None, f"{key} is discarded and in a ticket"
                assert event["mention"]["text"] == book.free[key].text
                book.free[key].at = _seconds(event["at"])
                ids[ticket_id] = None
                continue
            assert key in book.tickets, f"{key} has a ticket that nobody expects"
            ticket = ids[ticket_id] = book.tickets[key]
            assert first["thread_id"] == f"cloudevents:{SOURCE}/{ticket.thread}"
            assert {event["department"] for event in found} == {ticket.department}
            assert [_told(event) for event in found] == [(one.type, one.mention, one.text) for one in ticket.events]
            for one, event in zip(ticket.events, found, strict=True):
                one.at = _seconds(event["at"])
        assert book.tickets.keys() <= opened, "mentions without a ticket"
        return ids

    def _check_feeds(self, events: Iterable[dict[str, Any]]) -> None:
        by_department: dict[str, set[str]] = defaultdict(set)
        for event in events:
            if "department" in event:
                by_department[event["department"]].add(event["event_id"])
        for department in (*WORDS, "triage"):
            feed = [
                json.loads(one.value or b"")
                for one in read_topic(self._at.settings, self._topics.department(department))
            ]
            found = {event["event_id"] for event in feed if event["type"] != "ticket.claimed"}
            assert found == by_department[department], department

    def _check_dead(self, book: Book) -> None:
        found: dict[tuple[int, int, int | None], Any] = {}
        values: dict[str, dict[str, Any]] = {}
        for record in read_topic(self._at.settings, self._topics.dead_letters):
            letter = json.loads(record.value or b"")
            origin = letter["origin"]
            assert origin["topic"] == self._topics.raw
            place = (origin["partition"], origin["offset"], origin["item"])
            # Written twice after a kill it is one dead letter, with one moment of its own each time.
            letter.pop("at")
            assert values.setdefault(letter["dead_letter_id"], letter) == letter
            found.setdefault(place, (letter["reason"], letter["field"], record.timestamp / 1000))
        assert {place: found[place][:2] for place in found} == {
            place: (poison.reason, poison.field) for place, (poison, _) in book.dead.items()
        }
        for place, (_, expected) in book.dead.items():
            expected.at = found[place][2]

    def _check_redis(self, book: Book, ids: dict[str, ExpectedTicket | None]) -> None:
        for brand in BRANDS:
            own = {one: ticket for one, ticket in ids.items() if self._redis.exists(f"sf:{{{brand}}}:ticket:{one}")}
            assert set(self._keys(brand, "ticket:")) == own.keys()
            marks = {_native_id(key) for key in self._keys(brand, "mention:")}
            assert marks == {mention for of, mention in book.known if of == brand}
            tickets = self._tickets(brand, own)
            held: Counter[str] = Counter()
            for ticket_id, expected in own.items():
                ticket = tickets[ticket_id]
                texts = {_native_id(one.mention.id): one.mention.text for one in ticket.mentions}
                held.update(texts.keys())
                if expected is None:
                    continue
                assert (expected.brand, expected.department) == (brand, ticket.department)
                assert texts == expected.texts, ticket_id
                assert {_native_id(one.mention.id) for one in ticket.mentions if one.deleted_at} == expected.deleted
                assert (ticket.status.value == "resolved") == expected.resolved
            assert not {one: count for one, count in held.items() if count != 1}, "mentions in two tickets"
            places = Counter(
                one.decode()
                for department in (*WORDS, "triage")
                for kind in ("queue", "claims")
                for one in self._redis.zrange(f"sf:{{{brand}}}:{kind}:{department}", 0, -1)
            )
            assert places == Counter(one for one, ticket in tickets.items() if ticket.status.value != "resolved")
        assert sum(len(self._keys(brand, "ticket:")) for brand in BRANDS) == len(ids)

    def _tickets(self, brand: str, ids: Iterable[str]) -> dict[str, Ticket]:
        async def read() -> dict[str, Ticket]:
            queue = TicketQueue.connect(self._at.settings)
            try:
                found = {one: await queue.ticket(brand, one) for one in ids}
                return {one: ticket for one, ticket in found.items() if ticket is not None}
            finally:
                await queue.close()

        return asyncio.run(read())

    def _check_commits(self, book: Book, commits: Commits) -> None:
        # When all up to each record was done; a repeat causes nothing and needs nothing.
        done: dict[int, list[float]] = {}
        for partition, records in book.by_record.items():
            done[partition] = [0.0]
            for caused in records:
                done[partition].append(max([done[partition][-1], *[one.at for one in caused if one.at is not None]]))
        before: dict[int, int] = {}
        # How many there are is a matter of speed; without any in mid-way the check below would see nothing.
        assert len({tuple(sorted(offsets.items())) for _, offsets in commits.samples}) > 2, "too few different samples"
        for at, offsets in commits.samples:
            for partition, offset in offsets.items():
                assert done[partition][offset] <= at, f"partition {partition} was committed to {offset} too early"
                assert offset >= before.get(partition, 0), f"the commit of partition {partition} went back"
            before.update(offsets)

    def _sent_changes(self) -> Iterator[tuple[str, Change]]:
        return ((delivery.brand, one) for delivery in self._load.sent for one in delivery.changes)

    def _mark(self, brand: str, mention: str) -> str:
        return f"sf:{{{brand}}}:mention:cloudevents:{SOURCE}/{mention}"

    def _exist(self, keys: Sequence[str]) -> list[bool]:
        # No mark goes away during a test, so that it is asked for once.
        pipeline = self._redis.pipeline(transaction=False)
        asked = [key for key in keys if key not in self._there]
        for key in asked:
            pipeline.exists(key)
        self._there.update(key for key, there in zip(asked, pipeline.execute(), strict=True) if there)
        return [key in self._there for key in keys]

    def _keys(self, brand: str, kind: str) -> list[str]:
        prefix = f"sf:{{{brand}}}:{kind}"
        return [key.decode().removeprefix(prefix) for key in self._redis.scan_iter(f"{prefix}*", count=1000)]

    def _end(self, topic: str) -> int:
        tps = {TopicPartition(topic, partition): OffsetSpec.LATEST for partition in range(PARTITIONS)}
        with admin_client(self._at.settings) as admin:
            return sum(one.offset for one in admin.list_partition_offsets(tps).values())


def _native_id(mention_id: str) -> str:
    prefix = f"cloudevents:{SOURCE}/"
    assert mention_id.startswith(prefix)
    return mention_id.removeprefix(prefix)


def _told(event: dict[str, Any]) -> tuple[str, str, str]:
    """Kind, mention and text of an event of a ticket."""
    mention = event.get("mention") or {"id": event.get("mention_id"), "text": ""}
    return event["type"], _native_id(mention["id"]) if mention["id"] else "", mention["text"]


def _seconds(moment: str) -> float:
    return datetime.fromisoformat(moment).timestamp()


class Scene:
    """A worker's and relay's surroundings, the load on them, the watch over the commits and the audit."""

    def __init__(self, surroundings: Any, folder: Path) -> None:
        self.surroundings = surroundings
        self._config = folder / "silofrei.toml"
        self._config.write_text(CONFIG, encoding="utf-8")
        self.load = Load(surroundings, Feed())
        self.audit = Audit(surroundings, self.load)
        self.commits = Commits(surroundings)

    def worker(self, slot: str = "0", **values: object) -> Any:
        """Start a worker with the rules of this feed."""
        return self.surroundings.worker(slot, config=self._config, **values)

    def relay(self, **values: object) -> Any:
        """Start a relay for the brands of this feed."""
        return self.surroundings.relay(config=self._config, **values)

    def freeze_when(self, process: Any, holds: Callable[[], object], burst: int = 0, seconds: float = 60) -> None:
        """Stop a process in a moment in which it is so: seen in passing, then made sure of while it stands still.

        A quick process may be through with a burst between two looks, so the next one comes every other second.
        """
        until = time.monotonic() + seconds
        next_burst = time.monotonic()
        while True:
            self._in_time(process, until)
            if burst and time.monotonic() >= next_burst:
                self.load.send(burst)
                next_burst = time.monotonic() + 2
            if holds():
                frozen(process.pid)
                if holds():
                    return
                process.signal(signal.SIGCONT)
            time.sleep(0.02)

    def kill_when(self, process: Any, holds: Callable[[], object], burst: int = 0) -> None:
        """SIGKILL in such a moment."""
        self.freeze_when(process, holds, burst)
        process.kill()

    def kill_in_step(
        self, process: Any, begun: Callable[[], object], holds: Callable[[], object], seconds: float = 60
    ) -> None:
        """SIGKILL in a moment too short to be seen in passing: once it has begun, it goes on in small steps."""
        until = time.monotonic() + seconds
        while not begun():
            self._in_time(process, until)
            time.sleep(0.002)
        while True:
            frozen(process.pid)
            if holds():
                process.kill()
                return
            process.signal(signal.SIGCONT)
            self._in_time(process, until)
            time.sleep(0.005)

    def _in_time(self, process: Any, until: float) -> None:
        assert process.running, process.says()[-3000:]
        assert time.monotonic() < until, f"no such moment came\n{process.says()[-3000:]}"

    def until(self, holds: Callable[[], object], seconds: float, *processes: Any) -> None:
        """Wait until it is so, while all these processes go on."""
        until = time.monotonic() + seconds
        while not holds():
            said = "\n".join(one.says()[-2000:] for one in processes)
            assert all(one.running for one in processes), f"one has ended\n{said}"
            assert time.monotonic() < until, f"not so within {seconds:g} s\n{said}"
            time.sleep(0.1)

    def busy_until(self, holds: Callable[[], object], seconds: float, *processes: Any) -> None:
        """As `until`, with a backlog all the time, so that a rebalance meets fetches that are under way."""

        def busy() -> object:
            if self.surroundings.lag() < 400:
                self.load.send(400)
            return holds()

        self.until(busy, seconds, *processes)


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Callable[[Any], Scene]]:
    """Sets a scene in these surroundings."""
    scenes: list[Scene] = []

    def make(surroundings: Any) -> Scene:
        scenes.append(Scene(surroundings, tmp_path))
        return scenes[-1]

    yield make
    while scenes:
        scenes.pop().load.close()


@pytest.fixture
def scene(stage: Callable[[Any], Scene], surroundings: Any) -> Scene:
    """A scene on the Kafka that all tests share."""
    return stage(surroundings)
