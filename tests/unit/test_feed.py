"""The sample feed: what it promises is what the parsers find in it."""

from collections import Counter, namedtuple
from datetime import UTC, datetime, timedelta

import pytest

from silofrei.deploy.demo.feed import BRAND, expected, render, rows
from silofrei.deploy.demo.feed_poison import REASONS
from silofrei.deploy.demo.feed_rows import COMPANY, CREATED, QUIET, by_id, person
from silofrei.schemas.delivery import RawDelivery
from silofrei.schemas.mention import MentionCreated, MentionDeleted, MentionEdited
from silofrei.schemas.names import Channel, MentionKind
from silofrei.schemas.settings import Settings
from silofrei.streams.parsing import parse

START = datetime(2026, 11, 24, 8, 0, tzinfo=UTC)
Record = namedtuple("Record", ["topic", "partition", "offset", "value"])
MENTIONS = [row for row in rows() if row.is_mention]


@pytest.fixture(scope="module")
def deliveries():
    return list(render(rows(), START))


@pytest.fixture(scope="module")
def parsed(deliveries):
    """Each delivery with what the worker's parsing makes of it."""
    return [
        (one, parse(Record("mentions.raw", 0, number, one.value()), {BRAND}, lambda: START))
        for number, one in enumerate(deliveries)
    ]


def changes(parsed, kind):
    return [change for _, found in parsed for _, change in found.changes if isinstance(change, kind)]


def test_there_is_enough_of_everything():
    assert len(MENTIONS) >= 320
    languages = Counter(row.language for row in MENTIONS)
    assert set(languages) == {"de", "en"}
    assert min(languages.values()) / len(MENTIONS) > 0.45
    assert {row.channel for row in MENTIONS} == set(Channel)
    assert len({row.author for row in MENTIONS}) > 200
    assert len([row for row in rows() if row.kind == "poison"]) >= 8
    assert {row.marks["what"] for row in rows() if row.kind == "poison"} == set(REASONS)


def test_it_lasts_about_ten_minutes_and_has_bursts():
    assert 570 < max(row.at for row in rows()) < 630
    per_quarter = Counter(int(row.at // 15) for row in MENTIONS)
    assert max(per_quarter.values()) > 2.5 * len(MENTIONS) / 40
    assert len(per_quarter) == 40


def test_no_two_people_say_the_same():
    assert len({row.text for row in MENTIONS}) == len(MENTIONS)
    lengths = sorted(len(row.text) for row in MENTIONS)
    assert lengths[0] < 10
    assert lengths[-1] > 500


def test_every_row_is_of_a_known_kind_and_refers_to_rows_before_it():
    for row in rows():
        assert row.kind in CREATED | QUIET | {"edit", "delete", "again", "poison"}, row
        if "re" in row.marks:
            assert by_id()[row.marks["re"]].at < row.at, row


def test_it_names_no_one_with_many_followers_by_accident():
    assert person(by_id()["lock1"]).followers == 1840
    assert 0 < person(next(row for row in MENTIONS if row.author == "em_runs_late")).followers < 1000
    assert sum(person(row).followers >= 100_000 for row in MENTIONS) in range(2, 6)


def test_the_deliveries_come_in_order_and_after_what_they_tell(deliveries, parsed):
    assert [one.at for one in deliveries] == sorted(one.at for one in deliveries)
    assert len(deliveries) == expected().deliveries
    for one, found in parsed:
        if isinstance(one.delivery, RawDelivery):
            assert one.delivery.received_at == START + timedelta(seconds=one.at)
        for _, change in found.changes:
            if isinstance(change, MentionCreated):
                assert change.mention.created_at <= change.mention.received_at


def test_what_the_rows_promise_is_what_the_parsers_find(parsed):
    truth = expected()
    created = changes(parsed, MentionCreated)
    assert len({change.mention.id for change in created}) == truth.created
    assert len(created) - truth.created == truth.duplicates
    assert len(changes(parsed, MentionEdited)) == truth.edited
    assert len(changes(parsed, MentionDeleted)) == truth.deleted
    assert sum(found.not_mentions for _, found in parsed) == truth.not_mentions
    assert Counter(dead.reason for _, found in parsed for dead in found.dead) == truth.dead_letters
    assert truth.changes == sum(len(found.changes) for _, found in parsed)


def test_the_truth_is_counted_by_hand_too():
    truth = expected()
    assert (truth.created, truth.edited, truth.deleted, truth.duplicates, truth.not_mentions) == (344, 12, 7, 16, 12)
    assert sum(truth.dead_letters.values()) == 14
    assert truth.deliveries == 376


def test_the_texts_come_through_every_native_shape_unharmed(parsed):
    found = {change.mention.text for change in changes(parsed, MentionCreated)}
    missing = {row.text for row in MENTIONS} - found
    assert not missing


def test_authors_kinds_and_ratings_come_through(parsed):
    mentions = {change.mention.text: change.mention for change in changes(parsed, MentionCreated)}
    for row in MENTIONS:
        mention = mentions[row.text]
        assert mention.channel is row.channel
        assert mention.author.id == person(row).number
        if row.kind in ("message", "review", "article"):
            assert mention.kind is MentionKind(row.kind)
        if "stars" in row.marks:
            assert mention.rating == int(row.marks["stars"])
        if row.channel is Channel.MASTODON:
            assert mention.author.followers == person(row).followers


def test_each_poison_gets_its_own_reason(parsed):
    reasons = {
        one.key.partition(":")[2]: [dead.reason for dead in found.dead]
        for one, found in parsed
        if one.key.startswith("poison:")
    }
    assert reasons == {what: [reason] for what, reason in REASONS.items()}
    for one, found in parsed:
        if one.key.startswith("poison:"):
            assert not found.changes


def test_a_broken_mention_leaves_its_batch_whole(parsed):
    batch = next(found for one, found in parsed if one.key == "fb2")
    assert len(batch.changes) == 3
    (dead,) = batch.dead
    assert dead.field == "entry[0].changes[2].value.comment_id"


def test_edits_and_deletions_are_about_known_mentions_and_lie_in_their_partition(parsed):
    keys = {}
    for one, found in parsed:
        for _, change in found.changes:
            if isinstance(change, MentionCreated):
                assert keys.setdefault(change.mention.id, one.key) == one.key
            else:
                mention_id = change.mention_id if isinstance(change, MentionDeleted) else change.mention.id
                assert keys[mention_id] == one.key
                if isinstance(change, MentionEdited):
                    assert change.mention.text not in {row.text for row in MENTIONS}


def test_a_repetition_is_the_same_to_the_byte(deliveries):
    bodies = Counter(
        one.delivery.body for one in deliveries if isinstance(one.delivery, RawDelivery) and len(one.delivery.body) > 2
    )
    assert sum(count - 1 for count in bodies.values()) == sum(row.kind == "again" for row in rows())


def test_followups_of_one_author_share_a_thread(parsed):
    threads = {change.mention.text: change.mention.thread_id for change in changes(parsed, MentionCreated)}
    stories = (("akku1", "akku2", "akku3"), ("lock2", "lock3"), ("ingrid1", "ingrid2"), ("wiebke1", "wiebke2"))
    for first, *later in stories:
        assert {threads[by_id()[one].text] for one in later} == {threads[by_id()[first].text]}


def test_every_delivery_fits_the_default_limit(deliveries):
    limit = Settings.model_fields["max_delivery_bytes"].default
    sizes = [len(one.value()) for one in deliveries]
    assert 2_000_000 < max(sizes) < limit
    assert sorted(sizes)[-2] < 10_000


def test_a_later_run_repeats_no_id_and_the_same_run_repeats_all(deliveries, parsed):
    later = list(render(rows(), START + timedelta(minutes=11)))
    assert [one.value() for one in render(rows(), START)] == [one.value() for one in deliveries]
    fresh = {
        change.mention.id
        for one in later
        for _, change in parse(Record("mentions.raw", 0, 0, one.value()), {BRAND}, lambda: START).changes
        if isinstance(change, MentionCreated)
    }
    assert fresh.isdisjoint(change.mention.id for change in changes(parsed, MentionCreated))


def test_the_company_is_no_customer(parsed):
    own = {row.text for row in rows() if row.author == COMPANY and row.kind in CREATED}
    assert own
    assert own.isdisjoint(change.mention.text for change in changes(parsed, MentionCreated))
