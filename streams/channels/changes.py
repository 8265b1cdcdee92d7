"""From what a parser read to a mention change, in the one form that all channels share.

Owns: ids with the channel's prefix, threads, and the translation of a refused contract into `InvalidMention`.
Refuses: native payloads.
"""

import hashlib
from collections.abc import Iterable
from datetime import datetime

from pydantic import ValidationError

from silofrei.schemas.delivery import RawDelivery
from silofrei.schemas.mention import (
    Author,
    Engagement,
    Media,
    Mention,
    MentionChange,
    MentionCreated,
    MentionDeleted,
    MentionEdited,
)
from silofrei.schemas.names import Channel, DeadLetterReason, MentionKind
from silofrei.streams.channels import InvalidMention

OWN_REPLY = "own reply"
ACCOUNT_HEADER = "x-silofrei-account"
"""Header that a connector sets to the brand's own id or handle, for channels whose payloads do not tell."""

_NO_ENGAGEMENT = Engagement()
_SHARED = {MentionKind.POST, MentionKind.COMMENT}
"""Kinds whose conversations many people share: there, a thread is what one author says in one conversation. Otherwise
everybody under a popular post would stand in one ticket, and in one department."""


class Draft:
    """What a delivery says of one mention, before it is known whether it was created or edited.

    Args:
        delivery: the delivery that carries it.
        channel: where it was published.
        path: where it stands in the payload; errors name it.
        native_id: its id on the channel.
        kind: what sort of text it is.
        author: who wrote it; None where the channel keeps that to itself.
        text: the text.
        created_at: when the author published it.
        conversation: native id of what it belongs to; None where it starts a conversation of its own.
        parent: native id of what it answers.
        language: tag that the channel declares.
        permalink: where people can read it.
        media: what came with it.
        engagement: how it was received.
        rating: stars of a review.
    """

    def __init__(
        self,
        delivery: RawDelivery,
        channel: Channel,
        path: str,
        *,
        native_id: str,
        kind: MentionKind,
        author: Author | None,
        text: str,
        created_at: datetime,
        conversation: str | None = None,
        parent: str | None = None,
        language: str | None = None,
        permalink: str | None = None,
        media: Iterable[Media] = (),
        engagement: Engagement | None = None,
        rating: float | None = None,
    ) -> None:
        if author is None:
            author, conversation = Author(id=f"unknown:{native_id}"), None
        elif kind in _SHARED and channel is not Channel.CLOUDEVENTS:
            conversation = f"{conversation or native_id}:{author.id}"
        try:
            self.mention = Mention(
                id=prefixed(channel, native_id),
                brand=delivery.brand,
                channel=channel,
                kind=kind,
                author=author,
                text=text,
                language=language if language and len(language) <= 35 else None,
                created_at=created_at,
                received_at=delivery.received_at,
                permalink=permalink,
                thread_id=prefixed(channel, conversation or native_id),
                parent_id=prefixed(channel, parent) if parent else None,
                media=tuple(media),
                engagement=engagement or _NO_ENGAGEMENT,
                rating=rating,
            )
        except ValidationError as error:
            raise refused(error, path) from None

    def created(self) -> MentionChange:
        """The mention was published."""
        return MentionCreated(mention=self.mention)

    def edited(self, revision: str) -> MentionChange:
        """The mention is now as this draft says; `revision` tells the version from others."""
        return MentionEdited(mention=self.mention, revision=revision)


def deleted(delivery: RawDelivery, channel: Channel, path: str, native_id: str, at: datetime | None) -> MentionChange:
    """The mention with `native_id` is gone; `at` is when, as far as the channel tells.

    Raises:
        InvalidMention: the id cannot be one.
    """
    try:
        return MentionDeleted(
            mention_id=prefixed(channel, native_id),
            brand=delivery.brand,
            channel=channel,
            deleted_at=at or delivery.received_at,
        )
    except ValidationError as error:
        raise refused(error, path) from None


def prefixed(channel: Channel, native_id: str) -> str:
    """The id that a native id has here."""
    return f"{channel.value}:{native_id}"


def fingerprint(*parts: str) -> str:
    """A short name for a version of a text, for channels that number no versions."""
    return hashlib.sha256("\x00".join(parts).encode()).hexdigest()[:16]


def is_own(delivery: RawDelivery, *identities: str | None) -> bool:
    """Whether one of an author's ids or handles is the account that the connector says is the brand's own."""
    if not delivery.headers:
        return False
    own = next((value for name, value in delivery.headers.items() if name.lower() == ACCOUNT_HEADER), "")
    return bool(own) and own.lstrip("@").lower() in {one.lstrip("@").lower() for one in identities if one}


def refused(error: ValidationError, path: str) -> InvalidMention:
    """The mistake behind a refused contract.

    The parsers check what they read themselves, so this is the net below them.
    """
    problem = error.errors(include_url=False, include_input=False)[0]
    key = ".".join(str(part) for part in problem["loc"])
    reasons = {
        "missing": DeadLetterReason.MISSING_FIELD,
        "string_unicode": DeadLetterReason.INVALID_UNICODE,
    }
    reason = reasons.get(problem["type"], DeadLetterReason.INVALID_FIELD)
    if key == "text":
        reason = DeadLetterReason.INVALID_UNICODE if reason is DeadLetterReason.INVALID_FIELD else reason
        reason = DeadLetterReason.TEXT_TOO_LONG if problem["type"] == "string_too_long" else reason
    elif key.endswith("_at"):
        reason = DeadLetterReason.INVALID_TIME
    message = problem["msg"].removeprefix("Value error, ")
    return InvalidMention(reason, f"{path}: the mention's {key}: {message}; correct it and redrive", path or None)
