"""What Facebook and Instagram share, told by both: batches, messages and their mistakes."""

import json
from datetime import UTC, datetime

import pytest

from silofrei.schemas.delivery import RawDelivery
from silofrei.schemas.mention import MentionCreated, MentionDeleted, MentionEdited
from silofrei.schemas.names import Channel, DeadLetterReason, MentionKind
from silofrei.streams.channels import InvalidMention, NotAMention
from silofrei.streams.channels.registry import PARSERS

PAGE = "20531316728"
OBJECTS = {Channel.FACEBOOK: "page", Channel.INSTAGRAM: "instagram"}
RECEIVED = datetime(2026, 11, 3, 9, 0, 5, tzinfo=UTC)
SENT_MS = 1_793_696_400_250  # 2026-11-03T09:00:00.250Z


def read(channel, payload):
    """The outcome of each item in order: a change, a NotAMention, or the InvalidMention that it raised."""
    delivery = RawDelivery(
        delivery_id="d1",
        brand="demo",
        channel=channel.value,
        connector="test",
        received_at=RECEIVED,
        body=json.dumps(payload),
    )
    parser = PARSERS[channel]
    outcomes = []
    for item in parser.split(payload, delivery):
        try:
            outcomes.append(parser.change(item, delivery))
        except InvalidMention as mistake:
            outcomes.append(mistake)
    return outcomes


def messages(channel, *events, page=PAGE):
    return {"object": OBJECTS[channel], "entry": [{"id": page, "time": SENT_MS, "messaging": list(events)}]}


def message(**fields):
    return {
        "sender": {"id": "5551"},
        "recipient": {"id": PAGE},
        "timestamp": SENT_MS,
        "message": {"mid": "m_AbC-1", "text": "Moin, mein Akku lädt nicht", **fields},
    }


both = pytest.mark.parametrize("channel", OBJECTS)


@both
def test_a_message_becomes_a_mention_of_its_conversation(channel):
    (change,) = read(channel, messages(channel, message(reply_to={"mid": "m_0"})))
    assert isinstance(change, MentionCreated)
    mention = change.mention
    assert mention.id == f"{channel.value}:m_AbC-1"
    assert mention.kind is MentionKind.MESSAGE
    assert mention.text == "Moin, mein Akku lädt nicht"
    assert mention.author.id == "5551"
    assert mention.thread_id == f"{channel.value}:messages:{PAGE}:5551"
    assert mention.parent_id == f"{channel.value}:m_0"
    assert mention.created_at == datetime(2026, 11, 3, 9, 0, 0, 250_000, tzinfo=UTC)
    assert mention.received_at == RECEIVED


@both
def test_attachments_become_media_and_a_picture_needs_no_text(channel):
    event = message(
        attachments=[
            {"type": "image", "payload": {"url": "https://cdn.example/a.jpg"}},
            {"type": "story_mention", "payload": {"url": "https://cdn.example/story"}},
            {"type": "image", "payload": None},
            "nonsense",
        ]
    )
    del event["message"]["text"]
    (change,) = read(channel, messages(channel, event))
    assert change.mention.text == ""
    assert [(one.type, one.url) for one in change.mention.media] == [
        ("image", "https://cdn.example/a.jpg"),
        ("link", "https://cdn.example/story"),
    ]


@both
@pytest.mark.parametrize("count", ["3", 3])
def test_an_edited_message_keeps_its_id_and_gets_the_counter_as_revision(channel, count):
    event = message()
    del event["message"]
    event["message_edit"] = {"mid": "m_AbC-1", "text": "Moin, mein Akku lädt wieder", "num_edit": count}
    (change,) = read(channel, messages(channel, event))
    assert isinstance(change, MentionEdited)
    assert change.mention.id == f"{channel.value}:m_AbC-1"
    assert change.mention.text == "Moin, mein Akku lädt wieder"
    assert change.revision == "3"


@both
def test_an_unsent_message_is_deleted(channel):
    (change,) = read(channel, messages(channel, message(is_deleted=True)))
    assert isinstance(change, MentionDeleted)
    assert change.mention_id == f"{channel.value}:m_AbC-1"
    assert change.deleted_at == datetime(2026, 11, 3, 9, 0, 0, 250_000, tzinfo=UTC)


@both
@pytest.mark.parametrize("own", [{"is_echo": True}, {}])
def test_the_brands_own_messages_are_no_mentions(channel, own):
    event = message(**own)
    if not own:
        event["sender"]["id"] = PAGE
    assert read(channel, messages(channel, event)) == [NotAMention("own reply")]


@both
@pytest.mark.parametrize("quiet", ["delivery", "read", "reaction", "postback", "optin"])
def test_receipts_are_no_mentions(channel, quiet):
    event = {"sender": {"id": "5551"}, "timestamp": SENT_MS, quiet: {"watermark": SENT_MS}}
    assert read(channel, messages(channel, event)) == [NotAMention(quiet)]


@both
def test_messages_of_a_standby_app_are_no_mentions(channel):
    payload = {"object": OBJECTS[channel], "entry": [{"id": PAGE, "time": SENT_MS, "standby": [message()]}]}
    assert read(channel, payload) == [NotAMention("standby")]


@both
def test_a_message_may_stand_in_changes(channel):
    payload = {
        "object": OBJECTS[channel],
        "entry": [{"id": PAGE, "time": SENT_MS, "changes": [{"field": "messages", "value": message()}]}],
    }
    (change,) = read(channel, payload)
    assert change.mention.id == f"{channel.value}:m_AbC-1"


@both
def test_one_broken_item_takes_no_neighbour_with_it(channel):
    broken = message()
    del broken["message"]["mid"]
    payload = messages(channel, message(), broken, "nonsense", message(mid="m_2"))
    payload["entry"] += ["nonsense", {"id": PAGE, "messaging": {}}, {"id": PAGE}, {"id": PAGE, "changes": []}]
    payload["entry"] += messages(channel, message(mid="m_3"))["entry"]
    outcomes = read(channel, payload)
    assert [one.mention.id for one in outcomes if isinstance(one, MentionCreated)] == [
        f"{channel.value}:{mid}" for mid in ("m_AbC-1", "m_2", "m_3")
    ]
    assert [(one.reason, one.field) for one in outcomes if isinstance(one, InvalidMention)] == [
        (DeadLetterReason.MISSING_FIELD, "entry[0].messaging[1].message.mid"),
        (DeadLetterReason.INVALID_FIELD, "entry[0].messaging[2]"),
        (DeadLetterReason.INVALID_FIELD, "entry[1]"),
        (DeadLetterReason.INVALID_FIELD, "entry[2].messaging"),
        (DeadLetterReason.MISSING_FIELD, "entry[3].changes"),
    ]


@both
@pytest.mark.parametrize(
    ("payload", "reason", "field"),
    [
        ([], DeadLetterReason.INVALID_FIELD, None),
        ({}, DeadLetterReason.MISSING_FIELD, "object"),
        ({"object": "whatsapp_business_account", "entry": []}, DeadLetterReason.INVALID_FIELD, "object"),
    ],
)
def test_what_is_no_such_delivery_is_refused_as_a_whole(channel, payload, reason, field):
    with pytest.raises(InvalidMention) as caught:
        read(channel, payload)
    assert (caught.value.reason, caught.value.field) == (reason, field)
    assert "redrive" in caught.value.detail


@both
@pytest.mark.parametrize(
    ("fields", "reason", "field"),
    [
        ({"text": 5}, DeadLetterReason.INVALID_FIELD, "entry[0].messaging[0].message.text"),
        ({"text": "halb \ud83d Emoji"}, DeadLetterReason.INVALID_UNICODE, "entry[0].messaging[0].message.text"),
        ({"text": "x" * 50_001}, DeadLetterReason.TEXT_TOO_LONG, "entry[0].messaging[0].message.text"),
        ({"mid": "with space"}, DeadLetterReason.INVALID_FIELD, "entry[0].messaging[0].message.mid"),
        ({"mid": None}, DeadLetterReason.MISSING_FIELD, "entry[0].messaging[0].message.mid"),
    ],
)
def test_a_mistake_names_reason_path_and_fix(channel, fields, reason, field):
    (mistake,) = read(channel, messages(channel, message(**fields)))
    assert isinstance(mistake, InvalidMention)
    assert (mistake.reason, mistake.field) == (reason, field)
    assert field in mistake.detail
    assert "redrive" in mistake.detail
    mistake.detail.encode()


@both
@pytest.mark.parametrize("time", [0, -5, 10**18, "soon", True, "0001-01-01T00:00:00+02:00", "2026-11-03T09:00:00"])
def test_an_impossible_time_is_refused(channel, time):
    event = message()
    event["timestamp"] = time
    (mistake,) = read(channel, messages(channel, event))
    assert (mistake.reason, mistake.field) == (DeadLetterReason.INVALID_TIME, "entry[0].messaging[0].timestamp")
