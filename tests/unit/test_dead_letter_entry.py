import json
from datetime import UTC, datetime

from silofrei.schemas.dead_letter import DeadLetter, DeadLetterRedriven, Origin
from silofrei.schemas.delivery import RawDelivery
from silofrei.schemas.names import DeadLetterReason
from silofrei.streams.dead_letter_entry import entry_of
from silofrei.streams.dead_letters import native_body

NOW = datetime(2026, 11, 3, 9, 0, tzinfo=UTC)


def letter(value=b"", **fields):
    values = {
        "dead_letter_id": "mentions.raw/0/7/1",
        "origin": Origin(topic="mentions.raw", partition=0, offset=7, item=1),
        "reason": DeadLetterReason.MISSING_FIELD,
        "field": "entry[0].id",
        "detail": "entry[0].id is missing; add the id there and redrive",
        "brand": "demo",
        "channel": "x",
        "at": NOW,
        **fields,
    }
    return DeadLetter(value=value, **values)


def envelope(body, encoding="utf-8"):
    return (
        RawDelivery(
            delivery_id="d",
            brand="demo",
            channel="x",
            connector="t",
            received_at=NOW,
            body=body,
            body_encoding=encoding,
        )
        .model_dump_json()
        .encode()
    )


def test_a_list_names_where_why_and_what_to_do():
    assert entry_of(letter(envelope("[]"))).as_text().splitlines() == [
        "mentions.raw/0/7/1  missing_field  demo/x  2026-11-03 09:00:00 UTC",
        "  entry[0].id: entry[0].id is missing; add the id there and redrive",
    ]


def test_a_redriven_one_says_so():
    mark = DeadLetterRedriven(dead_letter_id="mentions.raw/0/7/1", at=NOW, repaired=True)
    entry = entry_of(letter(brand=None, channel=None, field=None)).marked(mark)
    assert entry.as_text().splitlines() == [
        "mentions.raw/0/7/1  missing_field  unknown source  2026-11-03 09:00:00 UTC",
        "  entry[0].id is missing; add the id there and redrive",
        "  repaired and redriven 2026-11-03 09:00:00 UTC",
    ]
    assert json.loads(entry.as_json())["redriven_at"] == "2026-11-03T09:00:00+00:00"


def test_a_program_gets_the_native_payload_to_repair():
    row = json.loads(entry_of(letter(envelope('{"a": 1}'))).as_json())
    assert row["body"] == '{"a": 1}'
    assert row["reason"] == "missing_field"
    assert row["origin"] == {"topic": "mentions.raw", "partition": 0, "offset": 7, "item": 1}
    assert row["redriven_at"] is None
    assert "value" not in row


def test_large_and_binary_payloads_stay_out_of_a_list():
    large = envelope("x" * 70_000)
    assert (entry_of(letter(large)).body, entry_of(letter(large)).size) == (None, len(large))
    assert entry_of(letter(envelope("/w==", "base64"))).body is None


def test_a_list_does_not_hold_the_bytes():
    assert entry_of(letter(envelope("[]"))).letter.value == b""


def test_the_payload_for_an_editor():
    assert native_body(letter(envelope("/w==", "base64"))) == b"\xff"
    assert native_body(letter(b"no envelope")) == b"no envelope"
