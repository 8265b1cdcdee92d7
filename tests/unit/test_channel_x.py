import json
from datetime import UTC, datetime

import pytest

from silofrei.schemas.delivery import RawDelivery
from silofrei.schemas.mention import MentionCreated, MentionDeleted, MentionEdited
from silofrei.schemas.names import DeadLetterReason, MentionKind
from silofrei.streams.channels import InvalidMention, NotAMention
from silofrei.streams.channels.x import XParser

BRAND = "990011"
RECEIVED = datetime(2026, 11, 3, 9, 0, 5, tzinfo=UTC)
PARSER = XParser()


def read(payload, **headers):
    delivery = RawDelivery(
        delivery_id="d1",
        brand="demo",
        channel="x",
        connector="test",
        received_at=RECEIVED,
        headers=headers,
        body=json.dumps(payload),
    )
    return [PARSER.change(item, delivery) for item in PARSER.split(payload, delivery)]


def event(kind="post.mention.create", *, users=True, includes=None, **fields):
    post = {
        "id": "2000000000000000017",
        "author_id": "4242",
        "text": "@nordwindrad Tür &amp; Schloss klemmen, 5 &lt; 10 Grad?",
        "lang": "de",
        "created_at": "2026-11-03T09:00:01.250Z",
        "conversation_id": "2000000000000000017",
        "edit_history_tweet_ids": ["2000000000000000017"],
        "public_metrics": {
            "like_count": 3,
            "reply_count": 1,
            "retweet_count": 2,
            "quote_count": 4,
            "impression_count": 99,
        },
        **fields,
    }
    user = {"id": "4242", "username": "kalle_hh", "name": "Kalle", "public_metrics": {"followers_count": 1234}}
    return {
        "data": {
            "event_uuid": "-3611",
            "filter": {"user_id": BRAND},
            "event_type": kind,
            "tag": "mentions",
            "payload": {key: value for key, value in post.items() if value is not ...},
            "includes": {"users": [user] if users else [], **(includes or {})},
        }
    }


def test_a_post():
    (change,) = read(event())
    assert isinstance(change, MentionCreated)
    mention = change.mention
    assert mention.id == "x:2000000000000000017"
    assert mention.kind is MentionKind.POST
    assert mention.text == "@nordwindrad Tür & Schloss klemmen, 5 < 10 Grad?"
    assert mention.language == "de"
    assert mention.author.model_dump() == {"id": "4242", "handle": "kalle_hh", "name": "Kalle", "followers": 1234}
    assert mention.created_at == datetime(2026, 11, 3, 9, 0, 1, 250_000, tzinfo=UTC)
    assert mention.thread_id == "x:2000000000000000017:4242"
    assert mention.parent_id is None
    assert mention.permalink == "https://x.com/kalle_hh/status/2000000000000000017"
    assert mention.engagement.model_dump() == {"likes": 3, "replies": 1, "shares": 6, "views": 99}


def test_the_same_post_under_two_event_types_is_one_mention():
    (one,), (other,) = read(event("post.mention.create")), read(event("post.reply.create"))
    assert one == other


def test_a_reply_joins_its_authors_thread_and_needs_no_includes():
    reply = event(
        "post.reply.create",
        users=False,
        id="2000000000000000021",
        in_reply_to_tweet_id="2000000000000000019",
        edit_history_tweet_ids=["2000000000000000021"],
    )
    (change,) = read(reply)
    assert change.mention.kind is MentionKind.COMMENT
    assert change.mention.parent_id == "x:2000000000000000019"
    assert change.mention.thread_id == "x:2000000000000000017:4242"
    assert change.mention.author.handle is None
    assert change.mention.permalink == "https://x.com/i/web/status/2000000000000000021"


def test_a_reply_may_be_known_by_its_references_alone():
    references = [{"type": "quoted", "id": "5"}, {"type": "replied_to", "id": "6"}]
    (change,) = read(event(referenced_tweets=references))
    assert (change.mention.kind, change.mention.parent_id) == (MentionKind.COMMENT, "x:6")


def test_a_quote_is_a_post_whose_parent_is_what_it_quotes():
    (change,) = read(event("post.quote.create", referenced_tweets=[{"type": "quoted", "id": "5"}]))
    assert (change.mention.kind, change.mention.parent_id) == (MentionKind.POST, "x:5")


def test_a_long_post_is_read_whole():
    whole = "Sehr lange Geschichte. " * 40
    (change,) = read(event(text="Sehr lange Gesch… https://t.co/x", note_tweet={"text": whole}))
    assert change.mention.text == whole


def test_an_edit_keeps_the_first_id_and_its_own_id_is_the_revision():
    versions = ["2000000000000000017", "2000000000000000018"]
    (change,) = read(event(id=versions[1], edit_history_tweet_ids=versions, text="jetzt gehts"))
    assert isinstance(change, MentionEdited)
    assert change.mention.id == "x:2000000000000000017"
    assert change.revision == "2000000000000000018"
    assert change.mention.text == "jetzt gehts"


def test_a_deletion_wraps_its_users_and_names_the_first_version():
    deletion = event("post.delete", id="18", edit_history_tweet_ids=["17", "18"], text=..., created_at=...)
    deletion["data"]["includes"]["users"] = [{"data": deletion["data"]["includes"]["users"][0]}]
    (change,) = read(deletion)
    assert isinstance(change, MentionDeleted)
    assert change.mention_id == "x:17"
    assert change.deleted_at == RECEIVED
    (change,) = read(event("post.delete", edit_history_tweet_ids=...))
    assert change.mention_id == "x:2000000000000000017"


def test_pictures_are_found_among_the_includes():
    media = [
        {"media_key": "3_1", "type": "photo", "url": "https://img.example/1.jpg"},
        {"media_key": "7_2", "type": "video", "preview_image_url": "https://img.example/2.jpg"},
        {"media_key": "3_9", "type": "photo", "url": "https://img.example/other.jpg"},
    ]
    (change,) = read(event(attachments={"media_keys": ["3_1", "7_2"]}, includes={"media": media}))
    assert [(one.type, one.url) for one in change.mention.media] == [
        ("image", "https://img.example/1.jpg"),
        ("video", "https://img.example/2.jpg"),
    ]


@pytest.mark.parametrize(
    ("declared", "language"), [("en", "en"), ("und", None), ("qme", None), ("zxx", None), (..., None)]
)
def test_codes_for_no_language_are_no_language(declared, language):
    (change,) = read(event(lang=declared))
    assert change.mention.language == language


def test_direct_messages_in_the_older_form():
    payload = {
        "direct_message_events": [
            {
                "type": "message_create",
                "id": "dm1",
                "created_timestamp": "1793696401250",
                "message_create": {
                    "target": {"recipient_id": BRAND},
                    "sender_id": sender,
                    "message_data": {"text": "Hallo, Bestellung 4711?"},
                },
            }
            for sender in ("4242", BRAND)
        ],
        "users": {"4242": {"id": "4242", "name": "Kalle", "screen_name": "kalle_hh", "followers_count": 7}},
    }
    message = event("dm.received")
    message["data"]["payload"] = payload
    first, second = read(message)
    assert first.mention.id == "x:dm1"
    assert first.mention.kind is MentionKind.MESSAGE
    assert first.mention.text == "Hallo, Bestellung 4711?"
    assert first.mention.author.handle == "kalle_hh"
    assert first.mention.thread_id == f"x:messages:{BRAND}:4242"
    assert first.mention.created_at == datetime(2026, 11, 3, 9, 0, 1, 250_000, tzinfo=UTC)
    assert second == NotAMention("own reply")


def test_a_direct_message_in_flat_form():
    message = event("dm.received")
    message["data"]["payload"] = {
        "id": "dm2", "sender_id": "4242", "text": "Moin", "created_at": "2026-11-03T09:00:00Z",
    }  # fmt: skip
    (change,) = read(message)
    assert change.mention.id == "x:dm2"


def test_several_events_in_one_delivery():
    payload = {"data": [event(id="1")["data"], event("like.create")["data"], event(id="2")["data"]]}
    first, like, second = read(payload)
    assert (first.mention.author.id, like, second.kind if hasattr(second, "kind") else second.mention.kind) == (
        "4242",
        NotAMention("like.create"),
        MentionKind.POST,
    )


@pytest.mark.parametrize(
    "kind", ["like.create", "post.repost.create", "follow.follow", "profile.update.bio", "dm.read", "chat.received"]
)
def test_what_says_nothing(kind):
    assert read(event(kind)) == [NotAMention(kind)]


def test_own_posts_by_filter_and_by_header():
    assert read(event(author_id=BRAND)) == [NotAMention("own reply")]
    assert read(event(), **{"x-silofrei-account": "Kalle_HH"}) == [NotAMention("own reply")]


@pytest.mark.parametrize(
    ("payload", "reason", "field"),
    [
        ([], DeadLetterReason.INVALID_FIELD, None),
        ({}, DeadLetterReason.MISSING_FIELD, "data"),
        ({"data": 5}, DeadLetterReason.INVALID_FIELD, "data"),
        (event("post.teleport"), DeadLetterReason.INVALID_FIELD, "data.event_type"),
        (event(id=...), DeadLetterReason.MISSING_FIELD, "data.payload.id"),
        (event(author_id=...), DeadLetterReason.MISSING_FIELD, "data.payload.author_id"),
        (event(text=...), DeadLetterReason.MISSING_FIELD, "data.payload.text"),
        (event(created_at=...), DeadLetterReason.MISSING_FIELD, "data.payload.created_at"),
        (event(created_at="0001-01-01T00:00:00.000Z"), DeadLetterReason.INVALID_TIME, "data.payload.created_at"),
        (event(text="a\ud800"), DeadLetterReason.INVALID_UNICODE, "data.payload.text"),
        (event(note_tweet={"text": "y" * 60_000}), DeadLetterReason.TEXT_TOO_LONG, "data.payload.note_tweet.text"),
        ({"data": [5]}, DeadLetterReason.INVALID_FIELD, "data[0]"),
    ],
)
def test_a_mistake_names_reason_and_path(payload, reason, field):
    with pytest.raises(InvalidMention) as caught:
        read(payload)
    assert (caught.value.reason, caught.value.field) == (reason, field)
