import json
from datetime import UTC, datetime

import pytest

from silofrei.schemas.delivery import RawDelivery
from silofrei.schemas.mention import MentionCreated, MentionDeleted, MentionEdited
from silofrei.schemas.names import DeadLetterReason, MentionKind
from silofrei.streams.channels import InvalidMention, NotAMention
from silofrei.streams.channels.mastodon import MastodonParser

RECEIVED = datetime(2026, 11, 3, 9, 0, 5, tzinfo=UTC)
PARSER = MastodonParser()


def read(payload, **headers):
    delivery = RawDelivery(
        delivery_id="d1",
        brand="demo",
        channel="mastodon",
        connector="test",
        received_at=RECEIVED,
        headers=headers,
        body=json.dumps(payload),
    )
    return [PARSER.change(item, delivery) for item in PARSER.split(payload, delivery)]


def status(**fields):
    value = {
        "id": "115500001",
        "uri": "https://norden.example/users/wiebke/statuses/115500001",
        "url": "https://norden.example/@wiebke/115500001",
        "created_at": "2026-11-03T08:59:58.120Z",
        "edited_at": None,
        "in_reply_to_id": None,
        "visibility": "public",
        "spoiler_text": "",
        "language": "de",
        "content": '<p><span class="h-card"><a href="https://x.example/@nordwind">@<span>nordwind</span></a></span> '
        "Licht &amp; Klingel kaputt&#33;<br />Was tun?</p><p>Danke</p>",
        "account": {"id": "9", "acct": "wiebke@norden.example", "display_name": "Wiebke 🌊", "followers_count": 310},
        "favourites_count": 2,
        "replies_count": 1,
        "reblogs_count": 3,
        "media_attachments": [{"type": "gifv", "url": "https://files.example/1.mp4"}, {"type": "unknown", "url": None}],
        **fields,
    }
    return {key: found for key, found in value.items() if found is not ...}


def notification(kind="mention", **fields):
    return {"id": "1", "type": kind, "created_at": "2026-11-03T09:00:00.000Z", "status": status(**fields)}


def stream(event, payload, *, as_text=True):
    return {"event": event, "payload": json.dumps(payload) if as_text else payload}


@pytest.mark.parametrize(
    "payload",
    [
        stream("notification", notification()),
        stream("notification", notification(), as_text=False),
        [notification()],
        notification(),
        [status()],
    ],
    ids=["stream", "stream with an object", "poll", "one notification", "statuses of a hashtag"],
)
def test_a_mention(payload):
    (change,) = read(payload)
    assert isinstance(change, MentionCreated)
    mention = change.mention
    assert mention.id == "mastodon:115500001"
    assert mention.kind is MentionKind.POST
    assert mention.text == "@nordwind Licht & Klingel kaputt!\nWas tun?\n\nDanke"
    assert mention.language == "de"
    assert mention.author.model_dump() == {
        "id": "9",
        "handle": "wiebke@norden.example",
        "name": "Wiebke 🌊",
        "followers": 310,
    }
    assert mention.created_at == datetime(2026, 11, 3, 8, 59, 58, 120_000, tzinfo=UTC)
    assert mention.permalink == "https://norden.example/@wiebke/115500001"
    assert mention.thread_id == "mastodon:115500001:9"
    assert [(one.type, one.url) for one in mention.media] == [("video", "https://files.example/1.mp4")]
    assert mention.engagement.model_dump() == {"likes": 2, "replies": 1, "shares": 3, "views": 0}


def test_an_answer_to_oneself_stays_in_the_thread():
    (change,) = read([notification(id="115500009", in_reply_to_id="115500001")])
    assert change.mention.kind is MentionKind.COMMENT
    assert change.mention.thread_id == "mastodon:115500001:9"
    assert change.mention.parent_id == "mastodon:115500001"


def test_direct_posts_of_one_account_are_one_thread():
    (change,) = read([notification(visibility="direct", in_reply_to_id="7")])
    assert change.mention.kind is MentionKind.MESSAGE
    assert change.mention.thread_id == "mastodon:messages:9"


def test_a_content_warning_is_part_of_the_text():
    (change,) = read([notification(spoiler_text="Gemecker über Räder", content="<p>Schon wieder platt.</p>")])
    assert change.mention.text == "Gemecker über Räder\n\nSchon wieder platt."


def test_an_edit():
    edit = status(edited_at="2026-11-03T09:00:02.000Z", content="<p>Licht geht wieder</p>")
    (change,) = read(stream("status.update", edit))
    assert isinstance(change, MentionEdited)
    assert change.mention.id == "mastodon:115500001"
    assert change.mention.text == "Licht geht wieder"
    (polled,) = read([notification(edited_at="2026-11-03T09:00:02.000Z")])
    assert isinstance(polled, MentionEdited)
    assert polled.revision == change.revision
    (without_time,) = read(stream("status.update", status()))
    assert without_time.revision != change.revision


@pytest.mark.parametrize("payload", ["115500001", 115500001])
def test_a_deletion_names_the_servers_id(payload):
    (change,) = read({"event": "delete", "payload": payload})
    assert isinstance(change, MentionDeleted)
    assert change.mention_id == "mastodon:115500001"
    assert change.deleted_at == RECEIVED


def test_a_quote_is_a_mention():
    (change,) = read([notification("quote", content='<p class="quote-inline">RE: <a href="x">x</a></p><p>Soso.</p>')])
    assert change.mention.text == "Soso."


@pytest.mark.parametrize(
    ("payload", "what"),
    [
        (stream("update", status()), "update"),
        (stream("conversation", {}), "conversation"),
        (stream("notification", {"type": "favourite", "status": status()}), "favourite"),
        ([{"type": "follow"}], "follow"),
        ([{"type": "admin.sign_up"}], "admin.sign_up"),
    ],
)
def test_no_mentions(payload, what):
    assert read(payload) == [NotAMention(what)]


@pytest.mark.parametrize("own", ["9", "@wiebke@norden.example"])
def test_the_connector_names_the_own_account(own):
    assert read(stream("status.update", status()), **{"x-silofrei-account": own}) == [NotAMention("own reply")]


@pytest.mark.parametrize(
    ("payload", "reason", "field"),
    [
        ("text", DeadLetterReason.INVALID_FIELD, None),
        ({"event": "delete"}, DeadLetterReason.MISSING_FIELD, "payload"),
        ({"event": "delete", "payload": "a b"}, DeadLetterReason.INVALID_FIELD, "payload"),
        ({"event": "notification", "payload": "{"}, DeadLetterReason.INVALID_FIELD, "payload"),
        ({"event": "notification", "payload": "[" * 100_000}, DeadLetterReason.INVALID_FIELD, "payload"),
        ({"event": "earthquake", "payload": "{}"}, DeadLetterReason.INVALID_FIELD, "event"),
        ({}, DeadLetterReason.MISSING_FIELD, "type"),
        ([{"type": "telepathy"}], DeadLetterReason.INVALID_FIELD, "[0].type"),
        (stream("notification", {"type": "mention"}), DeadLetterReason.MISSING_FIELD, "payload.status"),
        (stream("notification", notification(account=...)), DeadLetterReason.MISSING_FIELD, "payload.status.account"),
        (stream("notification", notification(content=...)), DeadLetterReason.MISSING_FIELD, "payload.status.content"),
        ([notification(content="<p>\udfff</p>")], DeadLetterReason.INVALID_UNICODE, "[0].status.content"),
        ([notification(content="<p>" + "x" * 60_000)], DeadLetterReason.TEXT_TOO_LONG, "[0].status.content"),
        ([notification(content="<" * 2_000_000)], DeadLetterReason.TEXT_TOO_LONG, "[0].status.content"),
        ([notification(created_at="0001-01-01T00:00:00.000Z")], DeadLetterReason.INVALID_TIME, "[0].status.created_at"),
    ],
)
def test_a_mistake_names_reason_and_path(payload, reason, field):
    with pytest.raises(InvalidMention) as caught:
        read(payload)
    assert (caught.value.reason, caught.value.field) == (reason, field)
    caught.value.detail.encode()
