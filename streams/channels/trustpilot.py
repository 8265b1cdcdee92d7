"""Trustpilot: reviews of the company and of its products, from Trustpilot's webhooks.

Source: Trustpilot's help page on webhooks (`events[].{eventName, version, eventData}`). `docs/channels.md` tells what
is read and what is not.
"""

import re
from collections.abc import Sequence

from silofrei.schemas.delivery import RawDelivery
from silofrei.schemas.mention import Author, MentionChange
from silofrei.schemas.names import Channel, MentionKind
from silofrei.streams.channels import Item, NotAMention
from silofrei.streams.channels.changes import Draft, deleted, fingerprint
from silofrei.streams.channels.fields import Fields, invalid, missing

_NAME = re.compile(r"(?:(?:service|product)-review-(created|updated|deleted))|(NEW|UPDATED|DELETED)_REVIEW")
_CHANGES = {"created": "created", "NEW": "created", "updated": "updated", "UPDATED": "updated"}


class TrustpilotParser:
    """Reads Trustpilot's review webhooks."""

    def split(self, payload: object, delivery: RawDelivery) -> Sequence[Item]:
        """See `Parser.split`."""
        return [Item(f"events[{index}]", value) for index, value in enumerate(Fields.of(payload, "").listed("events"))]

    def change(self, item: Item, delivery: RawDelivery) -> MentionChange | NotAMention:
        """See `Parser.change`."""
        event = Fields.of(item.value, item.path)
        name = event.word("eventName")
        match = _NAME.fullmatch(name)
        if match is None:
            raise invalid(
                event.at("eventName"), f"is {name!r}, which is not read", "subscribe to service and product reviews"
            )
        review = event.child("eventData")
        change = _CHANGES.get(match[1] or match[2], "deleted")
        if change == "deleted":
            at = review.optional_moment("deletedAt", delivery.received_at)
            return deleted(delivery, Channel.TRUSTPILOT, review.path, review.identifier("id"), at)
        text = _text(review)
        stars = _stars(review)
        draft = _draft(review, text, stars, delivery)
        if change == "created":
            return draft.created()
        at = review.optional_moment("updatedAt", delivery.received_at)
        return draft.edited(at.isoformat() if at else fingerprint(text, str(stars)))


def _draft(review: Fields, text: str, stars: float, delivery: RawDelivery) -> Draft:
    consumer = review.optional_child("consumer")
    native_id = review.identifier("id")
    name = consumer.label("name") or consumer.label("displayName")
    return Draft(
        delivery,
        Channel.TRUSTPILOT,
        review.path,
        native_id=native_id,
        kind=MentionKind.REVIEW,
        author=Author(id=consumer.identifier("id"), name=name) if "id" in consumer else None,
        text=text,
        created_at=review.moment("createdAt", delivery.received_at),
        language=review.label("language"),
        permalink=None if "product" in review else f"https://www.trustpilot.com/reviews/{native_id}",
        rating=stars,
    )


def _text(review: Fields) -> str:
    """Title and text; Trustpilot makes a title of the text's beginning where the author gave none."""
    title = (review.optional_text("title") or "").strip()
    text = (review.optional_text("text") or review.optional_text("content") or "").strip()
    if not {"title", "text", "content"} & set(review.keys()):
        raise missing(review.at("text"), "the text of the review")
    begins = text.startswith(title.rstrip(". …"))
    return text if not title or (text and begins) else f"{title}\n\n{text}".strip()


def _stars(review: Fields) -> float:
    stars = review.count("stars")
    if stars is None or not 1 <= stars <= 5:
        if "stars" not in review:
            raise missing(review.at("stars"), "the number of stars")
        raise invalid(review.at("stars"), "is no number from 1 to 5", "put the stars of the review there and redrive")
    return float(stars)
