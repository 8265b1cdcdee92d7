import json
from datetime import UTC, datetime

import pytest

from silofrei.schemas.delivery import RawDelivery
from silofrei.schemas.mention import MentionCreated, MentionDeleted, MentionEdited
from silofrei.schemas.names import DeadLetterReason, MentionKind
from silofrei.streams.channels import InvalidMention, NotAMention
from silofrei.streams.channels.cloudevents import CloudEventsParser

RECEIVED = datetime(2026, 11, 3, 9, 0, 5, tzinfo=UTC)
SOURCE = "https://forum.nordwind.example"
PARSER = CloudEventsParser()


def read(payload, **headers):
    delivery = RawDelivery(
        delivery_id="d1",
        brand="demo",
        channel="cloudevents",
        connector="test",
        received_at=RECEIVED,
        headers=headers,
        body=json.dumps(payload),
    )
    return [PARSER.change(item, delivery) for item in PARSER.split(payload, delivery)]


def without_gaps(values):
    return {key: value for key, value in values.items() if value is not ...}


def event(change="created", data=None, **attributes):
    return without_gaps(
        {
            "specversion": "1.0",
            "type": f"silofrei.mention.{change}",
            "source": SOURCE,
            "id": "e-1",
            "time": "2026-11-03T09:00:00Z",
            "datacontenttype": "application/json",
            "data": mention() if data is None else data,
            **attributes,
        }
    )


def mention(**fields):
    return without_gaps(
        {
            "id": "post-17",
            "kind": "comment",
            "text": "Wer kennt den Trick mit dem Ständer?",
            "author": {"id": "u5", "handle": "radler", "name": "Rad Ler", "followers": 12},
            "created_at": "2026-11-03T08:59:59.1234567Z",
            "language": "de",
            "permalink": "https://forum.nordwind.example/t/9#17",
            "thread": "topic-9",
            "parent": "post-16",
            "media": [{"type": "image", "url": "https://forum.nordwind.example/1.jpg"}],
            "engagement": {"likes": 4},
            "rating": 4.5,
            **fields,
        }
    )


def test_the_documented_mention():
    (change,) = read(event())
    assert isinstance(change, MentionCreated)
    found = change.mention
    assert found.id == f"cloudevents:{SOURCE}/post-17"
    assert found.kind is MentionKind.COMMENT
    assert found.thread_id == f"cloudevents:{SOURCE}/topic-9"
    assert found.parent_id == f"cloudevents:{SOURCE}/post-16"
    assert found.author.model_dump() == {"id": "u5", "handle": "radler", "name": "Rad Ler", "followers": 12}
    assert found.created_at == datetime(2026, 11, 3, 8, 59, 59, 123_456, tzinfo=UTC)
    assert found.media[0].url == "https://forum.nordwind.example/1.jpg"
    assert found.engagement.likes == 4
    assert found.rating == 4.5


def test_the_least_that_a_mention_needs():
    (change,) = read(event(data={"id": "1", "text": "hi", "author": {"id": "u"}}))
    assert change.mention.kind is MentionKind.POST
    assert change.mention.thread_id == change.mention.id
    assert change.mention.created_at == datetime(2026, 11, 3, 9, tzinfo=UTC)


def test_two_sources_may_use_the_same_id():
    (one,), (other,) = read(event()), read(event(source="urn:blog"))
    assert one.mention.id != other.mention.id


def test_an_edit_has_the_events_id_as_revision():
    (change,) = read(event("edited", id="e-2"))
    assert isinstance(change, MentionEdited)
    assert change.revision == "e-2"


@pytest.mark.parametrize(
    ("data", "at"),
    [
        ({"id": "post-17", "deleted_at": "2026-11-03T08:00:00Z"}, datetime(2026, 11, 3, 8, tzinfo=UTC)),
        ({"id": "post-17"}, datetime(2026, 11, 3, 9, tzinfo=UTC)),
    ],
)
def test_a_deletion(data, at):
    (change,) = read(event("deleted", data=data))
    assert isinstance(change, MentionDeleted)
    assert change.mention_id == f"cloudevents:{SOURCE}/post-17"
    assert change.deleted_at == at
    (untimed,) = read(event("deleted", data={"id": "post-17"}, time=...))
    assert untimed.deleted_at == RECEIVED


def test_a_batch():
    first, second = read([event(), event(id="e-2", data=mention(id="post-18"))])
    assert [first.mention.id, second.mention.id] == [f"cloudevents:{SOURCE}/post-{number}" for number in (17, 18)]
    assert read([]) == []


def test_own_posts():
    assert read(event(), **{"x-silofrei-account": "radler"}) == [NotAMention("own reply")]


@pytest.mark.parametrize(
    ("payload", "reason", "field"),
    [
        (5, DeadLetterReason.INVALID_FIELD, None),
        ([5], DeadLetterReason.INVALID_FIELD, "[0]"),
        (event(specversion="0.3"), DeadLetterReason.INVALID_FIELD, "specversion"),
        (event(type="com.example.thing"), DeadLetterReason.INVALID_FIELD, "type"),
        (event("shouted"), DeadLetterReason.INVALID_FIELD, "type"),
        (event(source=...), DeadLetterReason.MISSING_FIELD, "source"),
        (event(id=...), DeadLetterReason.MISSING_FIELD, "id"),
        (event(data=..., data_base64="e30="), DeadLetterReason.INVALID_FIELD, "data_base64"),
        (event(data="text"), DeadLetterReason.INVALID_FIELD, "data"),
        ([event(data=mention(author=...))], DeadLetterReason.MISSING_FIELD, "[0].data.author"),
        (event(data=mention(author={})), DeadLetterReason.MISSING_FIELD, "data.author.id"),
        (event(data=mention(text=...)), DeadLetterReason.MISSING_FIELD, "data.text"),
        (event(data=mention(auhtor="x")), DeadLetterReason.INVALID_FIELD, "data.auhtor"),
        (event(data=mention(**{"\ud800": 1})), DeadLetterReason.INVALID_FIELD, "data.\\ud800"),
        (event(data=mention(kind="poem")), DeadLetterReason.INVALID_FIELD, "data.kind"),
        (event(data=mention(rating=6)), DeadLetterReason.INVALID_FIELD, "data.rating"),
        (
            event(data=mention(media=[{"type": "smell", "url": "x"}])),
            DeadLetterReason.INVALID_FIELD,
            "data.media[0].type",
        ),
        (event(data=mention(media="x")), DeadLetterReason.INVALID_FIELD, "data.media"),
        (event(data=mention(created_at="0001-01-01T00:00:00+01:00")), DeadLetterReason.INVALID_TIME, "data.created_at"),
        (event(data=mention(created_at=...), time=...), DeadLetterReason.MISSING_FIELD, "data.created_at"),
        (event(data=mention(text="\udead")), DeadLetterReason.INVALID_UNICODE, "data.text"),
        (event(source="s" * 300, data=mention(id="i" * 300)), DeadLetterReason.INVALID_FIELD, "data"),
        (event("deleted", source="s" * 300, data={"id": "i" * 300}), DeadLetterReason.INVALID_FIELD, "data"),
        (event("deleted", data={"id": "1", "text": "x"}), DeadLetterReason.INVALID_FIELD, "data.text"),
    ],
)
def test_a_mistake_names_reason_and_path(payload, reason, field):
    with pytest.raises(InvalidMention) as caught:
        read(payload)
    assert (caught.value.reason, caught.value.field) == (reason, field)
    caught.value.detail.encode()
