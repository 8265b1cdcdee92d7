"""The sum of the demo: a mention that is missing, doubled or buried elsewhere does not balance."""

from datetime import UTC, datetime, timedelta
from typing import Any

from silofrei.deploy.demo.feed import Expected
from silofrei.deploy.demo.total import Total, add_up
from silofrei.schemas.dead_letter import DeadLetter, Origin
from silofrei.schemas.event import MentionAppended, MentionDiscarded, TicketEvent, TicketOpened
from silofrei.schemas.mention import Author, Mention
from silofrei.schemas.names import Channel, DeadLetterReason, DiscardReason, MentionKind, Priority

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
QUEUES = ("service", "sales", "hr", "pr", "triage")


def mention(number: int) -> Mention:
    return Mention(
        id=f"x:{number}",
        brand="demo",
        channel=Channel.X,
        kind=MentionKind.POST,
        author=Author(id="7"),
        text="Hallo",
        created_at=NOW,
        received_at=NOW,
        thread_id=f"x:{number}",
    )


def opened(number: int, department: str = "service", wait: float = 0.1) -> TicketEvent:
    values: dict[str, Any] = {"channel": Channel.X, "thread_id": f"x:{number}", "priority": Priority.NORMAL}
    return TicketOpened(
        event_id=f"t-{number}:1",
        brand="demo",
        at=NOW + timedelta(seconds=wait),
        ticket_id=f"t-{number}",
        seq=1,
        department=department,
        due_at=NOW,
        rule="model",
        mention=mention(number),
        **values,
    )


def appended(number: int, seq: int) -> TicketEvent:
    return MentionAppended(
        event_id=f"t-1:{seq}",
        brand="demo",
        at=NOW + timedelta(seconds=0.2),
        ticket_id="t-1",
        seq=seq,
        department="service",
        mention=mention(number),
    )


def discarded(number: int) -> TicketEvent:
    return MentionDiscarded(
        event_id=f"x:{number}",
        brand="demo",
        at=NOW + timedelta(seconds=0.3),
        reason=DiscardReason.NOT_ACTIONABLE,
        rule="model-none",
        mention=mention(number),
    )


def letter(reason: DeadLetterReason = DeadLetterReason.BROKEN_BODY) -> DeadLetter:
    return DeadLetter(
        dead_letter_id="mentions.raw/0/1",
        origin=Origin(topic="mentions.raw", partition=0, offset=1),
        reason=reason,
        detail="broken",
        at=NOW,
        value=b"{",
    )


def total(events: list[TicketEvent], letters: list[DeadLetter] | None = None, created: int = 3) -> Total:
    expected = Expected(
        deliveries=4,
        created=created,
        edited=0,
        deleted=0,
        duplicates=0,
        not_mentions=0,
        dead_letters={DeadLetterReason.BROKEN_BODY: 1},
    )
    return add_up(expected, events, [letter()] if letters is None else letters, QUEUES)


def test_all_came_out_once() -> None:
    found = total([opened(1), appended(2, 2), discarded(3)])
    assert found.balanced
    assert found.in_tickets == {"service": 2, "sales": 0, "hr": 0, "pr": 0, "triage": 0}
    assert found.tickets["service"] == 1
    assert found.discarded == 1
    assert "in = out: yes" in found.as_text()


def test_an_event_that_the_relay_sent_twice_counts_once() -> None:
    assert total([opened(1), opened(1), appended(2, 2), discarded(3)]).balanced


def test_a_missing_mention_is_seen() -> None:
    found = total([opened(1), discarded(3)])
    assert not found.balanced
    assert "in = out: NO" in found.as_text()


def test_a_mention_in_two_places_is_seen_even_where_the_sum_is_right() -> None:
    found = total([opened(1), appended(1, 2), discarded(3)])
    assert found.out == found.mentions
    assert found.more_than_once == ["x:1"]
    assert not found.balanced


def test_a_dead_letter_for_another_reason_is_seen() -> None:
    events = [opened(1), appended(2, 2), discarded(3)]
    assert not total(events, [letter(DeadLetterReason.MISSING_FIELD)]).balanced
    assert not total(events, []).balanced


def test_latencies_are_those_from_receipt_to_queue() -> None:
    found = total([opened(number, wait=number / 100) for number in range(1, 101)], created=100)
    assert round(found.p50_ms) == 510
    assert round(found.p99_ms) == 1000
