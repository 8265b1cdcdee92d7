"""From a record of `tickets.events` to a row of the ledger.

Owns: the columns, and what the ledger may hold. Leadership needs figures, not words: what people wrote (the mention's
text and links, the classifier's excerpts of it), what staff wrote about it (reasons, notes) and the author stay out,
because only the fields named here go in. `tickets.events` keeps all, under its own access rules and retention.

Records are picked apart rather than validated: the queue's events are valid by its own tests, validation would cost
five times as much, and an event of a newer version with further fields stays readable.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

import pyarrow as pa
from pydantic_core import from_json, to_json

from silofrei.schemas.names import DiscardReason

_MOMENT = pa.timestamp("us", tz="UTC")

SCHEMA = pa.schema(
    [
        pa.field("offset", pa.int64(), nullable=False),
        pa.field("event_id", pa.string()),
        pa.field("type", pa.string(), nullable=False),
        pa.field("brand", pa.string()),
        pa.field("ticket_id", pa.string()),
        pa.field("seq", pa.int64()),
        pa.field("at", _MOMENT),
        pa.field("department", pa.string()),
        pa.field("from_department", pa.string()),
        pa.field("channel", pa.string()),
        pa.field("holder", pa.string()),
        pa.field("outcome", pa.string()),
        pa.field("priority", pa.int8()),
        pa.field("due_at", _MOMENT),
        pa.field("rule", pa.string()),
        pa.field("reason", pa.string()),
        pa.field("mention_id", pa.string()),
        pa.field("published_at", _MOMENT),
        pa.field("received_at", _MOMENT),
        pa.field("language", pa.string()),
        pa.field("label", pa.string()),
        pa.field("model", pa.string()),
        pa.field("event", pa.string()),
    ]
)
"""`offset` is Kafka's; the partition is in the folder's name. `reason` is that of a discard. `event` is the event as
JSON, reduced to the fields below."""

UNREADABLE = "unreadable"
"""The `type` of a row whose record is no event that this version knows: the offset is kept, the record is in Kafka."""

_TEXTS = (
    *("event_id", "type", "brand", "ticket_id", "department", "from_department"),
    *("channel", "holder", "outcome", "rule"),
)
_KEPT = (
    *("v", *_TEXTS, "at", "seq", "thread_id", "collaborators", "priority", "due_at", "mention_id", "revision"),
    *("token", "lease_until", "attempts"),
)
_KEPT_OF_MENTION = (
    *("v", "id", "brand", "channel", "kind", "language", "created_at", "received_at", "thread_id", "parent_id"),
    *("engagement", "rating"),
)
_KEPT_OF_CLASSIFICATION = ("v", "label", "scores", "secondary", "language", "abstained", "model", "mood", "urgency")
_DISCARD_REASONS = frozenset(DiscardReason)


def ledger_row(offset: int, value: bytes | None) -> dict[str, Any]:
    """The row of one record; it never fails, so that no record can hold up the ledger.

    Args:
        offset: the record's offset in its partition.
        value: the record's value.
    """
    try:
        return {"offset": offset, **_columns(from_json(value or b"", allow_inf_nan=False))}
    except (ValueError, TypeError, KeyError, AttributeError):
        return {"offset": offset, "type": UNREADABLE}


def ledger_table(rows: Iterable[Mapping[str, Any]]) -> pa.Table:
    """The rows as a table of the ledger's schema."""
    return pa.Table.from_pylist(list(rows), schema=SCHEMA)


def _columns(event: dict[str, Any]) -> dict[str, Any]:
    row: dict[str, Any] = {name: _text(event.get(name)) for name in _TEXTS}
    if row["event_id"] is None or row["brand"] is None or row["type"] is None:
        raise KeyError("event_id")
    row["at"] = _moment(event["at"])
    row["seq"] = _whole(event.get("seq"))
    row["priority"] = _whole(event.get("priority"), bits=7)
    row["due_at"] = _moment(event.get("due_at"))
    kept = {name: event[name] for name in _KEPT if name in event}
    if event["type"] == "mention.discarded" and event.get("reason") in _DISCARD_REASONS:
        row["reason"] = kept["reason"] = event["reason"]
    row["mention_id"] = _text(event.get("mention_id"))
    mention = event.get("mention")
    if mention is not None:
        kept["mention"] = {name: mention[name] for name in _KEPT_OF_MENTION if name in mention}
        row["channel"] = _text(mention["channel"])
        row["mention_id"] = _text(mention["id"])
        row["published_at"] = _moment(mention["created_at"])
        row["received_at"] = _moment(mention["received_at"])
        row["language"] = _text(mention.get("language"))
    classification = event.get("classification")
    if classification is not None:
        kept["classification"] = {
            name: classification[name] for name in _KEPT_OF_CLASSIFICATION if name in classification
        }
        row["label"] = _text(classification["label"])
        row["model"] = _text(classification["model"])
        row["language"] = _text(classification["language"])
    row["event"] = to_json(kept).decode()
    return row


def _text(value: object) -> str | None:
    if value is not None and not isinstance(value, str):
        raise TypeError("a text is expected")
    return value


def _whole(value: object, bits: int = 63) -> int | None:
    if value is not None and (not isinstance(value, int) or not 0 <= value < 2**bits):
        raise TypeError("a whole number is expected")
    return value


def _moment(value: str | None) -> datetime | None:
    moment = None if value is None else datetime.fromisoformat(value)
    if moment is not None and moment.tzinfo is None:
        raise ValueError("a moment with a time zone is expected")
    return moment
