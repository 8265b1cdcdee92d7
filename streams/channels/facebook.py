"""Facebook Pages: the page's feed, mentions of the page elsewhere, recommendations, and Messenger.

Source: Meta's webhook reference for Pages. `docs/channels.md` tells what is read and what is not.
"""

from collections.abc import Sequence

from silofrei.schemas.delivery import RawDelivery
from silofrei.schemas.mention import Author, Media, MentionChange
from silofrei.schemas.names import Channel, MentionKind
from silofrei.streams.channels import Item, NotAMention, meta
from silofrei.streams.channels.changes import OWN_REPLY, Draft, deleted, fingerprint, is_own
from silofrei.streams.channels.fields import Fields, invalid

_KINDS = {
    "comment": MentionKind.COMMENT,
    "rating": MentionKind.REVIEW,
    **dict.fromkeys(("post", "status", "photo", "video", "share", "link", "note", "story"), MentionKind.POST),
}
_QUIET_ITEMS = {"like", "reaction", "album", "event", "coupon", "milestone", "page", "profile", "tag", "follow"}
_CREATED = {"add"}
_EDITED = {"edited", "edit", "update"}
_DELETED = {"remove", "delete"}
_QUIET_VERBS = {"hide", "unhide", "mute", "block", "unblock", "follow"}
_QUIET_FIELDS = {"live_videos", "videos", "page_about_story", "general_info", "picture", "name", "category", "leadgen"}


class FacebookParser:
    """Reads the webhooks of Facebook Pages."""

    def split(self, payload: object, delivery: RawDelivery) -> Sequence[Item]:
        """See `Parser.split`."""
        return meta.split(payload, "page")

    def change(self, item: Item, delivery: RawDelivery) -> MentionChange | NotAMention:
        """See `Parser.change`."""
        return meta.change(item, Channel.FACEBOOK, delivery, _change)


def _change(event: meta.Event, change: Fields, field: str, delivery: RawDelivery) -> MentionChange | NotAMention:
    if field in ("feed", "mention", "ratings"):
        return _post(event, change.child("value"), delivery)
    if field in _QUIET_FIELDS:
        return NotAMention(field)
    raise invalid(change.at("field"), f"is {field!r}, which is not read", "subscribe to feed, mention, ratings")


def _post(event: meta.Event, value: Fields, delivery: RawDelivery) -> MentionChange | NotAMention:
    item, verb = value.word("item"), value.word("verb")
    if item in _QUIET_ITEMS or verb in _QUIET_VERBS:
        return NotAMention(f"{item} {verb}")
    if item not in _KINDS:
        raise invalid(value.at("item"), f"is {item!r}, which is not read", f"known are {', '.join(_KINDS)}")
    kind = _KINDS[item]
    native_id = value.identifier(
        "comment_id"
        if kind is MentionKind.COMMENT
        else "open_graph_story_id"
        if kind is MentionKind.REVIEW
        else "post_id"
    )
    if verb in _DELETED:
        at = event.time(delivery) if "time" in event.entry else None
        return deleted(delivery, Channel.FACEBOOK, value.path, native_id, at)
    if verb not in _CREATED | _EDITED:
        raise invalid(value.at("verb"), f"is {verb!r}, which is not read", "known are add, edited and remove")
    author = _author(value)
    page = event.entry.optional_identifier("id")
    if author and (author.id == page or is_own(delivery, author.id)):
        return NotAMention(OWN_REPLY)
    text = value.optional_text("review_text" if kind is MentionKind.REVIEW else "message") or ""
    post_id = value.optional_identifier("post_id")
    draft = Draft(
        delivery,
        Channel.FACEBOOK,
        value.path,
        native_id=native_id,
        kind=kind,
        author=author,
        text=text,
        created_at=value.optional_moment("created_time", delivery.received_at) or event.time(delivery),
        conversation=native_id if kind is MentionKind.REVIEW else post_id,
        parent=(value.optional_identifier("parent_id") or post_id) if kind is MentionKind.COMMENT else None,
        permalink=value.optional_child("post").label("permalink_url") or f"https://www.facebook.com/{native_id}",
        media=_media(value),
        rating=_stars(value) if kind is MentionKind.REVIEW else None,
    )
    if verb in _CREATED:
        return draft.created()
    # Meta numbers no versions, and `created_time` stays that of the comment: the entry's time and the text tell them.
    sent = event.entry.optional_moment("time", delivery.received_at)
    return draft.edited(f"{int(sent.timestamp()) if sent else 0}.{fingerprint(text)}")


def _author(value: Fields) -> Author | None:
    sender = value.optional_child("from")
    if "id" in sender:
        return Author(id=sender.identifier("id"), name=sender.label("name"))
    for prefix in ("sender", "reviewer"):
        if f"{prefix}_id" in value:
            return Author(id=value.identifier(f"{prefix}_id"), name=value.label(f"{prefix}_name"))
    return None


def _stars(value: Fields) -> float | None:
    stars = value.count("rating")
    return float(stars) if stars is not None and stars <= 5 else None


def _media(value: Fields) -> list[Media]:
    photo, video, link = value.label("photo"), value.label("video"), value.label("link")
    photos = dict.fromkeys([*([photo] if photo else []), *value.labels("photos")])
    media = [Media(type="image", url=url) for url in photos]
    if video:
        media.append(Media(type="video", url=video))
    if link:
        media.append(Media(type="link", url=link))
    return media
