import json
from datetime import UTC, datetime

import pytest

from silofrei.schemas.delivery import RawDelivery
from silofrei.schemas.mention import MentionCreated
from silofrei.schemas.names import DeadLetterReason, MentionKind
from silofrei.streams.channels import InvalidMention, NotAMention
from silofrei.streams.channels.instagram import InstagramParser

ACCOUNT = "17841400001"
RECEIVED = datetime(2026, 11, 3, 9, 0, 5, tzinfo=UTC)
SENT = 1_793_696_403  # 2026-11-03T09:00:03Z
PARSER = InstagramParser()


def read(payload, **headers):
    delivery = RawDelivery(
        delivery_id="d1",
        brand="demo",
        channel="instagram",
        connector="test",
        received_at=RECEIVED,
        headers=headers,
        body=json.dumps(payload),
    )
    return [PARSER.change(item, delivery) for item in PARSER.split(payload, delivery)]


def changes(field, value):
    entry = {"id": ACCOUNT, "time": SENT, "changes": [{"field": field, "value": value}]}
    return {"object": "instagram", "entry": [entry]}


def comment(**fields):
    value = {
        "id": "17900",
        "text": "omg this bike 😍 do you ship to Cork?",
        "from": {"id": "66", "username": "aoife.rides"},
        "media": {"id": "1555", "media_product_type": "REELS"},
        **fields,
    }
    return {key: found for key, found in value.items() if found is not ...}


def test_a_comment_takes_the_entrys_time():
    (change,) = read(changes("comments", comment()))
    assert isinstance(change, MentionCreated)
    mention = change.mention
    assert mention.id == "instagram:17900"
    assert mention.kind is MentionKind.COMMENT
    assert (mention.author.id, mention.author.handle) == ("66", "aoife.rides")
    assert mention.text == "omg this bike 😍 do you ship to Cork?"
    assert mention.created_at == datetime(2026, 11, 3, 9, 0, 3, tzinfo=UTC)
    assert mention.thread_id == "instagram:1555:66"
    assert mention.parent_id == "instagram:1555"


def test_an_answer_names_its_parent_and_stays_in_the_authors_thread():
    (change,) = read(changes("comments", comment(id="17901", parent_id="17900")))
    assert change.mention.parent_id == "instagram:17900"
    assert change.mention.thread_id == "instagram:1555:66"


def test_the_newer_form_stands_on_the_entry_itself():
    entry = {"id": ACCOUNT, "time": SENT, "field": "comments", "value": comment()}
    (change,) = read({"object": "instagram", "entry": [entry]})
    assert change.mention.id == "instagram:17900"
    entry["value"] = comment(text=...)
    with pytest.raises(InvalidMention) as caught:
        read({"object": "instagram", "entry": [entry]})
    assert caught.value.field == "entry[0].value.text"


def test_the_older_form_has_no_author():
    (change,) = read(changes("comments", {"id": "17900", "text": "schick"}))
    assert change.mention.text == "schick"
    assert change.mention.author.id == "unknown:17900"
    assert change.mention.thread_id == "instagram:17900"
    assert change.mention.parent_id is None


def test_live_comments_are_comments():
    (change,) = read(changes("live_comments", comment()))
    assert change.mention.id == "instagram:17900"


def test_a_mention_has_ids_alone_and_waits_for_a_person():
    (change,) = read(changes("mentions", {"media_id": "1777", "comment_id": "18001"}))
    assert change.mention.id == "instagram:18001"
    assert change.mention.kind is MentionKind.COMMENT
    assert change.mention.text == ""
    assert change.mention.parent_id == "instagram:1777"
    (change,) = read(changes("mentions", {"media_id": "1777"}))
    assert change.mention.id == "instagram:1777"
    assert change.mention.kind is MentionKind.POST


def test_a_connector_may_add_what_it_fetched_for_a_mention():
    fetched = {"text": "@nordwindrad best day", "username": "kit", "timestamp": "2026-11-03T08:59:00+0000"}
    (change,) = read(changes("mentions", {"media_id": "1777", **fetched}))
    assert change.mention.text == "@nordwindrad best day"
    assert change.mention.author.handle == "kit"
    assert change.mention.created_at == datetime(2026, 11, 3, 8, 59, tzinfo=UTC)


@pytest.mark.parametrize(
    ("payload", "what"),
    [
        (changes("comments", comment(**{"from": {"id": ACCOUNT, "username": "nordwindrad"}})), "own reply"),
        (changes("story_insights", {"reach": 5}), "story_insights"),
        (changes("message_reactions", {"reaction": {}}), "message_reactions"),
    ],
)
def test_no_mentions(payload, what):
    assert read(payload) == [NotAMention(what)]


def test_the_connector_may_name_the_own_handle():
    assert read(changes("comments", comment()), **{"x-silofrei-account": "@Aoife.Rides"}) == [NotAMention("own reply")]


@pytest.mark.parametrize(
    ("payload", "reason", "field"),
    [
        (changes("comments", comment(id=...)), DeadLetterReason.MISSING_FIELD, "entry[0].changes[0].value.id"),
        (changes("comments", comment(text=...)), DeadLetterReason.MISSING_FIELD, "entry[0].changes[0].value.text"),
        (
            changes("comments", comment(text="\ud83d")),
            DeadLetterReason.INVALID_UNICODE,
            "entry[0].changes[0].value.text",
        ),
        (changes("mentions", {}), DeadLetterReason.MISSING_FIELD, "entry[0].changes[0].value.media_id"),
        (changes("comments", None), DeadLetterReason.MISSING_FIELD, "entry[0].changes[0].value"),
        (changes("horoscope", {}), DeadLetterReason.INVALID_FIELD, "entry[0].changes[0].field"),
        (
            changes("comments", comment(timestamp="0001-01-01T00:00:00+0000")),
            DeadLetterReason.INVALID_TIME,
            "entry[0].changes[0].value.timestamp",
        ),
    ],
)
def test_a_mistake_names_reason_and_path(payload, reason, field):
    with pytest.raises(InvalidMention) as caught:
        read(payload)
    assert (caught.value.reason, caught.value.field) == (reason, field)
