"""From entries of the outbox to records for Kafka, and what becomes of an entry that Kafka cannot take.

Owns: which topics an event goes to, and the two refusals. Both leave a dead letter with all that is known, so that a
person sees them, and neither holds up the events behind:

- an entry that is no event (no script of ours wrote it) is missing in Kafka;
- an event larger than a record may be goes out shortened (texts cut, links and excerpts left out), since without it the
  ticket's history would have a hole; the dead letter has the whole of it.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

from pydantic_core import from_json, to_json

from silofrei.routing.queue.outbox import OutboxEntry
from silofrei.schemas.dead_letter import DeadLetter, Origin
from silofrei.schemas.names import DeadLetterReason
from silofrei.streams.event_producer import EventRecord, TooLarge
from silofrei.streams.topics import Topics

_CUT = 500
"""So many characters of a text stay in a shortened event."""
_TEXTS = ("note", "reason", "holder")


class Prepared(NamedTuple):
    """What became of some entries: records in order, and dead letters for what is refused."""

    records: list[EventRecord]
    refused: list[DeadLetter]


def prepare(entries: Sequence[OutboxEntry], topics: Topics, now: datetime) -> Prepared:
    """The records of these entries, in order; `number` is the entry's place among them."""
    prepared = Prepared([], [])
    for number, entry in enumerate(entries):
        try:
            value = entry.value()
        except (KeyError, ValueError, TypeError, OverflowError) as error:
            prepared.refused.append(_unreadable(entry, error, now))
            continue
        key = entry.key.encode()
        prepared.records.extend(EventRecord(topic, key, value, number) for topic in _topics_of(entry, topics))
    return prepared


def shorten(entry: OutboxEntry, problem: TooLarge, now: datetime) -> tuple[bytes | None, DeadLetter]:
    """A shorter form of an event that is too large, and the dead letter with the whole of it.

    Args:
        entry: the event.
        problem: what Kafka said.
        now: moment of the dead letter.

    Returns:
        None in place of the shorter form where even that was refused.
    """
    whole = entry.value()
    short = _shortened(whole)
    tried_short = problem.record.value == short
    what = "it is missing in Kafka" if tried_short else "it went to Kafka with its texts cut; the whole event is here"
    detail = (
        f"event {entry.event_id} has {len(whole)} bytes and {problem.record.topic} does not take it, so {what}. Raise "
        "SILOFREI_MAX_DELIVERY_BYTES and the topic's max.message.bytes if such mentions are meant"
    )
    return None if tried_short else short, _dead_letter(entry, detail, whole, now)


def replaced(records: Sequence[EventRecord], problem: EventRecord, value: bytes | None) -> list[EventRecord]:
    """The records with another value for the event of `problem`; with None, without the one that was refused."""
    if value is None:
        return [record for record in records if record is not problem]
    return [record._replace(value=value) if record.number == problem.number else record for record in records]


def _topics_of(entry: OutboxEntry, topics: Topics) -> list[str]:
    # A feed's owner must learn that a ticket left as well as that one came.
    departments = dict.fromkeys(name for name in (entry.from_department, entry.department) if name is not None)
    return [topics.events, *(topics.department(name) for name in departments)]


def _shortened(value: bytes) -> bytes:
    event: dict[str, Any] = from_json(value)
    mention = event.get("mention")
    if mention is not None:
        mention.update(text=_cut(mention["text"]), media=[], permalink=None)
        author = mention["author"]
        author.update({name: _cut(author[name]) for name in ("handle", "name") if author.get(name) is not None})
    if event.get("classification") is not None:
        event["classification"]["evidence"] = []
    event.update({name: _cut(event[name]) for name in _TEXTS if event.get(name) is not None})
    return to_json(event)


def _cut(text: str) -> str:
    return text if len(text) <= _CUT else f"{text[:_CUT]} […]"


def _unreadable(entry: OutboxEntry, error: Exception, now: datetime) -> DeadLetter:
    detail = (
        f"outbox entry {entry.entry_id} is no event of Silofrei ({type(error).__name__}: {error}), so it is missing in "
        "Kafka; find out who else writes to this Redis"
    )
    fields = {_readable(name): _readable(value) for name, value in entry.fields.items()}
    return _dead_letter(entry, detail, to_json(fields), now)


def _readable(value: bytes) -> str:
    return value.decode(errors="backslashreplace")


def _dead_letter(entry: OutboxEntry, detail: str, value: bytes, now: datetime) -> DeadLetter:
    # The entry's id is a place as good as an offset, so a dead letter that is written again has the same id.
    topic = f"outbox.{entry.brand}"
    milliseconds, _, number = entry.entry_id.partition("-")
    return DeadLetter(
        dead_letter_id=f"{topic}/0/{milliseconds}/{number}",
        origin=Origin(topic=topic, partition=0, offset=int(milliseconds), item=int(number)),
        reason=DeadLetterReason.REFUSED,
        detail=detail,
        brand=entry.brand,
        at=now,
        value=value,
    )
