"""What cannot be read becomes a dead letter with origin and reason, and a repaired one comes through."""

import gzip
import json
from datetime import UTC, datetime

import pytest
from kafka import KafkaProducer

from silofrei.schemas.dead_letter import DeadLetter
from silofrei.schemas.names import Channel, DeadLetterReason
from silofrei.streams.dead_letters import NotRedrivable, list_dead_letters, native_body, read_dead_letter, redrive
from silofrei.streams.kafka_clients import kafka_python_producer_options

pytestmark = pytest.mark.slow


def now():
    return datetime.now(UTC)


@pytest.fixture
def route(surroundings):
    """Sends records into one partition, so that their offsets are known, and waits until they are at their end."""
    worker = surroundings.worker()

    def send(*values):
        surroundings.send(*values, partition=0)
        surroundings.wait_for(lambda: surroundings.lag() == 0, 30, worker)

    return send


def test_each_kind_of_poison_is_a_dead_letter_and_the_next_mention_routes(surroundings, native, route):
    text = "ein Text, der zu lang ist " * 80_000
    poison = [
        (b"no envelope", DeadLetterReason.BROKEN_ENVELOPE, None),
        (None, DeadLetterReason.BROKEN_ENVELOPE, None),
        (native.envelope('{"specversion":'), DeadLetterReason.BROKEN_BODY, None),
        (native.envelope("{}", channel="telex"), DeadLetterReason.UNKNOWN_CHANNEL, None),
        (native.envelope("{}", brand="nobody"), DeadLetterReason.UNKNOWN_BRAND, None),
        (native.mention("p5", author=...), DeadLetterReason.MISSING_FIELD, 0),
        (native.mention("p6", text=text), DeadLetterReason.TEXT_TOO_LONG, 0),
        (native.mention("p7", text="halb \ud83d"), DeadLetterReason.INVALID_UNICODE, 0),
        (native.mention("p8", created_at="0001-01-01T00:00:00Z"), DeadLetterReason.INVALID_TIME, 0),
    ]
    records = []
    for number, (value, _, _) in enumerate(poison):
        records += [value, native.mention(f"after-{number}")]
    route(*records)
    assert len(text) > 2_000_000
    assert set(surroundings.mentions()) == {f"after-{number}" for number in range(len(poison))}
    letters = surroundings.dead_letters()
    for number, (value, reason, item) in enumerate(poison):
        offset = 2 * number
        place = f"{surroundings.topics.raw}/0/{offset}" + ("" if item is None else f"/{item}")
        letter = letters.pop(place).letter
        assert letter.reason is reason, place
        assert letter.origin.model_dump() == {
            "topic": surroundings.topics.raw,
            "partition": 0,
            "offset": offset,
            "item": item,
        }
        assert read_dead_letter(surroundings.settings, place).value == (value or b"")
    assert letters == {}


def test_a_repaired_dead_letter_comes_through_and_is_no_longer_listed(surroundings, native, route):
    route(native.mention("m1", author=...), native.mention("m2"))
    ((place, entry),) = surroundings.dead_letters().items()
    payload = json.loads(native_body(read_dead_letter(surroundings.settings, place)))
    payload["data"]["author"] = {"id": "u9"}
    redrive(surroundings.settings, place, clock=now, body=json.dumps(payload).encode())
    surroundings.wait_for(lambda: surroundings.mentions() == {"m1": 1, "m2": 1}, 20)
    assert surroundings.dead_letters() == {}
    (listed,) = list_dead_letters(surroundings.settings)
    assert listed.letter.dead_letter_id == entry.letter.dead_letter_id
    assert listed.redriven.repaired


def test_redriving_a_delivery_leaves_its_routed_mentions_and_settles_its_other_dead_letters(
    surroundings, native, route, tmp_path
):
    good, broken = native.cloud_event("good"), native.cloud_event("bad", author=...)
    batch = f"[{good},{broken},{broken.replace('bad', 'worse')}]"
    route(native.envelope(batch, content_type="application/cloudevents-batch+json"))
    assert surroundings.mentions() == {"good": 1}
    first, second = sorted(surroundings.dead_letters())
    assert surroundings.dead_letters()[second].letter.value_of == first
    assert read_dead_letter(surroundings.settings, second).value == read_dead_letter(surroundings.settings, first).value
    redrive(surroundings.settings, second, clock=now)
    surroundings.wait_for(lambda: surroundings.lag() == 0, 20)
    # Nothing was repaired: the same two died again, at their new place; the good one was not routed twice.
    assert surroundings.mentions() == {"good": 1}
    again = surroundings.dead_letters()
    assert len(again) == 2
    assert not {first, second} & set(again)


def test_the_right_channel_and_brand_can_be_given(surroundings, native, route):
    route(
        native.envelope(native.cloud_event("m1"), channel="telex"),
        native.envelope(native.cloud_event("m2"), brand="nobody"),
        b"no envelope",
    )
    first, second, third = sorted(surroundings.dead_letters())
    redrive(surroundings.settings, first, clock=now, channel=Channel.CLOUDEVENTS)
    redrive(surroundings.settings, second, clock=now, brand="demo")
    with pytest.raises(NotRedrivable, match="no readable envelope; give"):
        redrive(surroundings.settings, third, clock=now)
    with pytest.raises(NotRedrivable, match="none either"):
        redrive(surroundings.settings, third, clock=now, body=b"still none")
    body = native.cloud_event("m3").encode()
    redrive(surroundings.settings, third, clock=now, body=body, channel=Channel.CLOUDEVENTS, brand="demo")
    surroundings.wait_for(lambda: surroundings.mentions() == {"m1": 1, "m2": 1, "m3": 1}, 20)
    assert surroundings.dead_letters() == {}


def test_a_whole_repaired_record_replaces_a_broken_envelope(surroundings, native, route):
    route(b"no envelope")
    (place,) = surroundings.dead_letters()
    redrive(surroundings.settings, place, clock=now, body=native.mention("m1"))
    surroundings.wait_for(lambda: surroundings.mentions() == {"m1": 1}, 20)


def test_an_unknown_id_is_said(surroundings):
    with pytest.raises(NotRedrivable, match=r"there is no dead letter mentions\.raw/9/9"):
        redrive(surroundings.settings, "mentions.raw/9/9", clock=now)


def test_a_repair_that_is_too_large_is_said(surroundings, native, route):
    route(native.mention("m1", author=...))
    (place,) = surroundings.dead_letters()
    with pytest.raises(NotRedrivable, match="SILOFREI_MAX_DELIVERY_BYTES"):
        redrive(surroundings.settings, place, clock=now, body=b"x" * 5_000_000)


def test_the_largest_record_and_one_that_is_larger_unpacked_are_dead_letters_too(surroundings, native, route):
    largest = b"x" * (surroundings.settings.max_delivery_bytes - 100)
    route(largest, native.mention("m1"))
    place = f"{surroundings.topics.raw}/0/0"
    assert read_dead_letter(surroundings.settings, place).value == largest
    bomb = b"y" * 12_000_000
    assert len(gzip.compress(bomb)) < 100_000
    options = kafka_python_producer_options(surroundings.settings, max_request_size=50_000_000)
    producer = KafkaProducer(**options, compression_type="gzip")
    producer.send(surroundings.topics.raw, bomb, partition=0).get(30)
    producer.close()
    route(native.mention("m2"))
    assert surroundings.mentions() == {"m1": 1, "m2": 1}
    letter = surroundings.dead_letters()[f"{surroundings.topics.raw}/0/2"].letter
    assert "12000000 bytes" in letter.detail
    assert "offset 2" in letter.detail
    kept = read_dead_letter(surroundings.settings, letter.dead_letter_id)
    assert isinstance(kept, DeadLetter)
    assert kept.value == bomb
