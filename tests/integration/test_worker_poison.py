"""Dead letters whose record is shared or at the limit of size, and repairs of all sorts.

test_poison.py has each kind of poison, met with the command line.
"""

import gzip
from datetime import UTC, datetime

import pytest
from kafka import KafkaProducer

from silofrei.schemas.dead_letter import DeadLetter
from silofrei.schemas.names import Channel
from silofrei.streams.dead_letters import NotRedrivable, list_dead_letters, read_dead_letter, redrive
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


def test_a_repair_takes_another_channel_another_brand_or_a_whole_record_and_is_said_to_be_too_large(
    surroundings, native, route
):
    route(
        native.envelope(native.cloud_event("m1"), channel="telex"),
        native.envelope(native.cloud_event("m2"), brand="nobody"),
        b"no envelope",
    )
    first, second, third = sorted(surroundings.dead_letters())
    with pytest.raises(NotRedrivable, match="SILOFREI_MAX_DELIVERY_BYTES"):
        redrive(surroundings.settings, first, clock=now, body=b"x" * 5_000_000)
    assert set(surroundings.dead_letters()) == {first, second, third}
    redrive(surroundings.settings, first, clock=now, channel=Channel.CLOUDEVENTS)
    redrive(surroundings.settings, second, clock=now, brand="demo")
    redrive(surroundings.settings, third, clock=now, body=native.mention("m3"))
    surroundings.wait_for(lambda: surroundings.mentions() == {"m1": 1, "m2": 1, "m3": 1}, 20)
    assert surroundings.dead_letters() == {}
    assert [entry.redriven.repaired for entry in list_dead_letters(surroundings.settings)] == [True] * 3


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
