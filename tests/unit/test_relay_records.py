"""From outbox entries to records: topics, keys, and what is refused."""

import json
from datetime import UTC, datetime
from typing import Any

from pydantic_core import to_json

from silofrei.routing.queue.outbox import OutboxEntry
from silofrei.schemas.event import TICKET_EVENT
from silofrei.schemas.mention import Author, Media, Mention
from silofrei.schemas.names import Channel, DeadLetterReason, MentionKind
from silofrei.schemas.settings import Settings
from silofrei.streams.event_producer import EventRecord, TooLarge
from silofrei.streams.relay_records import prepare, replaced, shorten
from silofrei.streams.topics import Topics

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
TOPICS = Topics(Settings(_env_file=None, topic_prefix="t."))


def mention(text: str) -> Mention:
    return Mention(
        id="x:1",
        brand="demo",
        channel=Channel.X,
        kind=MentionKind.POST,
        author=Author(id="7", name="Jörg" * 200),
        text=text,
        created_at=NOW,
        received_at=NOW,
        thread_id="x:1",
        media=(Media(type="image", url="https://example.org/1.png"),),
    )


def entry(kind: str, number: int = 1, source: str | None = None, **fields: Any) -> OutboxEntry:
    department = None if kind == "mention.discarded" else "service"
    given = {
        name.encode(): value if isinstance(value, bytes) else str(value).encode() for name, value in fields.items()
    }
    return OutboxEntry(
        entry_id=f"1700000000000-{number}",
        type=kind,
        key="x:1" if department is None else "t-1",
        department=department,
        from_department=source,
        at=NOW,
        brand="demo",
        fields={b"s": str(number).encode(), b"e": b"cause", **given},
    )


def appended(text: str) -> OutboxEntry:
    return entry("mention.appended", m=to_json(mention(text)))


def test_an_event_goes_to_the_record_and_to_its_departments_feed() -> None:
    released = entry("ticket.released", 1, holder="anna", reason="")
    transferred = entry("ticket.transferred", 2, source="hr", holder="anna", reason="", **{"from": "hr"})
    discarded = entry(
        "mention.discarded", 3, m=to_json(mention("x")), b=b'"reason":"not_actionable","rule":"model-none"'
    )
    records, refused = prepare([released, transferred, discarded], TOPICS, NOW)
    assert [(record.topic, record.key, record.number) for record in records] == [
        ("t.tickets.events", b"t-1", 0),
        ("t.tickets.service", b"t-1", 0),
        ("t.tickets.events", b"t-1", 1),
        ("t.tickets.hr", b"t-1", 1),
        ("t.tickets.service", b"t-1", 1),
        ("t.tickets.events", b"x:1", 2),
    ]
    assert refused == []
    for record in records:
        TICKET_EVENT.validate_json(record.value)


def test_a_broken_entry_is_a_dead_letter_and_the_others_go_on() -> None:
    good = entry("ticket.released", 2, holder="anna", reason="")
    for broken in (entry("ticket.claimed", holder="anna", token="x"), entry("mention.appended"), entry("")):
        records, refused = prepare([broken, good], TOPICS, NOW)
        assert [record.number for record in records] == [1, 1]
        (letter,) = refused
        assert letter.reason is DeadLetterReason.REFUSED
        assert letter.dead_letter_id == "outbox.demo/0/1700000000000/1"
        assert "is no event of Silofrei" in letter.detail
        assert json.loads(letter.value)["e"] == "cause"


def too_large(of: OutboxEntry, value: bytes | None = None) -> TooLarge:
    return TooLarge(EventRecord("t.tickets.events", b"t-1", value or of.value(), 0))


def test_a_shortened_event_is_a_valid_event() -> None:
    large = appended("ä" * 40_000)
    short, letter = shorten(large, too_large(large), NOW)
    assert short is not None
    event = TICKET_EVENT.validate_json(short)
    assert event.type == "mention.appended"
    assert event.event_id == "t-1:1"
    assert event.mention.text == "ä" * 500 + " […]"
    assert event.mention.author.name == ("Jörg" * 125) + " […]"
    assert event.mention.media == ()
    assert event.mention.id == "x:1"
    assert letter.value == large.value()
    assert "has 81566 bytes" in letter.detail
    assert "SILOFREI_MAX_DELIVERY_BYTES" in letter.detail


def test_long_texts_of_staff_are_shortened_too() -> None:
    large = entry("ticket.resolved", holder="anna", outcome="solved", note="n" * 100_000)
    short, _ = shorten(large, too_large(large), NOW)
    assert short is not None
    assert TICKET_EVENT.validate_json(short).note == "n" * 500 + " […]"


def test_what_is_too_large_even_then_is_given_up_for_that_topic_alone() -> None:
    large = appended("ä" * 40_000)
    short, _ = shorten(large, too_large(large), NOW)
    assert short is not None
    given_up, letter = shorten(large, too_large(large, short), NOW)
    assert given_up is None
    assert "is missing in Kafka" in letter.detail
    assert letter.value == large.value()


def test_records_are_replaced_by_event_and_dropped_by_topic() -> None:
    one = [EventRecord(topic, b"k", b"whole", 0) for topic in ("events", "service")]
    other = EventRecord("events", b"k", b"other", 1)
    assert [record.value for record in replaced([*one, other], one[0], b"short")] == [b"short", b"short", b"other"]
    assert replaced([*one, other], one[0], None) == [one[1], other]
