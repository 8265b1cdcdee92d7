"""X: posts, replies, quotes and direct messages from the X Activity API, one event to a delivery.

Source: the vendor's page "X Activity API event payload examples". `docs/channels.md` tells what is read.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from silofrei.schemas.delivery import RawDelivery
from silofrei.schemas.mention import Author, Engagement, Media, MentionChange
from silofrei.schemas.names import Channel, MentionKind
from silofrei.streams.channels import InvalidMention, Item, NotAMention
from silofrei.streams.channels.changes import OWN_REPLY, Draft, deleted, is_own
from silofrei.streams.channels.fields import Fields, invalid

_POSTS = {"post.create", "post.mention.create", "post.reply.create", "post.quote.create"}
_QUIET = {"dm.sent", "dm.read", "dm.indicate_typing", "post.repost.create"}
_QUIET_FAMILIES = {"like", "follow", "mute", "block", "profile", "spaces", "chat", "news", "oauth", "broadcast"}
_NO_LANGUAGE = {"und", "zxx", "art"}
_MEDIA: dict[str, Literal["image", "video"]] = {"photo": "image", "video": "video", "animated_gif": "video"}


@dataclass(frozen=True, slots=True)
class _Message:
    """One direct message of an event that may carry several."""

    event: Fields
    value: object


class XParser:
    """Reads the events of the X Activity API."""

    def split(self, payload: object, delivery: RawDelivery) -> Sequence[Item]:
        """See `Parser.split`."""
        root = Fields.of(payload, "")
        data = root.get("data")
        if not isinstance(data, list):
            return _messages("data", root.child("data")) or [Item("data", data)]
        items: list[Item] = []
        for index, value in enumerate(data):
            path = f"data[{index}]"
            event = Fields(value if isinstance(value, dict) else {}, path)
            items.extend(_messages(path, event) or [Item(path, value)])
        return items

    def change(self, item: Item, delivery: RawDelivery) -> MentionChange | NotAMention:
        """See `Parser.change`."""
        if isinstance(item.value, InvalidMention):
            raise item.value
        if isinstance(item.value, _Message):
            return _direct_message(item.value.event, Fields.of(item.value.value, item.path), delivery)
        event = Fields.of(item.value, item.path)
        kind = event.word("event_type")
        if kind in _QUIET or kind.partition(".")[0] in _QUIET_FAMILIES:
            return NotAMention(kind)
        if kind == "dm.received":
            return _direct_message(event, event.child("payload"), delivery)
        if kind == "post.delete":
            post = event.child("payload")
            at = post.optional_moment("deleted_at", delivery.received_at)
            return deleted(delivery, Channel.X, post.path, _versions(post)[0], at)
        if kind not in _POSTS:
            raise invalid(
                event.at("event_type"), f"is {kind!r}, which is not read", f"subscribe to {', '.join(_POSTS)}"
            )
        return _post(event, event.child("payload"), delivery)


def _messages(path: str, event: Fields) -> list[Item]:
    """An item for each direct message of an event that carries a list of them; nothing for every other event."""
    if event.get("event_type") != "dm.received":
        return []
    payload = event.optional_child("payload")
    messages = payload.get("direct_message_events")
    if not isinstance(messages, list):
        return []
    where = f"{path}.payload.direct_message_events"
    return [Item(f"{where}[{index}]", _Message(event, one)) for index, one in enumerate(messages)]


def _versions(post: Fields) -> list[str]:
    """Ids of all versions of a post, oldest first; an edit is a new post that names the ones before it."""
    current = post.identifier("id")
    history = post.labels("edit_history_tweet_ids")
    older = [one for one in history if one.isascii() and one.isdigit() and len(one) <= 400 and one != current]
    return [*older, current]


def _post(event: Fields, post: Fields, delivery: RawDelivery) -> MentionChange | NotAMention:
    versions = _versions(post)
    author = _author(event, post.identifier("author_id"))
    own = event.optional_child("filter").optional_identifier("user_id")
    if author.id == own or is_own(delivery, author.id, author.handle):
        return NotAMention(OWN_REPLY)
    parent, answers = _parent(post)
    language = post.label("lang")
    metrics = post.optional_child("public_metrics")
    draft = Draft(
        delivery,
        Channel.X,
        post.path,
        native_id=versions[0],
        kind=MentionKind.COMMENT if answers else MentionKind.POST,
        author=author,
        text=_text(post),
        created_at=post.moment("created_at", delivery.received_at),
        conversation=post.optional_identifier("conversation_id"),
        parent=parent,
        language=None if language is None or language in _NO_LANGUAGE or language[0] == "q" else language,
        permalink=f"https://x.com/{author.handle or 'i/web'}/status/{versions[-1]}",
        media=_media(event, post),
        engagement=Engagement(
            likes=metrics.count("like_count") or 0,
            replies=metrics.count("reply_count") or 0,
            shares=(metrics.count("retweet_count") or 0) + (metrics.count("quote_count") or 0),
            views=metrics.count("impression_count") or 0,
        ),
    )
    return draft.edited(versions[-1]) if len(versions) > 1 else draft.created()


def _text(post: Fields) -> str:
    """The whole text; `text` is cut where there is a `note_tweet`. X escapes three characters and no more."""
    note = post.optional_child("note_tweet")
    text = note.text("text") if "text" in note else post.text("text")
    return text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")


def _parent(post: Fields) -> tuple[str | None, bool]:
    """Id of the post that this one answers or quotes, and whether it answers."""
    found = {one.label("type"): one for one in post.children("referenced_tweets")}
    answered = post.optional_identifier("in_reply_to_tweet_id")
    if answered is None and "replied_to" in found:
        answered = found["replied_to"].optional_identifier("id")
    if answered is not None:
        return answered, True
    return (found["quoted"].optional_identifier("id") if "quoted" in found else None), False


def _author(event: Fields, author_id: str) -> Author:
    for user in event.optional_child("includes").children("users"):
        known = user.optional_child("data") if "data" in user else user
        if str(known.get("id")) == author_id:
            return Author(
                id=author_id,
                handle=known.label("username"),
                name=known.label("name"),
                followers=known.optional_child("public_metrics").count("followers_count"),
            )
    return Author(id=author_id)


def _media(event: Fields, post: Fields) -> list[Media]:
    keys = set(post.optional_child("attachments").labels("media_keys"))
    media = []
    for one in event.optional_child("includes").children("media"):
        url = one.label("url") or one.label("preview_image_url")
        if url and one.label("media_key") in keys:
            media.append(Media(type=_MEDIA.get(one.label("type") or "", "link"), url=url))
    return media


def _direct_message(event: Fields, message: Fields, delivery: RawDelivery) -> MentionChange | NotAMention:
    """A direct message: in the form of the older API (`message_create`), or flat as a lookup returns it."""
    create = message.optional_child("message_create")
    sender = (create if "sender_id" in create else message).identifier("sender_id")
    own = event.optional_child("filter").optional_identifier("user_id")
    if sender == own or is_own(delivery, sender):
        return NotAMention(OWN_REPLY)
    content = create.optional_child("message_data") if "message_data" in create else message
    users = event.optional_child("payload").optional_child("users")
    user = users.optional_child(sender)
    time = "created_timestamp" if "created_timestamp" in message else "created_at"
    return Draft(
        delivery,
        Channel.X,
        message.path,
        native_id=message.identifier("id"),
        kind=MentionKind.MESSAGE,
        author=Author(
            id=sender,
            handle=user.label("screen_name") or user.label("username"),
            name=user.label("name"),
            followers=user.count("followers_count"),
        ),
        text=content.text("text"),
        created_at=message.moment(time, delivery.received_at),
        conversation=f"messages:{own}:{sender}",
    ).created()
