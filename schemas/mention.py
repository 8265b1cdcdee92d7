"""Mention and MentionChange: the canonical form of what people say, whatever the channel."""

from typing import Annotated, Literal

from pydantic import Field, StringConstraints, field_validator

from silofrei.schemas.base import BrandName, Contract, Identifier, Moment
from silofrei.schemas.names import Channel, MentionKind

TEXT_LIMIT = 50_000
"""Longest text of a mention in characters; the longest channel (Reddit, 40,000 for a post) fits."""


class Author(Contract):
    """Who wrote a mention, as the channel tells it."""

    id: Annotated[str, StringConstraints(min_length=1, max_length=512)]
    handle: str | None = None
    name: str | None = None
    followers: Annotated[int, Field(ge=0)] | None = None


class Media(Contract):
    """A picture, film, sound or link that came with a mention."""

    type: Literal["image", "video", "audio", "link", "file"]
    url: str


class Engagement(Contract):
    """How a mention was received, as far as the channel says."""

    likes: Annotated[int, Field(ge=0)] = 0
    replies: Annotated[int, Field(ge=0)] = 0
    shares: Annotated[int, Field(ge=0)] = 0
    views: Annotated[int, Field(ge=0)] = 0


class Mention(Contract):
    """One thing that one author said in public or wrote to the brand.

    `id` is channel + ':' + native id, so the same mention has the same id however often it arrives.
    """

    v: Literal[1] = 1
    id: Identifier
    brand: BrandName
    channel: Channel
    kind: MentionKind
    author: Author
    text: Annotated[str, StringConstraints(max_length=TEXT_LIMIT)]
    language: Annotated[str, StringConstraints(max_length=35)] | None = None
    """BCP 47 tag that the channel declares; None where it declares none."""
    created_at: Moment
    received_at: Moment
    permalink: str | None = None
    thread_id: Identifier
    """Channel + ':' + native id of the conversation, and of the author where many people share a conversation
    (docs/channels.md)."""
    parent_id: Identifier | None = None
    media: tuple[Media, ...] = ()
    engagement: Engagement = Engagement()
    rating: Annotated[float, Field(ge=0, le=5)] | None = None
    """Stars of a review."""

    @field_validator("text", mode="before")
    @classmethod
    def _encodable(cls, text: object) -> object:
        try:
            if isinstance(text, str):
                text.encode()
        except UnicodeEncodeError as error:
            raise ValueError(f"has a lone surrogate at character {error.start}; send valid Unicode") from None
        return text


class MentionCreated(Contract):
    """A mention that was published."""

    v: Literal[1] = 1
    change: Literal["created"] = "created"
    mention: Mention


class MentionEdited(Contract):
    """A mention whose author changed it; carries the whole mention as it is now.

    `revision` tells this version from others of the same mention (an edit time or a counter of the channel).
    """

    v: Literal[1] = 1
    change: Literal["edited"] = "edited"
    mention: Mention
    revision: Identifier


class MentionDeleted(Contract):
    """A mention that its author or the platform took away."""

    v: Literal[1] = 1
    change: Literal["deleted"] = "deleted"
    mention_id: Identifier
    brand: BrandName
    channel: Channel
    deleted_at: Moment


MentionChange = Annotated[MentionCreated | MentionEdited | MentionDeleted, Field(discriminator="change")]
