import json
from datetime import UTC, datetime
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from silofrei.schemas.delivery import RawDelivery
from silofrei.schemas.mention import Author, Mention, MentionCreated
from silofrei.schemas.names import Channel, DeadLetterReason, MentionKind
from silofrei.streams.channels import InvalidMention, Item, NotAMention
from silofrei.streams.parsing import parse, parse_all

NOW = datetime(2026, 11, 3, 9, 0, tzinfo=UTC)
BRANDS = ("demo", "nordwind")


class ListParser:
    """Each element of a JSON list is a text, `like`, or a mistake by name."""

    def split(self, payload, _delivery):
        if not isinstance(payload, list):
            raise InvalidMention(DeadLetterReason.INVALID_FIELD, "the payload is no list; send one", "payload")
        return [Item(f"[{n}]", value) for n, value in enumerate(payload)]

    def change(self, item, delivery):
        if item.value == "like":
            return NotAMention("like")
        if item.value == "broken":
            raise InvalidMention(DeadLetterReason.MISSING_FIELD, f"{item.path}.id is missing", f"{item.path}.id")
        if item.value == "bug":
            raise KeyError("nothing here")
        item.value.encode()
        return MentionCreated(
            mention=Mention(
                id=f"x:{item.value}",
                brand=delivery.brand,
                channel=Channel.X,
                kind=MentionKind.POST,
                author=Author(id="1"),
                text=item.value,
                created_at=NOW,
                received_at=delivery.received_at,
                thread_id="x:1",
            )
        )


PARSERS = {Channel.X: ListParser()}


def record(value, offset=7):
    return SimpleNamespace(topic="mentions.raw", partition=3, offset=offset, value=value)


def envelope(body, **fields):
    values = {"delivery_id": "d", "brand": "demo", "channel": "x", "connector": "test", "received_at": NOW, **fields}
    return RawDelivery(body=body, **values).model_dump_json().encode()


def read(value):
    return parse(record(value), BRANDS, lambda: NOW, PARSERS)


def only(parsed):
    assert parsed.changes == []
    (letter,) = parsed.dead
    return letter


def test_a_delivery_of_many_mentions_keeps_their_order_and_numbers():
    parsed = read(envelope('["one","like","two"]'))
    assert [(number, change.mention.text) for number, change in parsed.changes] == [(0, "one"), (2, "two")]
    assert parsed.not_mentions == 1
    assert parsed.dead == []
    assert parsed.delivery.brand == "demo"


def test_one_broken_mention_costs_its_neighbours_nothing():
    value = envelope('["one","broken","two"]')
    parsed = read(value)
    assert [number for number, _ in parsed.changes] == [0, 2]
    (letter,) = parsed.dead
    assert letter.dead_letter_id == "mentions.raw/3/7/1"
    assert letter.origin.model_dump() == {"topic": "mentions.raw", "partition": 3, "offset": 7, "item": 1}
    assert letter.reason is DeadLetterReason.MISSING_FIELD
    assert letter.field == "[1].id"
    assert (letter.brand, letter.channel, letter.at) == ("demo", "x", NOW)
    assert letter.value == value


def test_the_bytes_of_a_record_are_kept_once_for_all_its_broken_mentions():
    value = envelope('["broken","one","broken","broken"]')
    parsed = read(value)
    assert [letter.value for letter in parsed.dead] == [value, b"", b""]
    assert [letter.value_of for letter in parsed.dead] == [None, "mentions.raw/3/7/0", "mentions.raw/3/7/0"]


def test_a_record_without_a_value():
    letter = only(read(None))
    assert letter.dead_letter_id == "mentions.raw/3/7"
    assert letter.reason is DeadLetterReason.BROKEN_ENVELOPE
    assert letter.value == b""
    assert letter.channel is None


@pytest.mark.parametrize(
    ("value", "field", "said"),
    [
        (b"", None, "Invalid JSON"),
        (b"\xff\xfe", None, "Invalid JSON"),
        (b"[]", None, "should be an object"),
        (b'{"v": 1}', "delivery_id", "Field required"),
        (envelope("[]").replace(b'"demo"', b'"De mo"'), "brand", "pattern"),
        (envelope("[]").replace(b'"v":1', b'"v":2'), "v", "Input should be 1"),
        (envelope("[]").replace(b'"v":1', b'"v":1,"colour":"red"'), "colour", "Extra"),
        (envelope("[]").replace(b'"[]"', b'"\\ud83d"'), None, "hex escape"),
    ],
)
def test_a_broken_envelope_names_the_field_and_the_way_back(value, field, said):
    letter = only(read(value))
    assert letter.reason is DeadLetterReason.BROKEN_ENVELOPE
    assert letter.field == field
    assert said in letter.detail
    assert "RawDelivery" in letter.detail
    assert letter.value == value


def test_an_unknown_brand_names_those_that_are_known():
    letter = only(read(envelope("[]", brand="other")))
    assert letter.reason is DeadLetterReason.UNKNOWN_BRAND
    assert "demo, nordwind" in letter.detail
    assert letter.brand == "other"


@pytest.mark.parametrize("channel", ["telex", "facebook"])
def test_a_channel_without_a_parser_is_a_dead_letter_by_name(channel):
    letter = only(read(envelope("[]", channel=channel)))
    assert letter.reason is DeadLetterReason.UNKNOWN_CHANNEL
    assert letter.channel == channel
    assert channel in letter.detail


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ('["one"', "line 1 column 7"),
        ("", "line 1 column 1"),
        ("[NaN]", "NaN is no JSON number"),
        ("[1, -Infinity]", "-Infinity is no JSON number"),
        ("[" * 100_000, "nests deeper"),
        ("[1" + "0" * 5000 + "e]", "not JSON"),
    ],
)
def test_a_body_that_is_no_json(body, said):
    letter = only(read(envelope(body)))
    assert letter.reason is DeadLetterReason.BROKEN_BODY
    assert said in letter.detail
    assert "redrive" in letter.detail


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("/w==", "not UTF-8 (byte 0)"),
        ("WyJcdWQ4M", "not the Base64"),
        ("WyI=", "not JSON"),
    ],
)
def test_a_body_in_base64_that_cannot_be_read(body, said):
    letter = only(read(envelope(body, body_encoding="base64")))
    assert letter.reason is DeadLetterReason.BROKEN_BODY
    assert said in letter.detail


def test_a_body_in_base64_is_read_and_so_is_one_with_a_byte_order_mark():
    assert [change.mention.text for _, change in read(envelope("WyJvbmUiXQ==", body_encoding="base64")).changes] == [
        "one"
    ]
    assert [change.mention.text for _, change in read(envelope('\ufeff["one"]')).changes] == ["one"]


def test_half_a_surrogate_pair_costs_only_the_mention_that_has_it():
    parsed = read(envelope('["one", "half \\ud83d", "two"]'))
    assert [change.mention.text for _, change in parsed.changes] == ["one", "two"]
    (letter,) = parsed.dead
    assert letter.dead_letter_id == "mentions.raw/3/7/1"
    letter.model_dump_json()


def test_a_payload_that_its_parser_refuses_is_one_dead_letter():
    letter = only(read(envelope('{"a": 1}')))
    assert letter.origin.item is None
    assert letter.reason is DeadLetterReason.INVALID_FIELD
    assert letter.field == "payload"


def test_a_mistake_in_a_parser_is_a_dead_letter_and_no_crash():
    parsed = read(envelope('["bug","one"]'))
    assert [number for number, _ in parsed.changes] == [1]
    (letter,) = parsed.dead
    assert letter.reason is DeadLetterReason.INVALID_FIELD
    assert letter.field == "[0]"
    assert "KeyError" in letter.detail
    assert "report it" in letter.detail


def test_what_is_quoted_of_broken_unicode_can_be_written():
    class Quoting(ListParser):
        def change(self, item, _delivery):
            raise InvalidMention(DeadLetterReason.INVALID_UNICODE, f"{item.value} is broken " * 900, f"[{item.value}]")

    parsed = parse(record(envelope('["\\udead"]')), BRANDS, lambda: NOW, {Channel.X: Quoting()})
    letter = only(parsed)
    assert len(letter.detail) < 12_000
    assert json.loads(letter.model_dump_json())["field"] == "[\\udead]"


@given(
    st.one_of(
        st.binary(max_size=200),
        st.text(max_size=60).map(lambda body: envelope(body.encode("utf-8", "replace").decode())),
    )
)
def test_no_record_whatsoever_raises_and_each_leaves_as_something(value):
    parsed = read(value)
    for letter in parsed.dead:
        assert letter.value == value
        letter.model_dump_json()
    assert parsed.delivery is not None or len(parsed.dead) == 1


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
        max_leaves=20,
    ),
    st.sampled_from(list(Channel)),
)
def test_the_real_parsers_never_raise_either(payload, channel):
    parsed = parse(record(envelope(json.dumps(payload), channel=channel.value)), BRANDS, lambda: NOW)
    for letter in parsed.dead:
        letter.model_dump_json()
        assert "this is a mistake of Silofrei" not in letter.detail


def test_records_that_are_read_together_come_out_as_each_alone():
    values = [
        envelope('["one","like","broken"]'),
        b"{",
        envelope('["two"]', brand="elsewhere"),
        None,
        envelope('["three"]', channel="teletext"),
        envelope("[1"),
        envelope('"no list"'),
        envelope('["bug","four"]'),
    ]
    records = [record(value, offset) for offset, value in enumerate(values)]
    together = parse_all(records, BRANDS, lambda: NOW, PARSERS)
    assert together == [parse(one, BRANDS, lambda: NOW, PARSERS) for one in records]
    assert [len(one.changes) for one in together] == [1, 0, 0, 0, 0, 0, 0, 1]
    assert [[letter.origin.offset for letter in one.dead] for one in together] == [[n] for n in range(len(values))]
