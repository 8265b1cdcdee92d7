"""Mention changes on the queue: dedupe, threads, edits, deletions, and what is refused as a whole."""

from datetime import timedelta
from typing import Any

import pytest
import redis

from silofrei.routing.queue import ApplyCode, EpochMissing, RefusalCode, Refused, TicketQueue
from silofrei.routing.queue.effects import Effect
from silofrei.schemas.mention import MentionCreated
from silofrei.schemas.names import Outcome, Priority, TicketStatus

BRAND = "acme"


async def codes(queue: TicketQueue, *effects: Effect) -> list[ApplyCode]:
    return [one.code for one in await queue.apply(BRAND, effects)]


async def types(queue: TicketQueue) -> list[str]:
    return [entry.type for entry in await queue.outbox.read(BRAND)]


async def test_a_mention_opens_a_ticket_with_all_that_is_known(queue: TicketQueue, said: Any) -> None:
    effect = said.created(1, collaborators=("sales", "pr"), priority=Priority.HIGH, rule="bad-review")
    (applied,) = await queue.apply(BRAND, [effect])
    assert (applied.code, applied.department) == (ApplyCode.OPENED, "service")
    assert applied.ticket_id is not None
    assert abs(await queue.time() - applied.at) < timedelta(seconds=30)

    ticket = await queue.ticket(BRAND, applied.ticket_id)
    assert ticket is not None
    assert ticket.mentions[0].mention == effect.change.mention
    assert ticket.mentions[0].revision is None
    assert ticket.classification == effect.classification
    assert (ticket.rule, ticket.priority, ticket.collaborators) == ("bad-review", Priority.HIGH, ("sales", "pr"))
    assert timedelta(0) <= effect.decision.due_at - ticket.due_at < timedelta(milliseconds=1)
    assert (ticket.status, ticket.lease, ticket.attempts, ticket.mention_count) == (TicketStatus.WAITING, None, 0, 1)
    assert ticket.opened_at == ticket.department_since == applied.at


async def test_ticket_ids_are_the_same_on_every_replay(queue: TicketQueue, said: Any) -> None:
    (first,) = await queue.apply(BRAND, [said.created(1)])
    assert first.ticket_id is not None
    assert len(first.ticket_id) == 18
    await queue.begin_epoch("other")
    (other,) = await queue.apply("other", [type(said)("other").created(1)])
    assert other.ticket_id != first.ticket_id


async def test_a_repeated_mention_is_a_duplicate_and_names_its_ticket(queue: TicketQueue, said: Any) -> None:
    first, again = await queue.apply(BRAND, [said.created(1), said.created(1)])
    (later,) = await queue.apply(BRAND, [said.created(1)])
    assert (again.code, again.ticket_id, again.department) == (ApplyCode.DUPLICATE, first.ticket_id, "service")
    assert later.code is ApplyCode.DUPLICATE
    assert await types(queue) == ["ticket.opened"]


async def test_a_thread_has_one_open_ticket(queue: TicketQueue, said: Any) -> None:
    opened, joined, other = await queue.apply(
        BRAND, [said.created(1), said.created(2, 1, department="hr"), said.created(3)]
    )
    assert (joined.code, joined.ticket_id, joined.department) == (ApplyCode.APPENDED, opened.ticket_id, "service")
    assert other.code is ApplyCode.OPENED
    (third,) = await queue.apply(BRAND, [said.created(4, 1)])
    assert (third.code, third.ticket_id) == (ApplyCode.APPENDED, opened.ticket_id)
    ticket = await queue.ticket(BRAND, opened.ticket_id)
    assert ticket is not None
    assert [one.mention.id for one in ticket.mentions] == ["x:1", "x:2", "x:4"]
    assert ticket.mention_count == 3


async def test_a_discarded_mention_is_an_event_and_no_ticket(queue: TicketQueue, said: Any) -> None:
    (applied,) = await queue.apply(BRAND, [said.ignored(1)])
    assert (applied.code, applied.ticket_id, applied.department) == (ApplyCode.DISCARDED, None, None)
    assert await codes(queue, said.ignored(1)) == [ApplyCode.DUPLICATE]
    assert await types(queue) == ["mention.discarded"]


async def test_an_edit_replaces_the_stored_text(queue: TicketQueue, said: Any) -> None:
    opened, edited = await queue.apply(BRAND, [said.created(1), said.edited(1, "5")])
    assert (edited.code, edited.ticket_id, edited.department) == (ApplyCode.EDITED, opened.ticket_id, "service")
    ticket = await queue.ticket(BRAND, opened.ticket_id)
    assert ticket is not None
    assert (ticket.mentions[0].mention.text, ticket.mentions[0].revision) == ("Version 5 of 1", "5")
    assert ticket.mention_count == 1


@pytest.mark.parametrize(
    ("newer", "older"),
    [
        ("10", "9"),
        ("2026-03-01T12:00:00+01:00", "2026-03-01T10:59:59Z"),
        ("2026-03-01T12:00:00.001Z", "2026-03-01T12:00:00Z"),
        ("1" + "0" * 30, "9" * 30),
    ],
)
async def test_an_older_version_that_comes_late_changes_nothing(
    queue: TicketQueue, said: Any, newer: str, older: str
) -> None:
    effects = (said.created(1), said.edited(1, newer), said.edited(1, older), said.edited(1, newer))
    assert (await codes(queue, *effects))[1:] == [ApplyCode.EDITED, ApplyCode.DUPLICATE, ApplyCode.DUPLICATE]


async def test_revisions_without_order_are_each_applied_once(queue: TicketQueue, said: Any) -> None:
    effects = [said.created(1), *(said.edited(1, revision) for revision in ("zz", "aa", "zz", "aa"))]
    assert (await codes(queue, *effects))[1:] == [ApplyCode.EDITED] * 2 + [ApplyCode.DUPLICATE] * 2


async def test_an_edit_that_comes_first_is_the_mention(queue: TicketQueue, said: Any) -> None:
    assert await codes(queue, said.edited(1, "2"), said.created(1), said.edited(1, "1"), said.edited(1, "3")) == [
        ApplyCode.OPENED,
        ApplyCode.DUPLICATE,
        ApplyCode.DUPLICATE,
        ApplyCode.EDITED,
    ]


async def test_an_edit_may_call_for_somebody_after_all(queue: TicketQueue, said: Any) -> None:
    assert await codes(queue, said.ignored(1), said.edited(1, "2", ignore=True), said.edited(1, "3")) == [
        ApplyCode.DISCARDED,
        ApplyCode.DISCARDED,
        ApplyCode.OPENED,
    ]
    ids = [entry.event_id for entry in await queue.outbox.read(BRAND)]
    assert len(set(ids)) == 3


async def test_a_deleted_mention_loses_its_text_and_what_quotes_it(
    queue: TicketQueue, said: Any, redis_url: str
) -> None:
    effects = [said.created(1), said.created(2, 1), said.edited(1, "4"), said.deleted(1)]
    applied = await queue.apply(BRAND, effects)
    assert (applied[3].code, applied[3].ticket_id, applied[3].department) == (
        ApplyCode.DELETED,
        applied[0].ticket_id,
        "service",
    )
    ticket = await queue.ticket(BRAND, applied[0].ticket_id)
    assert ticket is not None
    first, second = ticket.mentions
    assert (first.mention.text, first.revision) == ("", "4")
    assert timedelta(0) <= abs(first.deleted_at - effects[3].change.deleted_at) < timedelta(milliseconds=1)
    assert first.mention.author == effects[0].change.mention.author
    assert second.mention.text == effects[1].change.mention.text
    assert ticket.classification == effects[0].classification.model_copy(update={"evidence": ()})
    assert (ticket.status, ticket.mention_count) == (TicketStatus.WAITING, 2)
    with redis.Redis.from_url(redis_url) as client:
        assert b"Version 4 of 1" not in b"".join(client.hgetall(f"sf:{{acme}}:ticket:{ticket.id}").values())


async def test_lists_show_the_opening_and_the_latest_that_is_not_deleted(queue: TicketQueue, said: Any) -> None:
    async def listed() -> list[str]:
        (ticket,) = await queue.waiting(BRAND, "service")
        return [one.mention.id for one in ticket.mentions]

    await queue.apply(BRAND, [said.created(1), *(said.created(number, 1) for number in (2, 3, 4, 5))])
    assert await listed() == ["x:1", "x:5"]
    await queue.apply(BRAND, [said.deleted(3), said.deleted(4)])
    assert await listed() == ["x:1", "x:5"], "the latest is still there"
    await queue.apply(BRAND, [said.deleted(5)])
    assert await listed() == ["x:1", "x:2"], "two deleted before are passed over"
    await queue.apply(BRAND, [said.created(6, 1), said.deleted(1), said.deleted(6)])
    assert await listed() == ["x:1", "x:2"], "a deleted opening is shown as such"
    await queue.apply(BRAND, [said.created(7, 1)])
    assert await listed() == ["x:1", "x:7"]
    held = await queue.claim(BRAND, "service", "anna")
    assert held is not None
    await queue.apply(BRAND, [said.deleted(7), said.deleted(2)])
    (ticket,) = await queue.claimed(BRAND, "service")
    assert [one.mention.id for one in ticket.mentions] == ["x:1"], "nothing is left to read"
    assert (await queue.apply(BRAND, [said.created(8, 1)]))[0].ticket_id == held.id
    (ticket,) = await queue.claimed(BRAND, "service")
    assert [one.mention.id for one in ticket.mentions] == ["x:1", "x:8"]


async def test_awkward_texts_survive_a_deletion_next_to_them(queue: TicketQueue, said: Any) -> None:
    for number, text in enumerate(["", '"', "\\", '\\"', '","text":"', "ü" * 1000, "\\\\", 'a"b\\']):
        mention = said.mention(number, text=text, media=({"type": "link", "url": 'https://a/"text":"'},))
        effect = Effect(MentionCreated(mention=mention), said.classification(), said.routed())
        applied, _, _ = await queue.apply(BRAND, [effect, said.created(f"{number}b", number), said.deleted(number)])
        ticket = await queue.ticket(BRAND, applied.ticket_id)
        assert ticket is not None
        gone = next(one for one in ticket.mentions if one.deleted_at)
        assert gone.mention == mention.model_copy(update={"text": ""})


async def test_a_waiting_ticket_without_mentions_is_withdrawn(queue: TicketQueue, said: Any) -> None:
    opened, _ = await queue.apply(BRAND, [said.created(1), said.created(2, 1)])
    assert await codes(queue, said.deleted(2), said.deleted(2), said.deleted(1)) == [
        ApplyCode.DELETED,
        ApplyCode.DUPLICATE,
        ApplyCode.DELETED,
    ]
    ticket = await queue.ticket(BRAND, opened.ticket_id)
    assert ticket is not None
    assert (ticket.status, ticket.outcome, ticket.lease) == (TicketStatus.RESOLVED, Outcome.WITHDRAWN, None)
    assert await queue.waiting(BRAND, "service") == []
    assert (await queue.depths(BRAND, ["service"]))["service"].oldest_age_seconds == 0.0
    (again,) = await queue.apply(BRAND, [said.created(3, 1)])
    assert (again.code, again.ticket_id != opened.ticket_id) == (ApplyCode.OPENED, True)


async def test_a_claimed_ticket_without_mentions_stays_with_its_holder(queue: TicketQueue, said: Any) -> None:
    await queue.apply(BRAND, [said.created(1)])
    held = await queue.claim(BRAND, "service", "anna")
    assert held is not None
    assert held.lease is not None
    await queue.apply(BRAND, [said.deleted(1)])
    ticket = await queue.ticket(BRAND, held.id)
    assert ticket is not None
    assert ticket.status is TicketStatus.CLAIMED
    released = await queue.release(BRAND, held.id, held.lease.token)
    assert (released.status, released.outcome) == (TicketStatus.RESOLVED, Outcome.WITHDRAWN)
    assert (await types(queue))[-2:] == ["ticket.released", "ticket.resolved"]


async def test_a_mention_that_was_deleted_before_it_came_is_discarded_without_its_text(
    queue: TicketQueue, said: Any, valid: Any
) -> None:
    assert await codes(queue, said.deleted(1), said.deleted(1), said.created(1), said.created(1)) == [
        ApplyCode.DELETED,
        ApplyCode.DUPLICATE,
        ApplyCode.DISCARDED,
        ApplyCode.DUPLICATE,
    ]
    assert await codes(queue, said.edited(1, "2")) == [ApplyCode.DUPLICATE]
    (entry,) = await queue.outbox.read(BRAND)
    event = valid(entry)
    assert (event.reason.value, event.rule, event.mention.text) == ("deleted_first", "deleted-first", "")
    assert event.classification is None


async def test_edits_and_deletions_reach_a_resolved_ticket_without_opening_it(queue: TicketQueue, said: Any) -> None:
    await queue.apply(BRAND, [said.created(1)])
    held = await queue.claim(BRAND, "service", "anna")
    assert held is not None
    assert held.lease is not None
    await queue.resolve(BRAND, held.id, held.lease.token, Outcome.ANSWERED)
    assert await codes(queue, said.created(1), said.edited(1, "2"), said.deleted(1)) == [
        ApplyCode.DUPLICATE,
        ApplyCode.EDITED,
        ApplyCode.DELETED,
    ]
    ticket = await queue.ticket(BRAND, held.id)
    assert ticket is not None
    assert (ticket.outcome, ticket.mentions[0].mention.text) == (Outcome.ANSWERED, "")


async def test_without_an_epoch_nothing_is_applied(make_queue: Any, said: Any, redis_url: str) -> None:
    queue = make_queue()
    assert await queue.epoch(BRAND) is None
    with pytest.raises(EpochMissing, match="rebuild"):
        await queue.apply(BRAND, [said.created(1), said.deleted(2)])
    with redis.Redis.from_url(redis_url) as client:
        assert client.dbsize() == 0
    began = await queue.begin_epoch(BRAND)
    assert await queue.begin_epoch(BRAND) == began == await queue.epoch(BRAND)
    assert await codes(queue, said.created(1)) == [ApplyCode.OPENED]


async def test_one_wrong_effect_refuses_the_batch_before_any_write(
    queue: TicketQueue, said: Any, redis_url: str
) -> None:
    foreign = type(said)("other").created(2)
    undecided = Effect(said.created(3).change)
    for wrong, sentence in ((foreign, "Effect 1 belongs to the brand 'other'"), (undecided, "no decision")):
        with pytest.raises(Refused, match=sentence) as caught:
            await queue.apply(BRAND, [said.created(1), wrong])
        assert caught.value.code is RefusalCode.BAD_ARGUMENT
    assert await queue.outbox.length(BRAND) == 0
    assert await queue.apply(BRAND, []) == []


async def test_the_script_itself_checks_its_arguments_first(queue: TicketQueue, said: Any) -> None:
    from silofrei.routing.queue.effects import arguments

    good = arguments(BRAND, [said.created(1)])
    runner = queue._runner
    for place, value, what in (
        (0, "q", "op"),
        (1, "", "mention id"),
        (2, "", "thread id"),
        (3, "short", "cause"),
        (5, "soon", "due_at"),
        (6, "{}", "mention"),
        (8, "", "meta"),
    ):
        wrong = [*good]
        wrong[place] = value
        reply = await runner.run("open_or_append", ["sf:{acme}:epoch"], [1000, *good, *wrong])
        assert reply == [RefusalCode.BAD_ARGUMENT, 1, what.encode()]
    assert await runner.run("open_or_append", ["sf:{acme}:epoch"], [1000, *good, "c"]) == [
        RefusalCode.BAD_ARGUMENT,
        -1,
        b"tombstone or number of arguments",
    ]
    assert await queue.outbox.length(BRAND) == 0


async def test_what_is_over_is_forgotten_after_the_tombstone_and_not_before(
    queue: TicketQueue, said: Any, redis_url: str
) -> None:
    await queue.apply(BRAND, [said.created(1), said.created(2, 1), said.ignored(3), said.deleted(4), said.created(5)])
    held = await queue.claim(BRAND, "service", "anna")
    assert held is not None
    assert held.lease is not None
    with redis.Redis.from_url(redis_url) as client:
        left = {key.decode().removeprefix("sf:{acme}:"): client.pttl(key) for key in client.scan_iter()}
        assert {name for name, ttl in left.items() if ttl > 0} == {"mention:x:3", "mention:x:4"}
        await queue.resolve(BRAND, held.id, held.lease.token, Outcome.SOLVED)
        left = {key.decode().removeprefix("sf:{acme}:"): client.pttl(key) for key in client.scan_iter()}
        expiring = {name for name, ttl in left.items() if ttl > 0}
        assert expiring == {f"ticket:{held.id}", "mention:x:1", "mention:x:2", "mention:x:3", "mention:x:4"}
        assert all(29 * 86_400_000 < ttl <= 30 * 86_400_000 for ttl in left.values() if ttl > 0)
    await queue.apply(BRAND, [said.edited(3, "2")])
    with redis.Redis.from_url(redis_url) as client:
        assert client.pttl("sf:{acme}:mention:x:3") == -1, "it belongs to a live ticket now"
