import json
from datetime import UTC, datetime

import pytest

from silofrei.schemas.delivery import RawDelivery
from silofrei.schemas.mention import MentionCreated, MentionDeleted, MentionEdited
from silofrei.schemas.names import DeadLetterReason, MentionKind
from silofrei.streams.channels import InvalidMention, NotAMention
from silofrei.streams.channels.facebook import FacebookParser

PAGE = "104455667788"
POST = f"{PAGE}_9001"
RECEIVED = datetime(2026, 11, 3, 9, 0, 5, tzinfo=UTC)
SENT = 1_793_696_403  # 2026-11-03T09:00:03Z
POSTED = 1_793_696_400
PARSER = FacebookParser()


def read(payload, **headers):
    delivery = RawDelivery(
        delivery_id="d1",
        brand="demo",
        channel="facebook",
        connector="test",
        received_at=RECEIVED,
        headers=headers,
        body=json.dumps(payload),
    )
    return [PARSER.change(item, delivery) for item in PARSER.split(payload, delivery)]


def page(*changes, time=SENT):
    return {"object": "page", "entry": [{"id": PAGE, "time": time, "changes": list(changes)}]}


def feed(field="feed", **fields):
    value = {
        "item": "comment",
        "verb": "add",
        "comment_id": "9001_31",
        "post_id": POST,
        "parent_id": POST,
        "from": {"id": "777", "name": "Jonte Brandt"},
        "created_time": POSTED,
        "message": "Schloss geht nicht auf, ich steh im Regen",
        **fields,
    }
    return {"field": field, "value": {key: value for key, value in value.items() if value is not ...}}


def refusal(*changes):
    with pytest.raises(InvalidMention) as caught:
        read(page(*changes))
    assert caught.value.field in caught.value.detail
    return caught.value.reason, caught.value.field


def test_a_comment():
    (change,) = read(page(feed()))
    assert isinstance(change, MentionCreated)
    mention = change.mention
    assert mention.id == "facebook:9001_31"
    assert mention.kind is MentionKind.COMMENT
    assert (mention.author.id, mention.author.name) == ("777", "Jonte Brandt")
    assert mention.text == "Schloss geht nicht auf, ich steh im Regen"
    assert mention.created_at == datetime(2026, 11, 3, 9, 0, tzinfo=UTC)
    assert mention.received_at == RECEIVED
    assert mention.parent_id == f"facebook:{POST}"
    assert mention.permalink == "https://www.facebook.com/9001_31"


def test_what_one_author_says_under_one_post_is_one_thread_and_another_author_has_another():
    mine, answer, other = (
        read(page(one))[0].mention
        for one in (
            feed(),
            feed(comment_id="9001_44", parent_id="9001_31"),
            feed(comment_id="9001_45", parent_id="9001_31", **{"from": {"id": "888", "name": "Ida"}}),
        )
    )
    assert mine.thread_id == answer.thread_id == f"facebook:{POST}:777"
    assert answer.parent_id == "facebook:9001_31"
    assert other.thread_id != mine.thread_id


def test_the_older_form_of_the_author():
    (change,) = read(page(feed(**{"from": ..., "sender_id": 777, "sender_name": "Jonte Brandt"})))
    assert (change.mention.author.id, change.mention.author.name) == ("777", "Jonte Brandt")


def test_a_visitors_post_takes_the_entrys_time_where_it_has_none():
    visitor = feed(item="status", post_id=f"{PAGE}_77", comment_id=..., parent_id=..., created_time=...)
    (change,) = read(page(visitor))
    assert change.mention.id == f"facebook:{PAGE}_77"
    assert change.mention.kind is MentionKind.POST
    assert change.mention.parent_id is None
    assert change.mention.thread_id == f"facebook:{PAGE}_77:777"
    assert change.mention.created_at == datetime(2026, 11, 3, 9, 0, 3, tzinfo=UTC)


def test_pictures_films_and_links():
    fields = {
        "photo": "https://cdn.example/1.jpg",
        "photos": ["https://cdn.example/1.jpg", "https://cdn.example/2.jpg", 3],
    }
    (change,) = read(page(feed(message=..., video="https://cdn.example/v", link="https://a.example", **fields)))
    assert change.mention.text == ""
    assert [(one.type, one.url) for one in change.mention.media] == [
        ("image", "https://cdn.example/1.jpg"),
        ("image", "https://cdn.example/2.jpg"),
        ("video", "https://cdn.example/v"),
        ("link", "https://a.example"),
    ]


def test_an_edit_keeps_the_id_and_two_edits_differ_in_their_revision():
    (first,) = read(page(feed(verb="edited", message="Schloss ging doch auf")))
    (again,) = read(page(feed(verb="edited", message="Schloss ging doch auf")))
    (second,) = read(page(feed(verb="edited", message="doch nicht"), time=SENT + 9))
    assert isinstance(first, MentionEdited)
    assert first.mention.id == "facebook:9001_31"
    assert first.mention.created_at == datetime(2026, 11, 3, 9, 0, tzinfo=UTC)
    assert first.revision == again.revision
    assert first.revision != second.revision


@pytest.mark.parametrize("verb", ["remove", "delete"])
def test_a_removal_needs_neither_text_nor_time(verb):
    (change,) = read(page(feed(verb=verb, message=..., created_time=...)))
    assert isinstance(change, MentionDeleted)
    assert change.mention_id == "facebook:9001_31"
    assert change.deleted_at == datetime(2026, 11, 3, 9, 0, 3, tzinfo=UTC)


def test_a_mention_elsewhere_has_no_author_and_is_a_thread_of_its_own():
    (change,) = read(page(feed(field="mention", post_id="5_6", parent_id=..., **{"from": ...})))
    assert change.mention.author.id == "unknown:9001_31"
    assert change.mention.thread_id == "facebook:9001_31"
    assert change.mention.parent_id == "facebook:5_6"


def test_a_recommendation_is_a_review():
    review = {
        "item": "rating",
        "verb": "add",
        "open_graph_story_id": "4711",
        "reviewer_id": "777",
        "reviewer_name": "Jonte Brandt",
        "review_text": "Nie wieder ohne",
        "rating": 5,
        "created_time": POSTED,
    }
    (change,) = read(page({"field": "ratings", "value": review}))
    assert change.mention.id == change.mention.thread_id == "facebook:4711"
    assert change.mention.kind is MentionKind.REVIEW
    assert change.mention.rating == 5
    assert change.mention.author.name == "Jonte Brandt"


@pytest.mark.parametrize(
    ("fields", "what"),
    [
        ({"item": "like"}, "like add"),
        ({"item": "reaction", "reaction_type": "haha"}, "reaction add"),
        ({"verb": "hide"}, "comment hide"),
        ({"verb": "unhide"}, "comment unhide"),
        ({"from": {"id": PAGE, "name": "Nordwind"}}, "own reply"),
    ],
)
def test_no_mentions(fields, what):
    assert read(page(feed(**fields))) == [NotAMention(what)]


def test_the_connector_may_name_an_own_account():
    assert read(page(feed()), **{"X-Silofrei-Account": "777"}) == [NotAMention("own reply")]


def test_a_batch_of_many_entries():
    payload = {"object": "page", "entry": []}
    for index in range(200):
        payload["entry"] += page(feed(comment_id=f"9001_{index}"))["entry"]
    assert [change.mention.id for change in read(payload)] == [f"facebook:9001_{index}" for index in range(200)]


@pytest.mark.parametrize(
    ("change", "reason", "field"),
    [
        (feed(comment_id=...), DeadLetterReason.MISSING_FIELD, "entry[0].changes[0].value.comment_id"),
        (feed(item=...), DeadLetterReason.MISSING_FIELD, "entry[0].changes[0].value.item"),
        (feed(item="hologram"), DeadLetterReason.INVALID_FIELD, "entry[0].changes[0].value.item"),
        (feed(verb="shout"), DeadLetterReason.INVALID_FIELD, "entry[0].changes[0].value.verb"),
        (feed(message=["a"]), DeadLetterReason.INVALID_FIELD, "entry[0].changes[0].value.message"),
        (feed(message="x" * 50_001), DeadLetterReason.TEXT_TOO_LONG, "entry[0].changes[0].value.message"),
        (feed(message="\udc00"), DeadLetterReason.INVALID_UNICODE, "entry[0].changes[0].value.message"),
        (feed(created_time=-62_135_596_800), DeadLetterReason.INVALID_TIME, "entry[0].changes[0].value.created_time"),
        (feed(created_time=POSTED + 10**9), DeadLetterReason.INVALID_TIME, "entry[0].changes[0].value.created_time"),
        (feed(field="weather"), DeadLetterReason.INVALID_FIELD, "entry[0].changes[0].field"),
        ({"field": "feed"}, DeadLetterReason.MISSING_FIELD, "entry[0].changes[0].value"),
        ("nonsense", DeadLetterReason.INVALID_FIELD, "entry[0].changes[0]"),
    ],
)
def test_a_mistake_names_reason_and_path(change, reason, field):
    assert refusal(change) == (reason, field)
