"""From an event to a row: the columns, and what must not be in the ledger."""

from datetime import UTC, datetime
from typing import Any

import pytest

from silofrei.schemas.event import TICKET_EVENT
from silofrei.streams.ledger_rows import SCHEMA, UNREADABLE, ledger_row, ledger_table

AT = "2026-11-20T10:00:00Z"
MENTION = {
    "id": "facebook:1_2",
    "brand": "demo",
    "channel": "facebook",
    "kind": "comment",
    "author": {"id": "SECRET-author", "handle": "SECRET-handle", "name": "SECRET-name", "followers": 5},
    "text": "SECRET-text",
    "language": "de-AT",
    "created_at": "2026-11-20T09:58:00Z",
    "received_at": "2026-11-20T09:59:00.250Z",
    "permalink": "https://example.org/SECRET-link",
    "thread_id": "facebook:1",
    "media": [{"type": "image", "url": "https://example.org/SECRET-picture"}],
}
CLASSIFICATION = {
    "label": "hr",
    "scores": {"service": 0.1, "sales": 0.1, "hr": 0.8, "pr": 0, "none": 0},
    "language": "de",
    "abstained": False,
    "evidence": [{"start": 0, "end": 6, "text": "SECRET-excerpt", "label": "hr", "weight": 1.5}],
    "model": "linear-1-abc",
}
TICKET = {"brand": "demo", "at": AT, "ticket_id": "t-1", "seq": 3, "department": "hr"}
EVENTS: list[dict[str, Any]] = [
    {**TICKET, "type": "ticket.opened", "event_id": "t-1:1", "channel": "facebook", "thread_id": "facebook:1",
     "priority": 1, "due_at": "2026-11-20T14:00:00Z", "rule": "model", "mention": MENTION,
     "classification": CLASSIFICATION},
    {**TICKET, "type": "mention.appended", "event_id": "t-1:2", "mention": MENTION},
    {**TICKET, "type": "mention.edited", "event_id": "t-1:3", "mention": MENTION, "revision": "2"},
    {**TICKET, "type": "mention.deleted", "event_id": "t-1:4", "mention_id": "facebook:1_2"},
    {**TICKET, "type": "ticket.claimed", "event_id": "t-1:5", "holder": "anna", "token": 7, "lease_until": AT},
    {**TICKET, "type": "ticket.released", "event_id": "t-1:6", "holder": "anna", "reason": "SECRET-reason"},
    {**TICKET, "type": "lease.expired", "event_id": "t-1:7", "holder": "anna", "attempts": 1},
    {**TICKET, "type": "ticket.transferred", "event_id": "t-1:8", "holder": "anna", "from_department": "service",
     "reason": "SECRET-reason"},
    {**TICKET, "type": "ticket.resolved", "event_id": "t-1:9", "holder": "anna", "outcome": "application",
     "note": "SECRET-note"},
    {"brand": "demo", "at": AT, "type": "mention.discarded", "event_id": "facebook:1_2", "reason": "not_actionable",
     "rule": "model-none", "mention": MENTION, "classification": CLASSIFICATION},
]  # fmt: skip


def record(event: dict[str, Any]) -> bytes:
    """As the queue writes it: validated and dumped by the contract."""
    return TICKET_EVENT.dump_json(TICKET_EVENT.validate_python(event))


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: event["type"])
def test_no_text_and_no_author_gets_in(event: dict[str, Any]) -> None:
    value = record(event)
    row = ledger_row(4, value)
    assert "SECRET" not in str(row)
    assert row["type"] == event["type"]
    assert row["event_id"] == event["event_id"]
    assert ledger_table([row]).num_rows == 1


def test_every_event_type_is_tried_here() -> None:
    known = {
        schema["properties"]["type"]["const"]
        for name, schema in TICKET_EVENT.json_schema()["$defs"].items()
        if "event_id" in schema.get("properties", {})
    }
    assert {event["type"] for event in EVENTS} == known


def test_the_columns_of_an_opened_ticket() -> None:
    row = ledger_row(4, record(EVENTS[0]))
    event = row.pop("event")
    assert '"scores":{"service":0.1' in event
    assert '"id":"facebook:1_2"' in event
    assert row == {
        "offset": 4,
        "event_id": "t-1:1",
        "type": "ticket.opened",
        "brand": "demo",
        "ticket_id": "t-1",
        "seq": 3,
        "at": datetime(2026, 11, 20, 10, tzinfo=UTC),
        "department": "hr",
        "from_department": None,
        "channel": "facebook",
        "holder": None,
        "outcome": None,
        "priority": 1,
        "due_at": datetime(2026, 11, 20, 14, tzinfo=UTC),
        "rule": "model",
        "mention_id": "facebook:1_2",
        "published_at": datetime(2026, 11, 20, 9, 58, tzinfo=UTC),
        "received_at": datetime(2026, 11, 20, 9, 59, 0, 250_000, tzinfo=UTC),
        "language": "de",
        "label": "hr",
        "model": "linear-1-abc",
    }
    assert set(row) | {"event", "reason"} == set(SCHEMA.names)


def test_a_discard_keeps_its_reason_and_a_transfer_its_way() -> None:
    rows = {event["type"]: ledger_row(0, record(event)) for event in EVENTS}
    assert rows["mention.discarded"]["reason"] == "not_actionable"
    assert (rows["ticket.transferred"]["from_department"], rows["ticket.transferred"]["department"]) == (
        "service",
        "hr",
    )
    assert rows["ticket.resolved"]["outcome"] == "application"
    assert rows["mention.appended"]["language"] == "de-AT"
    assert rows["mention.deleted"]["mention_id"] == "facebook:1_2"


def test_fields_of_a_newer_version_do_not_get_in() -> None:
    value = record(EVENTS[1]).replace(b'"v":1', b'"v":2,"summary":"SECRET","mood":{"text":"SECRET"}')
    row = ledger_row(0, value)
    assert row["type"] == "mention.appended"
    assert "SECRET" not in str(row)


@pytest.mark.parametrize(
    "value",
    [
        None,
        b"",
        b"{",
        b"[]",
        b"7",
        b'"ticket"',
        b"{}",
        b"\xff\xfe",
        b'{"type":"ticket.claimed","event_id":"a","brand":"demo"}',
        b'{"type":"ticket.claimed","event_id":"a","brand":"demo","at":"yesterday"}',
        b'{"type":"ticket.claimed","event_id":"a","brand":"demo","at":"2026-11-20T10:00:00"}',
        b'{"type":"ticket.claimed","event_id":"a","brand":"demo","at":5}',
        b'{"type":"ticket.claimed","event_id":{},"brand":"demo","at":"2026-11-20T10:00:00Z"}',
        b'{"type":"ticket.opened","event_id":"a","brand":"demo","at":"2026-11-20T10:00:00Z","priority":300}',
        b'{"type":"ticket.opened","event_id":"a","brand":"demo","at":"2026-11-20T10:00:00Z","seq":99999999999999999999}',
        b'{"type":"ticket.opened","event_id":"a","brand":"demo","at":"2026-11-20T10:00:00Z","mention":"text"}',
        b'{"type":"ticket.opened","event_id":"a","brand":"demo","at":"2026-11-20T10:00:00Z","holder":"\\ud800"}',
    ],
)
def test_no_record_can_hold_up_the_ledger(value: bytes | None) -> None:
    row = ledger_row(9, value)
    assert row == {"offset": 9, "type": UNREADABLE}
    assert ledger_table([row]).to_pylist()[0]["event"] is None
