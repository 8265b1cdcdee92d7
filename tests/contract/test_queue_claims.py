"""Claims, leases and fencing; release, transfer, resolve and reap."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from silofrei.routing.metrics import LEASES_EXPIRED
from silofrei.routing.queue import ApplyCode, RefusalCode, Refused, TicketQueue
from silofrei.schemas.names import Outcome, TicketStatus
from silofrei.schemas.ticket import Lease, Ticket

BRAND = "acme"
SHORT = timedelta(milliseconds=30)
HOUR = timedelta(hours=1)


async def claim(queue: TicketQueue, department: str = "service", **how: Any) -> tuple[Ticket, Lease]:
    ticket = await queue.claim(BRAND, department, "anna", **how)
    assert ticket is not None
    assert ticket.lease is not None
    return ticket, ticket.lease


async def refusal(call: Any) -> Refused:
    with pytest.raises(Refused) as caught:
        await call
    return caught.value


async def all_ids(queue: TicketQueue, department: str = "service") -> list[str]:
    return [ticket.mentions[0].mention.id for ticket in await queue.waiting(BRAND, department)]


async def test_the_most_urgent_ticket_comes_first(queue: TicketQueue, said: Any) -> None:
    dues = {1: 5, 2: 1, 3: -2, 4: 3}
    await queue.apply(BRAND, [said.created(number, due=hours * HOUR) for number, hours in dues.items()])
    await queue.apply(BRAND, [said.created(9, department="hr", due=-9 * HOUR)])
    assert await all_ids(queue) == ["x:3", "x:2", "x:4", "x:1"]
    taken = [(await claim(queue))[0].mentions[0].mention.id for _ in dues]
    assert taken == ["x:3", "x:2", "x:4", "x:1"]
    assert await queue.claim(BRAND, "service", "anna") is None


async def test_a_claim_gives_a_lease_and_a_growing_token(queue: TicketQueue, said: Any) -> None:
    await queue.apply(BRAND, [said.created(1), said.created(2)])
    first, one = await claim(queue, lease=timedelta(minutes=7))
    _, two = await claim(queue)
    assert first.status is TicketStatus.CLAIMED
    assert one.holder == "anna"
    assert abs(await queue.time() + timedelta(minutes=7) - one.until) < timedelta(seconds=30)
    assert abs(await queue.time() + timedelta(minutes=15) - two.until) < timedelta(seconds=30)
    assert two.token > one.token
    assert await queue.ticket(BRAND, first.id) == first
    assert (await queue.claimed(BRAND, "service"))[0].id == first.id


async def test_fifty_claims_at_once_never_get_the_same_ticket(make_queue: Any, queue: TicketQueue, said: Any) -> None:
    await queue.apply(BRAND, [said.created(number) for number in range(40)])
    other = make_queue()
    claims = [(queue if number % 2 else other).claim(BRAND, "service", f"agent {number}") for number in range(50)]
    tickets = [ticket for ticket in await asyncio.gather(*claims) if ticket is not None]
    assert len(tickets) == 40
    assert len({ticket.id for ticket in tickets}) == 40
    assert len({ticket.lease.token for ticket in tickets if ticket.lease}) == 40


async def test_a_certain_ticket_is_taken_once(queue: TicketQueue, said: Any) -> None:
    applied = await queue.apply(BRAND, [said.created(number) for number in range(3)])
    wanted = applied[2].ticket_id
    claims = [queue.claim(BRAND, "service", f"agent {number}", ticket_id=wanted) for number in range(50)]
    results = await asyncio.gather(*claims, return_exceptions=True)
    winners = [one for one in results if isinstance(one, Ticket)]
    losers = [one for one in results if isinstance(one, Refused)]
    assert [ticket.id for ticket in winners] == [wanted]
    assert len(losers) == 49
    assert {one.code for one in losers} == {RefusalCode.TAKEN}
    assert winners[0].lease is not None
    assert f"held by {winners[0].lease.holder} until" in str(losers[0])
    assert await all_ids(queue) == ["x:0", "x:1"]


async def test_a_certain_ticket_that_cannot_be_taken(queue: TicketQueue, said: Any) -> None:
    (applied,) = await queue.apply(BRAND, [said.created(1)])
    elsewhere = await refusal(queue.claim(BRAND, "hr", "anna", ticket_id=applied.ticket_id))
    assert (elsewhere.code, "'service'" in str(elsewhere)) == (RefusalCode.OTHER_DEPARTMENT, True)
    assert (await refusal(queue.claim(BRAND, "service", "anna", ticket_id="t-none"))).code is RefusalCode.NOT_FOUND
    ticket, lease = await claim(queue)
    await queue.resolve(BRAND, ticket.id, lease.token, Outcome.LEAD)
    over = await refusal(queue.claim(BRAND, "service", "anna", ticket_id=ticket.id))
    assert (over.code, "(lead)" in str(over)) == (RefusalCode.ALREADY_RESOLVED, True)


async def test_unknown_departments_and_nameless_holders_are_refused(queue: TicketQueue, said: Any) -> None:
    await queue.apply(BRAND, [said.created(1)])
    wrong = await refusal(queue.claim(BRAND, "servcie", "anna"))
    assert (wrong.code, "service, sales" in str(wrong)) == (RefusalCode.UNKNOWN_DEPARTMENT, True)
    for holder in ("", "x" * 121):
        assert (await refusal(queue.claim(BRAND, "service", holder))).code is RefusalCode.BAD_ARGUMENT
    ticket, lease = await claim(queue)
    wrong = await refusal(queue.transfer(BRAND, ticket.id, lease.token, "servcie", ""))
    assert wrong.code is RefusalCode.UNKNOWN_DEPARTMENT
    assert (await refusal(queue.claim("Bad}", "service", "anna"))).code is RefusalCode.BAD_ARGUMENT


def steps(queue: TicketQueue, ticket_id: str, token: int) -> list[Any]:
    """Every step that a lease allows."""
    return [
        queue.extend(BRAND, ticket_id, token),
        queue.release(BRAND, ticket_id, token),
        queue.transfer(BRAND, ticket_id, token, "hr", "theirs"),
        queue.resolve(BRAND, ticket_id, token, Outcome.SOLVED),
    ]


async def refused_steps(queue: TicketQueue, ticket_id: str, token: int) -> set[RefusalCode]:
    before = await queue.ticket(BRAND, ticket_id)
    events = await queue.outbox.length(BRAND)
    found = {(await refusal(step)).code for step in steps(queue, ticket_id, token)}
    assert await queue.ticket(BRAND, ticket_id) == before
    assert await queue.outbox.length(BRAND) == events
    return found


async def test_a_stale_token_is_refused_at_every_step(queue: TicketQueue, said: Any) -> None:
    (applied,) = await queue.apply(BRAND, [said.created(1)])
    ticket_id = applied.ticket_id
    assert ticket_id is not None
    assert await refused_steps(queue, "t-none", 1) == {RefusalCode.NOT_FOUND}
    assert await refused_steps(queue, ticket_id, 1) == {RefusalCode.NOT_CLAIMED}

    _, old = await claim(queue, lease=SHORT)
    assert await refused_steps(queue, ticket_id, old.token + 1) == {RefusalCode.WRONG_TOKEN}
    await asyncio.sleep(0.05)
    assert await refused_steps(queue, ticket_id, old.token) == {RefusalCode.LEASE_EXPIRED}, "before anybody reaps"
    assert await queue.reap(BRAND) == [ticket_id]
    assert await refused_steps(queue, ticket_id, old.token) == {RefusalCode.LEASE_EXPIRED}

    _, new = await claim(queue)
    assert await refused_steps(queue, ticket_id, old.token) == {RefusalCode.WRONG_TOKEN}
    await queue.release(BRAND, ticket_id, new.token)
    assert await refused_steps(queue, ticket_id, new.token) == {RefusalCode.NOT_CLAIMED}

    _, last = await claim(queue)
    await queue.resolve(BRAND, ticket_id, last.token, Outcome.SOLVED)
    assert await refused_steps(queue, ticket_id, last.token) == {RefusalCode.ALREADY_RESOLVED}


async def test_extend_makes_the_lease_run_from_now(queue: TicketQueue, said: Any) -> None:
    await queue.apply(BRAND, [said.created(1)])
    ticket, lease = await claim(queue, lease=timedelta(seconds=1))
    extended = await queue.extend(BRAND, ticket.id, lease.token, HOUR)
    assert extended.lease is not None
    assert extended.lease.token == lease.token
    assert extended.lease.until - lease.until > timedelta(minutes=59)
    await asyncio.sleep(1.1)
    assert await queue.reap(BRAND) == []
    assert (await queue.claimed(BRAND, "service"))[0].lease == extended.lease


async def test_release_restores_the_position(queue: TicketQueue, said: Any) -> None:
    await queue.apply(BRAND, [said.created(number, due=number * HOUR) for number in (1, 2, 3)])
    (_, middle, _) = await queue.waiting(BRAND, "service")
    ticket, lease = await claim(queue, ticket_id=middle.id)
    assert await all_ids(queue) == ["x:1", "x:3"]
    released = await queue.release(BRAND, ticket.id, lease.token, "needs a colleague")
    assert (released.status, released.lease, released.attempts) == (TicketStatus.WAITING, None, 0)
    assert await all_ids(queue) == ["x:1", "x:2", "x:3"]
    assert await queue.claimed(BRAND, "service") == []


async def test_a_lease_that_ran_out_returns_the_ticket_and_counts(queue: TicketQueue, said: Any) -> None:
    await queue.apply(BRAND, [said.created(number, due=number * HOUR) for number in (1, 2)])
    before = LEASES_EXPIRED.labels("service")._value.get()
    for attempts in (1, 2):
        ticket, _ = await claim(queue, lease=timedelta(milliseconds=500))
        assert ticket.mentions[0].mention.id == "x:1"
        assert await queue.reap(BRAND) == []
        await asyncio.sleep(0.6)
        assert await queue.reap(BRAND) == [ticket.id]
        assert await queue.reap(BRAND) == []
        back = await queue.ticket(BRAND, ticket.id)
        assert back is not None
        assert (back.status, back.attempts, back.lease) == (TicketStatus.WAITING, attempts, None)
        assert await all_ids(queue) == ["x:1", "x:2"]
    assert LEASES_EXPIRED.labels("service")._value.get() == before + 2


async def test_reap_takes_no_more_than_its_limit(queue: TicketQueue, said: Any) -> None:
    await queue.apply(BRAND, [said.created(number) for number in range(5)])
    for _ in range(5):
        await claim(queue, lease=SHORT)
    await asyncio.sleep(0.05)
    assert [len(await queue.reap(BRAND, limit=2)) for _ in range(4)] == [2, 2, 1, 0]


async def test_transfer_keeps_the_customers_clock_and_starts_the_departments(queue: TicketQueue, said: Any) -> None:
    await queue.apply(BRAND, [said.created(1, due=5 * HOUR, collaborators=("hr", "pr"))])
    await queue.apply(BRAND, [said.created(2, department="hr", due=4 * HOUR)])
    ticket, lease = await claim(queue)
    moved = await queue.transfer(BRAND, ticket.id, lease.token, "hr", "asks for a job")
    assert (moved.department, moved.status, moved.lease, moved.transfers) == ("hr", TicketStatus.WAITING, None, 1)
    assert (moved.due_at, moved.opened_at) == (ticket.due_at, ticket.opened_at)
    assert moved.department_since > ticket.department_since == ticket.opened_at
    assert moved.collaborators == ("pr",), "who owns it no longer helps"
    assert await all_ids(queue) == []
    assert await all_ids(queue, "hr") == ["x:2", "x:1"]
    ticket, lease = await claim(queue, "hr", ticket_id=ticket.id)
    assert (await refusal(queue.transfer(BRAND, ticket.id, lease.token, "hr", ""))).code is RefusalCode.SAME_DEPARTMENT
    moved = await queue.transfer(BRAND, ticket.id, lease.token, "service", "no, theirs")
    assert (moved.department, moved.transfers, moved.collaborators) == ("service", 2, ("hr", "pr"))
    (joined,) = await queue.apply(BRAND, [said.created(3, 1)])
    assert (joined.code, joined.department) == (ApplyCode.APPENDED, "service")


async def test_resolve_ends_the_ticket_and_frees_the_thread(queue: TicketQueue, said: Any) -> None:
    await queue.apply(BRAND, [said.created(1)])
    ticket, lease = await claim(queue)
    done = await queue.resolve(BRAND, ticket.id, lease.token, Outcome.ANSWERED, "told them")
    assert (done.status, done.outcome, done.lease) == (TicketStatus.RESOLVED, Outcome.ANSWERED, None)
    assert done.resolved_at is not None
    assert done.resolved_at >= ticket.opened_at
    assert await queue.waiting(BRAND, "service") == await queue.claimed(BRAND, "service") == []
    (again,) = await queue.apply(BRAND, [said.created(2, 1)])
    assert again.code is ApplyCode.OPENED
    assert again.ticket_id != ticket.id


async def test_depths_and_lists(queue: TicketQueue, said: Any) -> None:
    await queue.apply(BRAND, [said.created(number, due=(number - 2) * HOUR) for number in range(5)])
    await queue.apply(BRAND, [said.created(f"4{letter}", 4) for letter in "abc"])
    await claim(queue)
    await asyncio.sleep(0.05)
    depths = await queue.depths(BRAND, ["service", "hr"])
    assert list(depths) == ["service", "hr"]
    service, hr = depths["service"], depths["hr"]
    assert (service.waiting, service.claimed, service.overdue) == (4, 1, 2)
    assert 0.04 < service.oldest_age_seconds < 60
    assert (hr.waiting, hr.claimed, hr.overdue, hr.oldest_age_seconds) == (0, 0, 0, 0.0)
    assert [t.mentions[0].mention.id for t in await queue.waiting(BRAND, "service", limit=2, offset=1)] == [
        "x:2",
        "x:3",
    ]
    last = (await queue.waiting(BRAND, "service"))[-1]
    assert (last.mention_count, [one.mention.id for one in last.mentions]) == (4, ["x:4", "x:4c"])
    whole = await queue.ticket(BRAND, last.id)
    assert whole is not None
    assert whole.mention_count == len(whole.mentions) == 4


async def test_an_unknown_ticket_is_none(queue: TicketQueue) -> None:
    assert await queue.ticket(BRAND, "t-none") is None


async def test_counters_add_up(queue: TicketQueue) -> None:
    assert await queue.counted("watchdog") == 0
    assert [await queue.count("watchdog"), await queue.count("watchdog", 2)] == [1, 3]
    assert await queue.counted("watchdog") == 3
