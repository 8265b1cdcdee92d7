"""What Facebook and Instagram share: the batches of the Graph API's webhooks and the Messenger platform's messages.

Owns: entries, changes and messages. Refuses: what a page's feed or a comment looks like (facebook.py, instagram.py).
Source: Meta's webhook reference for Pages, Instagram and the Messenger platform.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from silofrei.schemas.delivery import RawDelivery
from silofrei.schemas.mention import Author, Media, MentionChange
from silofrei.schemas.names import Channel, MentionKind
from silofrei.streams.channels import InvalidMention, Item, NotAMention
from silofrei.streams.channels.changes import OWN_REPLY, Draft, deleted, fingerprint, is_own
from silofrei.streams.channels.fields import Fields, invalid, missing

QUIET_MESSAGES = (
    "delivery",
    "read",
    "reaction",
    "postback",
    "optin",
    "referral",
    "account_linking",
    "pass_thread_control",
    "take_thread_control",
    "request_thread_control",
    "app_roles",
    "policy_enforcement",
    "message_context",
    "typing",
)
"""Events of a conversation in which nobody says anything."""

_MESSAGE_FIELDS = {"messages", "message_edit", "message_edits", "message_echoes"}
"""Names under which a message may stand in `changes` instead of `messaging`."""

_MEDIA: dict[str, Literal["image", "video", "audio", "file"]] = {
    "image": "image",
    "animated_image": "image",
    "video": "video",
    "ig_reel": "video",
    "reel": "video",
    "audio": "audio",
    "file": "file",
}


@dataclass(frozen=True, slots=True)
class Event:
    """One native event and the entry around it; `is_message` tells the two families apart."""

    entry: Fields
    value: object
    is_message: bool

    def time(self, delivery: RawDelivery) -> datetime:
        """When Meta sent the entry: the moment of what has no time of its own."""
        return self.entry.moment("time", delivery.received_at)


Read = Callable[[Event, Fields, str, RawDelivery], MentionChange | NotAMention]
"""Reads a change that is no message, by its `field`."""


def split(payload: object, kind: str) -> list[Item]:
    """The events of a delivery whose `object` is `kind`.

    A broken entry becomes an item that holds its mistake, so that it takes none of its neighbours with it.

    Raises:
        InvalidMention: the payload is no such delivery.
    """
    root = Fields.of(payload, "")
    found = root.word("object")
    if found != kind:
        raise invalid("object", f"is {found!r}", f"deliveries of this channel say {kind!r}: redrive it under its own")
    items: list[Item] = []
    for index, raw in enumerate(root.listed("entry")):
        path = f"entry[{index}]"
        try:
            items.extend(_events(Fields.of(raw, path)))
        except InvalidMention as mistake:
            items.append(Item(path, mistake))
    return items


def _events(entry: Fields) -> list[Item]:
    items = []
    for key in ("changes", "messaging"):
        if key in entry:
            items += [
                Item(f"{entry.at(key)}[{index}]", Event(entry, value, is_message=key == "messaging"))
                for index, value in enumerate(entry.listed(key))
            ]
    if "field" in entry:  # Instagram's newer form: the one change stands directly on the entry
        change = {"field": entry.get("field"), "value": entry.get("value")}
        items.append(Item(entry.path, Event(entry, change, is_message=False)))
    if "standby" in entry:  # another app owns the conversation; ours only listens
        items.append(Item(entry.at("standby"), NotAMention("standby")))
    if not items and not {"changes", "messaging"} & set(entry.keys()):
        raise missing(entry.at("changes"), "the list of changes, or `messaging`,")
    return items


def change(item: Item, channel: Channel, delivery: RawDelivery, read: Read) -> MentionChange | NotAMention:
    """The change that an item of `split` stands for.

    Args:
        item: the item.
        channel: the channel of the delivery.
        delivery: the delivery.
        read: for what is no message; see `Read`.

    Raises:
        InvalidMention: the item holds a mistake, cannot be read, or comes from elsewhere.
    """
    event = _event_of(item)
    if isinstance(event, NotAMention):
        return event
    if event.is_message:
        return _message(event, item.path, event.value, channel, delivery)
    fields = Fields.of(event.value, item.path)
    field = fields.word("field")
    if field in _MESSAGE_FIELDS:
        return _message(event, fields.at("value"), fields.get("value"), channel, delivery)
    return read(event, fields, field, delivery)


def _event_of(item: Item) -> Event | NotAMention:
    if isinstance(item.value, InvalidMention):
        raise item.value
    if not isinstance(item.value, Event | NotAMention):
        raise invalid(item.path, "is no event of this channel", "redrive the whole delivery as it came")
    return item.value


def _message(
    event: Event, path: str, value: object, channel: Channel, delivery: RawDelivery
) -> MentionChange | NotAMention:
    """The change that one message, edited message or unsent message stands for."""
    fields = Fields.of(value, path)
    quiet = next((key for key in QUIET_MESSAGES if key in fields), None)
    if "message" not in fields and "message_edit" not in fields:
        if quiet is None:
            raise missing(fields.at("message"), "the message")
        return NotAMention(quiet)
    edited = "message_edit" in fields
    message = fields.child("message_edit" if edited else "message")
    if message.flag("is_echo"):
        return NotAMention(OWN_REPLY)
    native_id = message.identifier("mid")
    at = fields.optional_moment("timestamp", delivery.received_at) or event.time(delivery)
    if message.flag("is_deleted"):
        return deleted(delivery, channel, path, native_id, at)
    sender = fields.child("sender").identifier("id")
    account = event.entry.optional_identifier("id") or fields.optional_child("recipient").optional_identifier("id")
    if sender == account or is_own(delivery, sender):
        return NotAMention(OWN_REPLY)
    text = message.optional_text("text") or ""
    draft = Draft(
        delivery,
        channel,
        path,
        native_id=native_id,
        kind=MentionKind.MESSAGE,
        author=Author(id=sender),
        text=text,
        created_at=at,
        conversation=f"messages:{account}:{sender}",
        parent=message.optional_child("reply_to").optional_identifier("mid"),
        media=_attachments(message),
    )
    if not edited:
        return draft.created()
    return draft.edited(message.optional_identifier("num_edit") or fingerprint(text))


def _attachments(message: Fields) -> list[Media]:
    media = []
    for attachment in message.children("attachments"):
        url = attachment.optional_child("payload").label("url") or attachment.label("url")
        if url:
            media.append(Media(type=_MEDIA.get(attachment.label("type") or "", "link"), url=url))
    return media
