"""Instagram: comments under the brand's media, mentions elsewhere, and direct messages.

Source: Meta's webhook reference for Instagram. `docs/channels.md` tells what is read and what is not.
"""

from collections.abc import Sequence

from silofrei.schemas.delivery import RawDelivery
from silofrei.schemas.mention import Author, MentionChange
from silofrei.schemas.names import Channel, MentionKind
from silofrei.streams.channels import Item, NotAMention, meta
from silofrei.streams.channels.changes import OWN_REPLY, Draft, is_own
from silofrei.streams.channels.fields import Fields, invalid

_QUIET_FIELDS = {
    "story_insights",
    "message_reactions",
    "messaging_seen",
    "messaging_postbacks",
    "messaging_optins",
    "messaging_referral",
    "messaging_handover",
    "standby",
}


class InstagramParser:
    """Reads the webhooks of Instagram."""

    def split(self, payload: object, delivery: RawDelivery) -> Sequence[Item]:
        """See `Parser.split`."""
        return meta.split(payload, "instagram")

    def change(self, item: Item, delivery: RawDelivery) -> MentionChange | NotAMention:
        """See `Parser.change`."""
        return meta.change(item, Channel.INSTAGRAM, delivery, _change)


def _change(event: meta.Event, change: Fields, field: str, delivery: RawDelivery) -> MentionChange | NotAMention:
    if field in ("comments", "live_comments"):
        return _comment(event, change.child("value"), delivery)
    if field == "mentions":
        return _mention(event, change.child("value"), delivery)
    if field in _QUIET_FIELDS:
        return NotAMention(field)
    raise invalid(change.at("field"), f"is {field!r}, which is not read", "subscribe to comments, mentions, messages")


def _comment(event: meta.Event, value: Fields, delivery: RawDelivery) -> MentionChange | NotAMention:
    author = _author(value)
    if author and (author.id == event.entry.optional_identifier("id") or is_own(delivery, author.id, author.handle)):
        return NotAMention(OWN_REPLY)
    media_id = value.optional_child("media").optional_identifier("id") or value.optional_identifier("media_id")
    return Draft(
        delivery,
        Channel.INSTAGRAM,
        value.path,
        native_id=value.identifier("id"),
        kind=MentionKind.COMMENT,
        author=author,
        text=value.text("text"),
        created_at=value.optional_moment("timestamp", delivery.received_at) or event.time(delivery),
        conversation=media_id,
        parent=value.optional_identifier("parent_id") or media_id,
    ).created()


def _mention(event: meta.Event, value: Fields, delivery: RawDelivery) -> MentionChange | NotAMention:
    """A mention in somebody else's caption or comment; Meta sends ids alone, a connector may add what it fetched."""
    media_id = value.optional_identifier("media_id")
    comment_id = value.optional_identifier("comment_id")
    author = _author(value)
    if author and is_own(delivery, author.id, author.handle):
        return NotAMention(OWN_REPLY)
    return Draft(
        delivery,
        Channel.INSTAGRAM,
        value.path,
        native_id=comment_id or value.identifier("media_id"),
        kind=MentionKind.COMMENT if comment_id else MentionKind.POST,
        author=author,
        text=value.optional_text("text") or "",
        created_at=value.optional_moment("timestamp", delivery.received_at) or event.time(delivery),
        conversation=media_id,
        parent=media_id if comment_id else None,
        permalink=value.label("permalink"),
    ).created()


def _author(value: Fields) -> Author | None:
    for key in ("from", "user"):
        sender = value.optional_child(key)
        if "id" in sender:
            return Author(id=sender.identifier("id"), handle=sender.label("username"), name=sender.label("name"))
    handle = value.optional_identifier("username")
    return Author(id=handle, handle=handle) if handle else None
