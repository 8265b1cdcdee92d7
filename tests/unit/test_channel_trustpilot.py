import json
from datetime import UTC, datetime

import pytest

from silofrei.schemas.delivery import RawDelivery
from silofrei.schemas.mention import MentionCreated, MentionDeleted, MentionEdited
from silofrei.schemas.names import DeadLetterReason, MentionKind
from silofrei.streams.channels import InvalidMention
from silofrei.streams.channels.trustpilot import TrustpilotParser

RECEIVED = datetime(2026, 11, 3, 9, 0, 5, tzinfo=UTC)
PARSER = TrustpilotParser()


def read(payload):
    delivery = RawDelivery(
        delivery_id="d1",
        brand="demo",
        channel="trustpilot",
        connector="test",
        received_at=RECEIVED,
        body=json.dumps(payload),
    )
    return [PARSER.change(item, delivery) for item in PARSER.split(payload, delivery)]


def event(name="service-review-created", **fields):
    review = {
        "id": "65f0aa",
        "language": "de",
        "title": "Nie wieder",
        "text": "Drei Wochen auf das Ersatzteil gewartet.",
        "referenceId": "NW-2231",
        "stars": 1,
        "createdAt": "2026-11-03T08:59:00.000Z",
        "isVerified": True,
        "link": "https://api.trustpilot.example/v1/reviews/65f0aa",
        "consumer": {"id": "c77", "name": "Henrike"},
        **fields,
    }
    data = {key: value for key, value in review.items() if value is not ...}
    return {"eventName": name, "version": "1", "eventData": data}


def events(*found):
    return {"events": list(found)}


def test_a_review():
    (change,) = read(events(event()))
    assert isinstance(change, MentionCreated)
    mention = change.mention
    assert mention.id == mention.thread_id == "trustpilot:65f0aa"
    assert mention.kind is MentionKind.REVIEW
    assert mention.text == "Nie wieder\n\nDrei Wochen auf das Ersatzteil gewartet."
    assert mention.rating == 1
    assert mention.language == "de"
    assert (mention.author.id, mention.author.name) == ("c77", "Henrike")
    assert mention.permalink == "https://www.trustpilot.com/reviews/65f0aa"
    assert mention.created_at == datetime(2026, 11, 3, 8, 59, tzinfo=UTC)


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"title": "Drei Wochen auf…"}, "Drei Wochen auf das Ersatzteil gewartet."),
        ({"title": None}, "Drei Wochen auf das Ersatzteil gewartet."),
        ({"text": None}, "Nie wieder"),
        ({"title": "", "text": ""}, ""),
    ],
)
def test_a_title_that_repeats_the_text_is_left_out_and_stars_alone_are_a_review(fields, text):
    (change,) = read(events(event(**fields)))
    assert change.mention.text == text


def test_a_product_review_has_content_and_no_public_page():
    product = event("product-review-created", title=..., text=..., content="Hält super", product={"name": "Böe"})
    (change,) = read(events(product))
    assert change.mention.text == "Hält super"
    assert change.mention.permalink is None


def test_an_edit_is_told_from_others_by_its_time_or_its_content():
    (timed,) = read(events(event("service-review-updated", updatedAt="2026-11-03T09:00:00Z")))
    assert isinstance(timed, MentionEdited)
    assert timed.revision == "2026-11-03T09:00:00+00:00"
    (first,) = read(events(event("service-review-updated", stars=2)))
    (again,) = read(events(event("service-review-updated", stars=2)))
    (second,) = read(events(event("service-review-updated", stars=4)))
    assert first.revision == again.revision != second.revision
    assert second.mention.rating == 4


@pytest.mark.parametrize("name", ["service-review-deleted", "product-review-deleted"])
def test_a_deletion_needs_the_id_alone(name):
    (change,) = read(events({"eventName": name, "eventData": {"id": "65f0aa"}}))
    assert isinstance(change, MentionDeleted)
    assert change.mention_id == "trustpilot:65f0aa"
    assert change.deleted_at == RECEIVED


@pytest.mark.parametrize(
    ("name", "kind"),
    [("NEW_REVIEW", MentionCreated), ("UPDATED_REVIEW", MentionEdited), ("DELETED_REVIEW", MentionDeleted)],
)
def test_names_that_forwarding_services_use(name, kind):
    (change,) = read(events(event(name)))
    assert isinstance(change, kind)


@pytest.mark.parametrize(
    ("payload", "reason", "field"),
    [
        ([], DeadLetterReason.INVALID_FIELD, None),
        ({}, DeadLetterReason.MISSING_FIELD, "events"),
        ({"events": {}}, DeadLetterReason.INVALID_FIELD, "events"),
        (events(5), DeadLetterReason.INVALID_FIELD, "events[0]"),
        (events(event("invoice-created")), DeadLetterReason.INVALID_FIELD, "events[0].eventName"),
        (events(event(id=...)), DeadLetterReason.MISSING_FIELD, "events[0].eventData.id"),
        (events(event(stars=...)), DeadLetterReason.MISSING_FIELD, "events[0].eventData.stars"),
        (events(event(stars=6)), DeadLetterReason.INVALID_FIELD, "events[0].eventData.stars"),
        (events(event(stars="five")), DeadLetterReason.INVALID_FIELD, "events[0].eventData.stars"),
        (events(event(title=..., text=...)), DeadLetterReason.MISSING_FIELD, "events[0].eventData.text"),
        (events(event(createdAt="yesterday")), DeadLetterReason.INVALID_TIME, "events[0].eventData.createdAt"),
        (events(event(text="x\ud800")), DeadLetterReason.INVALID_UNICODE, "events[0].eventData.text"),
        (events(event(text="x" * 50_001)), DeadLetterReason.TEXT_TOO_LONG, "events[0].eventData.text"),
    ],
)
def test_a_mistake_names_reason_and_path(payload, reason, field):
    with pytest.raises(InvalidMention) as caught:
        read(payload)
    assert (caught.value.reason, caught.value.field) == (reason, field)
