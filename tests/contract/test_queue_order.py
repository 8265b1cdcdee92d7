"""Changes in any order, repeated at will, in batches of any size: they come to the same end."""

from collections import Counter
from itertools import count
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from silofrei.routing.queue import ApplyCode, OutboxEntry, TicketQueue
from silofrei.schemas.names import TicketStatus

_brands = count()

# Which changes there are: (mention, kind). Mentions 1 to 3 share a thread, 4 and 5 stand alone; 3 and 5 need nobody.
THREADS = {1: "a", 2: "a", 3: "a", 4: "b", 5: "c"}
IGNORED = {3, 5}
EDITS = ("2", "10")
KINDS = ("created", *EDITS, "deleted")


@st.composite
def histories(draw: st.DrawFn) -> list[list[tuple[int, str]]]:
    """Every mention created, some edited or deleted; shuffled, some repeated, cut into batches."""
    changes = []
    for mention in THREADS:
        changes.append((mention, "created"))
        changes += [(mention, kind) for kind in draw(st.sets(st.sampled_from(KINDS[1:])))]
    repeated = draw(st.lists(st.sampled_from(changes), max_size=10))
    order = draw(st.permutations(changes + repeated))
    batches = []
    while order:
        size = draw(st.integers(1, len(order)))
        batches.append(order[:size])
        order = order[size:]
    return batches


def effect(said: Any, mention: int, kind: str) -> Any:
    ignore = mention in IGNORED
    if kind == "created":
        return (said.ignored if ignore else said.created)(mention, THREADS[mention])
    if kind == "deleted":
        return said.deleted(mention)
    return said.edited(mention, kind, THREADS[mention], ignore=ignore)


async def everything(queue: TicketQueue, brand: str) -> list[OutboxEntry]:
    return await queue.outbox.read(brand, 10_000)


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(history=histories())
async def test_any_order_comes_to_the_same_end(
    queue: TicketQueue, said: Any, valid: Any, history: list[list[tuple[int, str]]]
) -> None:
    brand = f"b{next(_brands)}"
    await queue.begin_epoch(brand)
    own = type(said)(brand)
    for batch in history:
        await queue.apply(brand, [effect(own, *change) for change in batch])
    changes = {change for batch in history for change in batch}
    entries = await everything(queue, brand)
    events = [valid(entry) for entry in entries]

    # Every event once; no ticket opened twice; numbers 1..n without holes, in the order of the outbox.
    assert max(Counter(event.event_id for event in events).values()) == 1
    numbers: dict[str, list[int]] = {}
    for event in events:
        if event.type != "mention.discarded":
            numbers.setdefault(event.ticket_id, []).append(event.seq)
    assert all(found == list(range(1, len(found) + 1)) for found in numbers.values())
    opened = [event.ticket_id for event in events if event.type == "ticket.opened"]
    assert sorted(opened) == sorted(numbers)

    # Every mention in exactly one place.
    tickets = [await queue.ticket(brand, ticket_id) for ticket_id in opened]
    placed = Counter(one.mention.id for ticket in tickets if ticket for one in ticket.mentions)
    discarded = {event.mention.id for event in events if event.type == "mention.discarded"}
    assert max(placed.values(), default=0) <= 1
    assert not discarded & set(placed)
    assert discarded | set(placed) == {f"x:{number}" for number in THREADS}

    # The last version of each text, or none where it was deleted; who needs nobody is in no ticket.
    for ticket in tickets:
        assert ticket is not None
        for one in ticket.mentions:
            number = int(one.mention.id.removeprefix("x:"))
            assert number not in IGNORED
            if (number, "deleted") in changes:
                assert (one.mention.text, one.deleted_at is not None) == ("", True)
            else:
                last = next((edit for edit in reversed(EDITS) if (number, edit) in changes), None)
                assert one.revision == last
                assert one.mention.text == (f"Version {last} of {number}" if last else own.mention(number).text)

    # Whoever still needs somebody waits, and nobody else does.
    waiting = {ticket.id for ticket in tickets if ticket and ticket.status is TicketStatus.WAITING}
    needy = {ticket.id for ticket in tickets if ticket and any(one.deleted_at is None for one in ticket.mentions)}
    assert waiting == needy == {ticket.id for ticket in await queue.waiting(brand, "service")}
    assert len({ticket.thread_id for ticket in tickets if ticket and ticket.id in waiting}) == len(waiting)
    for number in set(THREADS) - IGNORED:
        assert (number, "deleted") in changes or f"x:{number}" in placed

    # A list shows the opening and, of those that are not deleted, the last to come.
    arrived: dict[str, list[str]] = {}
    for event in events:
        if event.type in ("ticket.opened", "mention.appended"):
            arrived.setdefault(event.ticket_id, []).append(event.mention.id)
    gone = {one.mention.id for ticket in tickets if ticket for one in ticket.mentions if one.deleted_at}
    for ticket in await queue.waiting(brand, "service"):
        last = [one for one in arrived[ticket.id] if one not in gone][-1]
        assert {one.mention.id for one in ticket.mentions} == {arrived[ticket.id][0], last}

    # Once more, in any order: nothing is left to do.
    again = await queue.apply(brand, [effect(own, *change) for batch in reversed(history) for change in batch])
    assert {one.code for one in again} == {ApplyCode.DUPLICATE}
    assert len(await everything(queue, brand)) == len(entries)
