"""The outbox: every type of event is valid, numbered without holes, in order, and stays until it is removed."""

import asyncio
import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any, get_args

from silofrei.routing.queue import OutboxEntry, TicketQueue
from silofrei.schemas.event import TicketEvent
from silofrei.schemas.names import Outcome

BRAND = "acme"
QUOTED = 'says "no"\n\\ 🚆'
Valid = Callable[[OutboxEntry], Any]


async def whole_life(queue: TicketQueue, said: Any) -> list[OutboxEntry]:
    """One ticket through every transition, beside discards and another ticket."""
    await queue.apply(BRAND, [said.created(1, collaborators=("pr",)), said.created(2, 1), said.ignored(3)])
    await queue.apply(BRAND, [said.edited(2, QUOTED.replace(" ", "").replace("\n", ""), 1), said.deleted(2)])

    async def claim(department: str, lease: timedelta | None = None) -> tuple[str, int]:
        ticket = await queue.claim(BRAND, department, f"Anna {QUOTED}", lease=lease)
        assert ticket is not None
        assert ticket.lease is not None
        return ticket.id, ticket.lease.token

    await claim("service", timedelta(milliseconds=20))
    await asyncio.sleep(0.03)
    await queue.reap(BRAND)
    await queue.release(BRAND, *await claim("service"), QUOTED)
    await queue.transfer(BRAND, *await claim("service"), "hr", QUOTED)
    ticket_id, token = await claim("hr")
    await queue.extend(BRAND, ticket_id, token)
    await queue.resolve(BRAND, ticket_id, token, Outcome.APPLICATION, QUOTED)
    await queue.apply(BRAND, [said.created(4), said.deleted(4), said.deleted(5), said.created(5)])
    return await queue.outbox.read(BRAND)


async def test_every_type_of_event_is_valid(queue: TicketQueue, said: Any, valid: Valid) -> None:
    entries = await whole_life(queue, said)
    events = [valid(entry) for entry in entries]
    assert [event.type for event in events] == [
        "ticket.opened",
        "mention.appended",
        "mention.discarded",
        "mention.edited",
        "mention.deleted",
        "ticket.claimed",
        "lease.expired",
        "ticket.claimed",
        "ticket.released",
        "ticket.claimed",
        "ticket.transferred",
        "ticket.claimed",
        "ticket.resolved",
        "ticket.opened",
        "mention.deleted",
        "ticket.resolved",
        "mention.discarded",
    ]
    union, _ = get_args(TicketEvent)
    assert {event.type for event in events} == {cls.model_fields["type"].default for cls in get_args(union)}
    life = [event for event in events if getattr(event, "ticket_id", None) == events[0].ticket_id]
    assert [event.seq for event in life] == list(range(1, 13))
    assert [event.event_id for event in life] == [f"{events[0].ticket_id}:{seq}" for seq in range(1, 13)]
    assert [event.at for event in events] == sorted(event.at for event in events)
    assert len({event.event_id for event in events}) == len(events)


async def test_events_carry_what_happened(queue: TicketQueue, said: Any, valid: Valid) -> None:
    before = said.created(1)
    events = [valid(entry) for entry in await whole_life(queue, said)]
    opened, appended, discarded, edited, deleted, claimed, expired = events[:7]
    assert opened.mention.model_dump(exclude={"received_at"}) == before.change.mention.model_dump(
        exclude={"received_at"}
    )
    assert opened.classification == appended.classification == discarded.classification == before.classification
    assert (opened.department, opened.collaborators, opened.rule) == ("service", ("pr",), "model")
    assert opened.due_at > opened.at
    assert (appended.mention.id, discarded.mention.id, deleted.mention_id) == ("x:2", "x:3", "x:2")
    assert (discarded.reason, discarded.rule) == ("not_actionable", "model-none")
    assert edited.revision == QUOTED.replace(" ", "").replace("\n", "")
    assert edited.mention.text.startswith("Version")
    assert (claimed.holder, expired.holder, expired.attempts) == (f"Anna {QUOTED}", f"Anna {QUOTED}", 1)
    assert claimed.lease_until - claimed.at < timedelta(milliseconds=21)
    released, transferred, resolved, withdrawn = events[8], events[10], events[12], events[15]
    assert (released.reason, released.department) == (QUOTED, "service")
    assert (transferred.from_department, transferred.department, transferred.reason) == ("service", "hr", QUOTED)
    assert (resolved.outcome, resolved.note, resolved.department) == (Outcome.APPLICATION, QUOTED, "hr")
    assert (withdrawn.outcome, withdrawn.holder, withdrawn.note) == (Outcome.WITHDRAWN, None, "")
    assert resolved.holder == f"Anna {QUOTED}"


async def test_values_are_plain_json_with_no_key_twice(queue: TicketQueue, said: Any) -> None:
    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        assert len({name for name, _ in pairs}) == len(pairs)
        return dict(pairs)

    for entry in await whole_life(queue, said):
        value = json.loads(entry.value(), object_pairs_hook=once)
        assert value["v"] == 1
        assert value["brand"] == BRAND


async def test_entries_stay_in_order_until_removed(queue: TicketQueue, said: Any) -> None:
    await queue.apply(BRAND, [said.created(number) for number in range(7)])
    outbox = queue.outbox
    first = await outbox.read(BRAND, 3)
    assert first == await outbox.read(BRAND, 3)
    assert await outbox.length(BRAND) == 7
    await outbox.remove(BRAND, [entry.entry_id for entry in first])
    await outbox.remove(BRAND, [entry.entry_id for entry in first])
    await outbox.remove(BRAND, [])
    assert await outbox.length(BRAND) == 4
    rest = await outbox.read(BRAND)
    assert [json.loads(entry.value())["mention"]["id"] for entry in first + rest] == [f"x:{n}" for n in range(7)]
    await outbox.remove(BRAND, [entry.entry_id for entry in rest])
    assert await outbox.read(BRAND) == []
    assert await outbox.length("other") == 0
