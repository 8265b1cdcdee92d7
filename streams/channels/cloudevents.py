"""CloudEvents 1.0: the way in for every source that has no parser of its own.

A delivery holds one event in structured JSON form or a batch of them; `data` is a mention in the form that
`docs/channels.md` gives. Here, unlike on the platforms' channels, we own the form: unknown fields are refused.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Literal

from silofrei.schemas.delivery import RawDelivery
from silofrei.schemas.mention import Author, Engagement, Media, MentionChange
from silofrei.schemas.names import Channel, MentionKind
from silofrei.streams.channels import Item, NotAMention
from silofrei.streams.channels.changes import OWN_REPLY, Draft, deleted, is_own
from silofrei.streams.channels.fields import Fields, invalid, missing, one_or_many

PREFIX = "silofrei.mention."
_DATA = (
    "id",
    "kind",
    "text",
    "author",
    "created_at",
    "language",
    "permalink",
    "thread",
    "parent",
    "media",
    "engagement",
    "rating",
)
_DELETED_DATA = ("id", "deleted_at")
_AUTHOR = ("id", "handle", "name", "followers")
_MEDIA: dict[str, Literal["image", "video", "audio", "link", "file"]] = {
    "image": "image",
    "video": "video",
    "audio": "audio",
    "link": "link",
    "file": "file",
}


class CloudEventsParser:
    """Reads CloudEvents in structured and batched JSON form."""

    def split(self, payload: object, delivery: RawDelivery) -> Sequence[Item]:
        """See `Parser.split`."""
        return one_or_many(payload)

    def change(self, item: Item, delivery: RawDelivery) -> MentionChange | NotAMention:
        """See `Parser.change`."""
        event = Fields.of(item.value, item.path)
        version = event.word("specversion")
        if version != "1.0":
            raise invalid(event.at("specversion"), f"is {version!r}", "send CloudEvents 1.0")
        kind = event.word("type")
        source, event_id = event.identifier("source"), event.identifier("id")
        change = kind.removeprefix(PREFIX)
        if not kind.startswith(PREFIX) or change not in ("created", "edited", "deleted"):
            raise invalid(event.at("type"), f"is {kind!r}", f"send {PREFIX}created, {PREFIX}edited or {PREFIX}deleted")
        if "data_base64" in event:
            raise invalid(event.at("data_base64"), "is not read", "send the mention as JSON in `data`")
        data = event.child("data")
        native_id = f"{source}/{data.identifier('id')}"
        if change == "deleted":
            _only(data, _DELETED_DATA)
            at = _moment(event, data, "deleted_at", delivery)
            return deleted(delivery, Channel.CLOUDEVENTS, data.path, native_id, at)
        _only(data, _DATA)
        draft = _draft(event, data, source, native_id, delivery)
        if draft is None:
            return NotAMention(OWN_REPLY)
        return draft.created() if change == "created" else draft.edited(event_id)


def _draft(event: Fields, data: Fields, source: str, native_id: str, delivery: RawDelivery) -> Draft | None:
    author = data.child("author")
    _only(author, _AUTHOR)
    writer = Author(
        id=author.identifier("id"),
        handle=author.label("handle"),
        name=author.label("name"),
        followers=author.count("followers"),
    )
    if is_own(delivery, writer.id, writer.handle):
        return None
    created_at = _moment(event, data, "created_at", delivery)
    if created_at is None:
        raise missing(data.at("created_at"), "the time of the post, or `time` to the event,")
    thread, parent = data.optional_identifier("thread"), data.optional_identifier("parent")
    counts = data.optional_child("engagement")
    return Draft(
        delivery,
        Channel.CLOUDEVENTS,
        data.path,
        native_id=native_id,
        kind=_kind(data),
        author=writer,
        text=data.text("text"),
        created_at=created_at,
        conversation=f"{source}/{thread}" if thread else None,
        parent=f"{source}/{parent}" if parent else None,
        language=data.label("language"),
        permalink=data.label("permalink"),
        media=_media(data),
        engagement=Engagement(**{key: counts.count(key) or 0 for key in ("likes", "replies", "shares", "views")}),
        rating=_rating(data),
    )


def _only(fields: Fields, known: Sequence[str]) -> None:
    for key in fields.keys():  # noqa: SIM118  # not a dict
        if key not in known:
            raise invalid(fields.at(ascii(key)[1:-1]), "is no field of a mention", f"known are {', '.join(known)}")


def _moment(event: Fields, data: Fields, key: str, delivery: RawDelivery) -> datetime | None:
    return data.optional_moment(key, delivery.received_at) or event.optional_moment("time", delivery.received_at)


def _kind(data: Fields) -> MentionKind:
    if "kind" not in data:
        return MentionKind.POST
    kind = data.word("kind")
    if kind not in set(MentionKind):
        raise invalid(data.at("kind"), f"is {kind!r}", f"use one of {', '.join(MentionKind)}")
    return MentionKind(kind)


def _rating(data: Fields) -> float | None:
    rating = data.get("rating")
    if rating is None:
        return None
    if isinstance(rating, bool) or not isinstance(rating, int | float) or not 0 <= rating <= 5:
        raise invalid(data.at("rating"), "is no number from 0 to 5", "send the stars of the review or leave it out")
    return float(rating)


def _media(data: Fields) -> list[Media]:
    if "media" not in data:
        return []
    data.listed("media")
    media = []
    for one in data.children("media"):
        kind = one.word("type")
        if kind not in _MEDIA:
            raise invalid(one.at("type"), f"is {kind!r}", f"use one of {', '.join(_MEDIA)}")
        media.append(Media(type=_MEDIA[kind], url=one.text("url", limit=2000)))
    return media
