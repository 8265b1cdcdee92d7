"""What a ticket remembers of people: who handed it over, from where and why; who resolved it and the note."""

from datetime import timedelta
from typing import Any

import pytest
import redis

from silofrei.routing.queue import RefusalCode, Refused, TicketQueue
from silofrei.schemas.names import Outcome, TicketStatus
from silofrei.schemas.ticket import HANDOVERS_KEPT, NOTE_LIMIT, REASON_LIMIT, Ticket

BRAND = "acme"
AWKWARD = 'Presse fragt: "warum?"\n\\ / </b> \x00\x7f\u2028 🚆 ß {"reason":"none"}'


async def taken(queue: TicketQueue, department: str, holder: str = "anna") -> tuple[Ticket, int]:
    ticket = await queue.claim(BRAND, department, holder)
    assert ticket is not None
    assert ticket.lease is not None
    return ticket, ticket.lease.token


async def handed(queue: TicketQueue, source: str, to: str, reason: str, holder: str = "anna") -> Ticket:
    ticket, token = await taken(queue, source, holder)
    return await queue.transfer(BRAND, ticket.id, token, to, reason)


async def test_the_receiving_department_reads_who_handed_it_over_from_where_and_why(
    queue: TicketQueue, said: Any
) -> None:
    await queue.apply(BRAND, [said.created(1)])
    before = await queue.time()
    moved = await handed(queue, "service", "pr", AWKWARD, 'Jörg "Joe" \\')
    (step,) = moved.handovers
    assert (step.from_department, step.to_department, step.holder) == ("service", "pr", 'Jörg "Joe" \\')
    assert step.reason == AWKWARD
    assert step.at == moved.department_since
    assert timedelta(0) <= step.at - before < timedelta(seconds=30)

    assert (await queue.waiting(BRAND, "pr"))[0].handovers == (step,)
    ticket, token = await taken(queue, "pr", "ben")
    assert ticket.handovers == (step,)
    assert (await queue.claimed(BRAND, "pr"))[0].handovers == (step,)
    assert (await queue.extend(BRAND, ticket.id, token)).handovers == (step,)
    await queue.release(BRAND, ticket.id, token, "lunch")
    whole = await queue.ticket(BRAND, ticket.id)
    assert whole is not None
    assert whole.handovers == (step,), "giving it back is no hand-over"


async def test_a_ticket_that_was_never_handed_over_has_none(queue: TicketQueue, said: Any) -> None:
    await queue.apply(BRAND, [said.created(1)])
    ticket, _ = await taken(queue, "service")
    assert (ticket.handovers, ticket.resolved_by, ticket.note) == ((), None, "")


async def test_a_hand_over_can_say_that_the_ticket_was_routed_wrongly(
    queue: TicketQueue, said: Any, redis_url: str, valid: Any
) -> None:
    await queue.apply(BRAND, [said.created(1)])
    ticket, token = await taken(queue, "service")
    moved = await queue.transfer(BRAND, ticket.id, token, "pr", "never ours", misrouted=True)
    assert [step.misrouted for step in moved.handovers] == [True]
    moved = await handed(queue, "pr", "hr", "only for now")
    assert [step.misrouted for step in moved.handovers] == [True, False]
    assert await queue.ticket(BRAND, ticket.id) == moved
    assert (await queue.waiting(BRAND, "hr"))[0].handovers == moved.handovers

    entries = [one for one in await queue.outbox.read(BRAND) if one.type == "ticket.transferred"]
    assert [valid(entry).misrouted for entry in entries] == [True, False]
    assert [b"misrouted" in entry.value() for entry in entries] == [True, False], "readers of before know the others"
    with redis.Redis.from_url(redis_url) as client:
        kept = client.hmget(f"sf:{{acme}}:ticket:{ticket.id}", "h:1", "h:2")
    assert [b"misrouted" in one for one in kept] == [True, False]


async def test_the_last_hand_overs_are_kept_in_order(queue: TicketQueue, said: Any, redis_url: str) -> None:
    await queue.apply(BRAND, [said.created(1)])
    rounds = HANDOVERS_KEPT + 3
    for number in range(rounds):
        source, to = ("service", "pr") if number % 2 == 0 else ("pr", "service")
        moved = await handed(queue, source, to, f"reason {number}")
        kept = [step.reason for step in moved.handovers]
        assert kept == [f"reason {n}" for n in range(max(0, number + 1 - HANDOVERS_KEPT), number + 1)]
    assert moved.transfers == rounds
    assert (await queue.waiting(BRAND, "pr"))[0].handovers == moved.handovers
    with redis.Redis.from_url(redis_url) as client:
        fields = client.hkeys(f"sf:{{acme}}:ticket:{moved.id}")
    assert sum(name.startswith(b"h:") for name in fields) == HANDOVERS_KEPT


async def test_a_resolved_ticket_shows_who_resolved_it_and_the_note(queue: TicketQueue, said: Any) -> None:
    await queue.apply(BRAND, [said.created(1)])
    moved = await handed(queue, "service", "pr", "theirs")
    ticket, token = await taken(queue, "pr", "ben")
    done = await queue.resolve(BRAND, ticket.id, token, Outcome.ANSWERED, AWKWARD)
    assert (done.status, done.resolved_by, done.note) == (TicketStatus.RESOLVED, "ben", AWKWARD)
    assert done.handovers == moved.handovers
    assert await queue.ticket(BRAND, ticket.id) == done


async def test_nobody_resolved_what_its_author_withdrew(queue: TicketQueue, said: Any) -> None:
    (opened,) = await queue.apply(BRAND, [said.created(1)])
    ticket, token = await taken(queue, "service")
    await queue.release(BRAND, ticket.id, token, "later")
    await queue.apply(BRAND, [said.deleted(1)])
    gone = await queue.ticket(BRAND, opened.ticket_id)
    assert gone is not None
    assert (gone.outcome, gone.resolved_by, gone.note) == (Outcome.WITHDRAWN, None, "")


@pytest.mark.parametrize("character", ["x", "ü", "🚆"])
async def test_reasons_and_notes_have_a_limit_in_characters(queue: TicketQueue, said: Any, character: str) -> None:
    await queue.apply(BRAND, [said.created(1)])
    ticket, token = await taken(queue, "service")
    reason, note = character * REASON_LIMIT, character * NOTE_LIMIT
    events = await queue.outbox.length(BRAND)
    for call, limit in (
        (queue.transfer(BRAND, ticket.id, token, "pr", reason + "y"), REASON_LIMIT),
        (queue.release(BRAND, ticket.id, token, reason + "y"), REASON_LIMIT),
        (queue.resolve(BRAND, ticket.id, token, Outcome.SOLVED, note + "y"), NOTE_LIMIT),
        # Arguments come first: also where the ticket is not there at all.
        (queue.transfer(BRAND, "t-none", token, "pr", reason + "y"), REASON_LIMIT),
    ):
        with pytest.raises(Refused, match=f"has {limit + 1} characters; use at most {limit}") as caught:
            await call
        assert caught.value.code is RefusalCode.BAD_ARGUMENT
    assert await queue.ticket(BRAND, ticket.id) == ticket
    assert await queue.outbox.length(BRAND) == events

    await queue.release(BRAND, ticket.id, token, reason)
    assert (await handed(queue, "service", "pr", reason)).handovers[0].reason == reason
    ticket, token = await taken(queue, "pr")
    assert (await queue.resolve(BRAND, ticket.id, token, Outcome.SOLVED, note)).note == note
