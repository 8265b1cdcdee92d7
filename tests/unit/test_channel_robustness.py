"""Whatever a delivery holds, a parser answers with a change, a quiet event or a named mistake, and nothing else."""

import copy
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from silofrei.schemas.delivery import RawDelivery
from silofrei.schemas.mention import MentionCreated, MentionDeleted, MentionEdited
from silofrei.schemas.names import Channel
from silofrei.streams.channels import InvalidMention, NotAMention
from silofrei.streams.channels.registry import PARSERS

RECEIVED = datetime(2026, 11, 3, 9, 0, 5, tzinfo=UTC)
ISO = "2026-11-03T09:00:00.000Z"
EPOCH = 1_793_696_400

SENDER = {"sender": {"id": "5"}, "recipient": {"id": "1"}, "timestamp": EPOCH * 1000}
MESSAGES = [
    {**SENDER, "message": {"mid": "m1", "text": "a", "attachments": [{"type": "image", "payload": {"url": "u"}}]}},
    {**SENDER, "message_edit": {"mid": "m1", "text": "b", "num_edit": "1"}},
    {**SENDER, "message": {"mid": "m1", "is_deleted": True}},
    {**SENDER, "read": {"watermark": EPOCH}},
]
STATUS = {
    "id": "7",
    "created_at": ISO,
    "edited_at": ISO,
    "in_reply_to_id": "6",
    "spoiler_text": "cw",
    "visibility": "public",
    "language": "de",
    "content": "<p>a &amp; <b>b</b></p>",
    "account": {"id": "9", "acct": "w@x.example", "display_name": "W", "followers_count": 3},
    "media_attachments": [{"type": "image", "url": "u"}],
    "favourites_count": 1,
}
POST = {
    "id": "2",
    "author_id": "4",
    "text": "a",
    "lang": "de",
    "created_at": ISO,
    "conversation_id": "1",
    "in_reply_to_tweet_id": "1",
    "referenced_tweets": [{"type": "replied_to", "id": "1"}],
    "edit_history_tweet_ids": ["1", "2"],
    "public_metrics": {"like_count": 1},
    "attachments": {"media_keys": ["k"]},
    "note_tweet": {"text": "long"},
}
COMMENT = {
    "item": "comment",
    "verb": "edited",
    "comment_id": "2_3",
    "post_id": "1_2",
    "parent_id": "1_2",
    "from": {"id": "5", "name": "A"},
    "created_time": EPOCH,
    "message": "a",
    "photos": ["u"],
    "post": {"permalink_url": "u"},
}
RATING = {
    "item": "rating",
    "verb": "add",
    "open_graph_story_id": "8",
    "reviewer_id": "5",
    "review_text": "a",
    "rating": 4,
}
SAMPLES = {
    Channel.FACEBOOK: [
        {
            "object": "page",
            "entry": [
                {
                    "id": "1",
                    "time": EPOCH,
                    "changes": [{"field": "feed", "value": COMMENT}, {"field": "ratings", "value": RATING}],
                    "messaging": MESSAGES,
                }
            ],
        }
    ],
    Channel.INSTAGRAM: [
        {
            "object": "instagram",
            "entry": [
                {
                    "id": "1",
                    "time": EPOCH,
                    "field": "comments",
                    "value": {"id": "3", "text": "a", "from": {"id": "5", "username": "a"}, "media": {"id": "2"}},
                },
                {
                    "id": "1",
                    "time": EPOCH,
                    "changes": [{"field": "mentions", "value": {"media_id": "2", "comment_id": "3"}}],
                    "messaging": MESSAGES,
                },
            ],
        }
    ],
    Channel.X: [
        {
            "data": {
                "event_type": kind,
                "filter": {"user_id": "1"},
                "payload": POST,
                "includes": {
                    "users": [{"id": "4", "username": "a", "public_metrics": {"followers_count": 1}}],
                    "media": [{"media_key": "k", "type": "photo", "url": "u"}],
                },
            }
        }
        for kind in ("post.mention.create", "post.delete")
    ]
    + [
        {
            "data": {
                "event_type": "dm.received",
                "filter": {"user_id": "1"},
                "payload": {
                    "direct_message_events": [
                        {
                            "id": "d",
                            "created_timestamp": str(EPOCH * 1000),
                            "message_create": {"sender_id": "4", "message_data": {"text": "a"}},
                        }
                    ],
                    "users": {"4": {"screen_name": "a", "followers_count": 1}},
                },
            }
        }
    ],
    Channel.MASTODON: [
        {"event": "notification", "payload": {"type": "mention", "status": STATUS}},
        {"event": "status.update", "payload": STATUS},
        {"event": "delete", "payload": "7"},
        [{"type": "quote", "status": STATUS}],
    ],
    Channel.TRUSTPILOT: [
        {
            "events": [
                {
                    "eventName": name,
                    "eventData": {
                        "id": "r",
                        "title": "a",
                        "text": "b",
                        "stars": 2,
                        "createdAt": ISO,
                        "updatedAt": ISO,
                        "language": "de",
                        "consumer": {"id": "c", "name": "C"},
                    },
                }
                for name in ("service-review-created", "service-review-updated", "service-review-deleted")
            ]
        }
    ],
    Channel.CLOUDEVENTS: [
        [
            {
                "specversion": "1.0",
                "type": f"silofrei.mention.{change}",
                "source": "urn:s",
                "id": "e",
                "time": ISO,
                "data": {
                    "id": "1",
                    "kind": "post",
                    "text": "a",
                    "author": {"id": "u", "handle": "h", "followers": 1},
                    "created_at": ISO,
                    "thread": "t",
                    "parent": "p",
                    "media": [{"type": "image", "url": "u"}],
                    "engagement": {"likes": 1},
                    "rating": 3,
                },
            }
            for change in ("created", "edited")
        ]
    ],
}
CHANGES = MentionCreated | MentionEdited | MentionDeleted
ANY_TEXT = st.text(st.characters(exclude_categories=()), max_size=9)
ANYTHING = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | ANY_TEXT
    | st.sampled_from(["", " ", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "x" * 600, -1, 2**70, 1e300]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(ANY_TEXT, inner, max_size=3),
    max_leaves=6,
)


def places(value, path=()):
    """The path of every value inside `value`."""
    found = [path]
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, one in inner:
        found += places(one, (*path, key))
    return found


def replaced(value, path, new):
    if not path:
        return new
    value = copy.deepcopy(value)
    place = value
    for key in path[:-1]:
        place = place[key]
    if new is ...:
        del place[path[-1]]
    else:
        place[path[-1]] = new
    return value


def outcomes(channel, payload):
    delivery = RawDelivery(
        delivery_id="d", brand="demo", channel=channel.value, connector="test", received_at=RECEIVED, body=""
    )
    parser = PARSERS[channel]
    try:
        items = parser.split(payload, delivery)
    except InvalidMention as mistake:
        return [mistake]
    found = []
    for item in items:
        assert isinstance(item.path, str)
        try:
            found.append(parser.change(item, delivery))
        except InvalidMention as mistake:
            found.append(mistake)
    return found


def check(found):
    for one in found:
        if isinstance(one, InvalidMention):
            one.detail.encode()
            (one.field or "").encode()
        else:
            assert isinstance(one, CHANGES | NotAMention)
            if isinstance(one, CHANGES):
                one.model_dump_json()


def test_every_channel_has_a_parser():
    assert set(PARSERS) == set(Channel) == set(SAMPLES)


@pytest.mark.parametrize("channel", Channel)
def test_the_samples_themselves_are_read(channel):
    for sample in SAMPLES[channel]:
        found = outcomes(channel, sample)
        assert found
        assert all(isinstance(one, CHANGES | NotAMention) for one in found)


@pytest.mark.parametrize("channel", Channel)
@settings(deadline=None)
@given(payload=ANYTHING)
def test_anything_at_all(channel, payload):
    check(outcomes(channel, payload))


@pytest.mark.parametrize("channel", Channel)
@settings(max_examples=3 * settings().max_examples, deadline=None)
@given(data=st.data())
def test_a_sound_delivery_with_damaged_places(channel, data):
    payload = data.draw(st.sampled_from(SAMPLES[channel]))
    for _ in range(data.draw(st.integers(1, 3))):
        path = data.draw(st.sampled_from(places(payload)))
        new = data.draw(ANYTHING | st.just(...) if path else ANYTHING)
        payload = replaced(payload, path, new)
    check(outcomes(channel, payload))


@pytest.mark.parametrize("channel", Channel)
def test_every_place_damaged_in_every_way(channel):
    damages = [..., None, [], {}, "", 0, -1, 1.5, True, "\ud800", "x" * 60_000, {"id": None}, [[]], float("nan")]
    for sample in SAMPLES[channel]:
        for path in places(sample)[1:]:
            for new in damages:
                check(outcomes(channel, replaced(sample, path, new)))
