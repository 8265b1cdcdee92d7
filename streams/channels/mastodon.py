"""Mastodon: mentions, quotes, edits and deletions, from the streaming API or from a poll of the notifications.

A delivery holds one stream event, `{"event", "payload"}`, or what a poll returns: notifications or statuses.
Source: docs.joinmastodon.org, "Streaming API" and "Notification". `docs/channels.md` tells what is read.
"""

import json
from collections.abc import Sequence
from typing import Literal

from silofrei.schemas.delivery import RawDelivery
from silofrei.schemas.mention import TEXT_LIMIT, Author, Engagement, Media, MentionChange
from silofrei.schemas.names import Channel, MentionKind
from silofrei.streams.channels import Item, NotAMention
from silofrei.streams.channels.changes import OWN_REPLY, Draft, deleted, fingerprint, is_own
from silofrei.streams.channels.fields import Fields, checked_text, invalid, one_or_many
from silofrei.streams.channels.html_text import text_of

_QUIET_EVENTS = {
    "update",
    "conversation",
    "announcement",
    "announcement.reaction",
    "announcement.delete",
    "filters_changed",
    "notifications_merged",
    "encrypted_message",
}
_CREATED = {"mention", "quote"}
_EDITED = {"quoted_update"}
_QUIET_NOTIFICATIONS = {
    "status",
    "reblog",
    "follow",
    "follow_request",
    "favourite",
    "poll",
    "update",
    "added_to_collection",
    "collection_update",
    "severed_relationships",
    "moderation_warning",
}
_MARKUP = 8
"""Most characters of HTML for one of text; longer content is refused unread, as parsing it would cost seconds."""
_MEDIA: dict[str, Literal["image", "video", "audio"]] = {
    "image": "image",
    "gifv": "video",
    "video": "video",
    "audio": "audio",
}


class MastodonParser:
    """Reads the events and notifications of a Mastodon server."""

    def split(self, payload: object, delivery: RawDelivery) -> Sequence[Item]:
        """See `Parser.split`."""
        return one_or_many(payload)

    def change(self, item: Item, delivery: RawDelivery) -> MentionChange | NotAMention:
        """See `Parser.change`."""
        fields = Fields.of(item.value, item.path)
        if "event" not in fields:
            is_status = "content" in fields and "type" not in fields
            return _status(fields, delivery, edited=False) if is_status else _notification(fields, delivery)
        event = fields.word("event")
        if event in _QUIET_EVENTS:
            return NotAMention(event)
        if event == "delete":
            return deleted(delivery, Channel.MASTODON, item.path, fields.identifier("payload"), None)
        if event == "notification":
            return _notification(_payload(fields), delivery)
        if event == "status.update":
            return _status(_payload(fields), delivery, edited=True)
        raise invalid(
            fields.at("event"), f"is {event!r}, which is not read", "known are notification, status.update, delete"
        )


def _payload(event: Fields) -> Fields:
    """The payload; the stream sends it as a text that holds JSON."""
    path = event.at("payload")
    value = event.get("payload")
    if not isinstance(value, str):
        return event.child("payload")
    try:
        return Fields.of(json.loads(value), path)
    except (ValueError, RecursionError) as error:
        raise invalid(
            path, f"holds no JSON ({error})", "put the payload there as the stream sent it and redrive"
        ) from None


def _notification(notification: Fields, delivery: RawDelivery) -> MentionChange | NotAMention:
    kind = notification.word("type")
    if kind in _QUIET_NOTIFICATIONS or kind.startswith("admin."):
        return NotAMention(kind)
    if kind not in _CREATED | _EDITED:
        raise invalid(notification.at("type"), f"is {kind!r}, which is not read", "known are mention and quote")
    return _status(notification.child("status"), delivery, edited=kind in _EDITED)


def _status(status: Fields, delivery: RawDelivery, *, edited: bool) -> MentionChange | NotAMention:
    account = status.child("account")
    author = Author(
        id=account.identifier("id"),
        handle=account.label("acct"),
        name=account.label("display_name"),
        followers=account.count("followers_count"),
    )
    if is_own(delivery, author.id, author.handle):
        return NotAMention(OWN_REPLY)
    native_id = status.identifier("id")
    parent = status.optional_identifier("in_reply_to_id")
    direct = status.get("visibility") == "direct"
    text = _text(status)
    at = status.optional_moment("edited_at", delivery.received_at)
    draft = Draft(
        delivery,
        Channel.MASTODON,
        status.path or "status",
        native_id=native_id,
        kind=(MentionKind.MESSAGE if direct else MentionKind.COMMENT if parent else MentionKind.POST),
        author=author,
        text=text,
        created_at=status.moment("created_at", delivery.received_at),
        conversation=f"messages:{author.id}" if direct else parent,
        parent=parent,
        language=status.label("language"),
        permalink=status.label("url") or status.label("uri"),
        media=_media(status),
        engagement=Engagement(
            likes=status.count("favourites_count") or 0,
            replies=status.count("replies_count") or 0,
            shares=(status.count("reblogs_count") or 0) + (status.count("quotes_count") or 0),
        ),
    )
    if edited or at is not None:
        return draft.edited(at.isoformat() if at else fingerprint(text))
    return draft.created()


def _text(status: Fields) -> str:
    warning = (status.optional_text("spoiler_text") or "").strip()
    body = text_of(status.text("content", limit=TEXT_LIMIT * _MARKUP))
    return checked_text(f"{warning}\n\n{body}".strip() if warning else body, status.at("content"))


def _media(status: Fields) -> list[Media]:
    media = []
    for one in status.children("media_attachments"):
        url = one.label("url") or one.label("remote_url")
        if url:
            media.append(Media(type=_MEDIA.get(one.label("type") or "", "file"), url=url))
    return media
