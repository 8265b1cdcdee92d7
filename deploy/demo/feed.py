"""The sample feed: ten minutes of a made-up company's public, in the native shapes of six channels.

Nordwind sells, rents and lends electric bikes in Germany, Austria, Switzerland, Britain and Ireland. Its public
complains, asks, applies, jokes and chats, and at minute four an update leaves the locks of the rental bikes shut.

Owns: the order, the batches and the truth about what must come out. Refuses: labels; where a mention belongs is for the
classifier to say. All texts are written for this project; people, companies and events are invented.
"""

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from typing import NamedTuple

from silofrei.deploy.demo.feed_ids import Ids
from silofrei.deploy.demo.feed_poison import BREAKS, REASONS, poison
from silofrei.deploy.demo.feed_rows import CREATED, QUIET, Row, by_id, root, rows, target
from silofrei.deploy.demo.feed_shapes import payload
from silofrei.schemas.delivery import RawDelivery, wrap_body
from silofrei.schemas.names import Channel, DeadLetterReason

BRAND = "demo"
CONNECTOR = "sample-feed"


class FeedDelivery(NamedTuple):
    """One record for `mentions.raw`, due `at` seconds after the start; bytes are a record that is no delivery."""

    at: float
    delivery: RawDelivery | bytes
    key: str

    def value(self) -> bytes:
        """The record's value."""
        return self.delivery if isinstance(self.delivery, bytes) else self.delivery.model_dump_json().encode()


@dataclass(frozen=True, slots=True)
class Expected:
    """What the feed must come to, counted from the rows alone: no parser and no classifier is asked."""

    deliveries: int
    created: int
    edited: int
    deleted: int
    duplicates: int
    not_mentions: int
    dead_letters: Mapping[DeadLetterReason, int]

    @property
    def changes(self) -> int:
        """Mention changes that must be applied."""
        return self.created + self.edited + self.deleted + self.duplicates


def render(found: Sequence[Row], start: datetime) -> Iterator[FeedDelivery]:
    """The deliveries of the feed in the order in which they are due.

    Args:
        found: the rows, usually all of `rows()`.
        start: when the feed begins; all times and ids hang on it, so that two runs do not repeat each other.
    """
    ids = Ids(start)
    groups = sorted(_groups(found), key=_due)
    bodies: dict[int, bytes] = {}
    for number, group in enumerate(groups):
        row = group[-1]
        due = _due(group)

        def envelope(body: bytes, row: Row = row, number: int = number, due: float = due) -> RawDelivery:
            text, encoding = wrap_body(body)
            batch = row.channel is Channel.CLOUDEVENTS and body.startswith(b"[")
            kind = "application/cloudevents-batch+json" if batch else "application/cloudevents+json"
            return RawDelivery(
                delivery_id=f"feed-{int(start.timestamp())}-{number:04d}",
                brand=BRAND,
                channel=row.channel.value,
                connector=CONNECTOR,
                received_at=start + timedelta(seconds=due),
                content_type=kind if row.channel is Channel.CLOUDEVENTS else "application/json",
                headers={"x-silofrei-account": "nordwind"} if row.channel is Channel.MASTODON else {},
                body=text,
                body_encoding=encoding,
            )

        if row.kind == "poison":
            yield FeedDelivery(due, poison(row, ids, envelope), f"poison:{row.marks['what']}")
            continue
        first = _first(row)
        if row.kind == "again":
            body = bodies[first.order]
        else:
            body = _body(payload(ids, group), row.channel)
            bodies |= dict.fromkeys((one.order for one in group), body)
        yield FeedDelivery(due, envelope(body), _key(first))


@cache
def expected() -> Expected:
    """The truth about the whole feed."""
    found = rows()
    kinds = Counter(row.kind for row in found)
    groups = _groups(found)
    carried = {row.order: group for group in groups for row in group}
    again = [carried[_first(row).order] for row in found if row.kind == "again"]
    reasons = Counter(REASONS[row.marks["what"]] for row in found if row.kind == "poison")
    reasons += Counter(BREAKS[row.marks["break"]] for row in found if "break" in row.marks)
    own = sum(row.kind in CREATED and row.author == "@" for row in found)
    return Expected(
        deliveries=len(groups),
        created=sum(row.is_mention for row in found),
        edited=kinds["edit"],
        deleted=kinds["delete"],
        duplicates=sum(row.is_mention for group in again for row in group),
        not_mentions=own + sum(kinds[kind] for kind in QUIET),
        dead_letters=dict(reasons),
    )


def _groups(found: Sequence[Row]) -> list[list[Row]]:
    """The rows of each delivery: those of one batch together, every other alone."""
    groups: dict[str, list[Row]] = {}
    for row in found:
        groups.setdefault(row.marks.get("batch", f"row {row.order}"), []).append(row)
    return list(groups.values())


def _due(group: Sequence[Row]) -> float:
    """When a delivery comes in: some moments after the last thing that it tells, now sooner, now later."""
    last = max(group, key=lambda row: row.at)
    return round(last.at + 0.15 + (last.order * 37 % 100) / 80, 3)


def _first(row: Row) -> Row:
    """The row that decides the key: for a change the mention that it is about."""
    changed = target(row)
    return changed if changed is not None and row.kind not in CREATED else row


def _key(row: Row) -> str:
    """Changes of a mention follow it in its partition, so they have its key; a batch has one for all."""
    return row.marks.get("batch") or f"{row.channel.value}:{root(row).order}:{row.author}"


def _body(native: object, channel: Channel) -> bytes:
    if channel in (Channel.FACEBOOK, Channel.INSTAGRAM):
        return json.dumps(native, separators=(",", ":")).encode()  # Meta escapes everything but ASCII
    if channel is Channel.MASTODON and isinstance(native, dict) and isinstance(native["payload"], dict):
        native = native | {"payload": json.dumps(native["payload"], ensure_ascii=False)}
    return json.dumps(native, ensure_ascii=False, separators=(",", ":")).encode()


__all__ = ["BRAND", "CONNECTOR", "Expected", "FeedDelivery", "Row", "by_id", "expected", "render", "rows"]
