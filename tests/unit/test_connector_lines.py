import json
from datetime import UTC, datetime

import pytest

from silofrei.schemas.names import Channel
from silofrei.streams.connectors.lines import LineRefused, key_of, native_delivery, payloads, row_delivery

NOW = datetime(2026, 11, 3, 9, tzinfo=UTC)
COMMENT = {
    "object": "instagram",
    "entry": [
        {
            "id": "1",
            "time": 1_793_696_400,
            "changes": [
                {"field": "comments", "value": {"id": "3", "text": "hübsch", "from": {"id": "5"}, "media": {"id": "2"}}}
            ],
        }
    ],
}


def row(**fields):
    values = {"channel": "instagram", "body": COMMENT, **fields}
    return json.dumps({key: value for key, value in values.items() if value is not ...}).encode()


def read(line, brand="demo"):
    return row_delivery(line, brand, lambda: NOW)


def test_a_native_payload_is_wrapped_byte_for_byte():
    body = '{"a":  1, "b": "\\u00e4ä"}'.encode()
    delivery = native_delivery(body + b"\r\n", Channel.X, "demo", NOW)
    assert delivery.raw_body() == body
    assert (delivery.channel, delivery.brand, delivery.received_at) == ("x", "demo", NOW)


def test_a_native_payload_may_be_no_text_at_all():
    delivery = native_delivery(b"\xff\xfe{}", Channel.X, "demo", NOW)
    assert delivery.body_encoding == "base64"
    assert delivery.raw_body() == b"\xff\xfe{}"


def test_a_short_row_gets_what_it_leaves_out():
    key, delivery = read(row())
    assert key is None
    assert json.loads(delivery.body) == COMMENT
    assert (delivery.brand, delivery.connector, delivery.received_at) == ("demo", "file", NOW)
    assert read(row())[1] == delivery
    assert read(row(body={}))[1].delivery_id != delivery.delivery_id


def test_a_row_may_say_everything():
    key, delivery = read(
        row(
            v=1,
            delivery_id="d9",
            brand="acme",
            channel="hologram",
            connector="webhook",
            received_at="2026-11-03T08:00:00Z",
            headers={"X-Hub-Signature-256": "sha256=00"},
            body="e30=",
            body_encoding="base64",
            key="thread-1",
        )
    )
    assert key == "thread-1"
    assert delivery.raw_body() == b"{}"
    assert (delivery.delivery_id, delivery.brand, delivery.channel) == ("d9", "acme", "hologram")
    assert delivery.received_at == datetime(2026, 11, 3, 8, tzinfo=UTC)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (b"{", "--channel"),
        (b"\xff", "no JSON"),
        (b"[" * 100_000, "no JSON"),
        (b"5", "no JSON object"),
        (row(channel="facebok"), "facebook, instagram"),
        (row(channel=...), "channel is None"),
        (row(channel=["x"]), "channel is ['x']"),
        (row(body=...), "body: Field required"),
        (row(body=5), "body: "),
        (row(body="\ud800"), "surrogate"),
        (row(key=5), "key is no text"),
        (row(colour="red"), "colour: Extra inputs"),
        (row(**{"\ud800": 1}), "valid string"),
        (row(body="§", body_encoding="base64"), "no Base64"),
        (row(received_at="0001-01-01T00:00:00+05:00"), "received_at: "),
        (row(brand="Two Words"), "brand: "),
        (row(headers={"a": "\ud800"}), "surrogate"),
    ],
)
def test_a_line_that_is_refused_says_why(line, said):
    with pytest.raises(LineRefused) as caught:
        read(line)
    assert said in str(caught.value)
    str(caught.value).encode()


def test_without_any_brand_the_line_is_refused():
    with pytest.raises(LineRefused, match="--brand"):
        read(row(), brand=None)


@pytest.mark.parametrize(
    ("lines", "found"),
    [
        ([b'{"a":1}\n', b"\n", b'{"a":2}\n'], [(1, b'{"a":1}\n'), (3, b'{"a":2}\n')]),
        ([b"\n", b"{\n", b'  "a": 1\n', b"}\n"], [(2, b'{\n  "a": 1\n}\n')]),
        ([b'{"a":1}\n', b"{broken\n"], [(1, b'{"a":1}\n'), (2, b"{broken\n")]),
        ([b"{broken\n", b'{"a":1}\n'], [(1, b"{broken\n"), (2, b'{"a":1}\n')]),
        ([], []),
    ],
    ids=["a payload a line", "one payload over lines", "a broken line later", "a broken line first", "nothing"],
)
def test_a_file_holds_one_payload_a_line_or_one_in_all(lines, found):
    assert list(payloads(lines)) == found


def test_a_stream_is_not_read_ahead():
    def endless():
        yield b"{}\n"
        raise AssertionError("read on before the first payload was taken")

    assert next(payloads(endless())) == (1, b"{}\n")


@pytest.mark.parametrize(
    ("channel", "body", "key"),
    [
        ("instagram", json.dumps(COMMENT), "instagram:2:5"),
        ("mastodon", '{"event": "delete", "payload": "7"}', "mastodon:7"),
        ("instagram", "{", None),
        ("instagram", "[" * 100_000, None),
        ("instagram", '{"object": "instagram", "entry": []}', None),
        ("instagram", "5", None),
    ],
)
def test_the_key_is_the_thread_where_it_can_be_read(channel, body, key):
    _, delivery = read(row(channel=channel, body=body))
    assert key_of(delivery) == (key or delivery.delivery_id)


def test_the_key_of_an_unknown_channel_is_the_delivery():
    _, delivery = read(row(channel="hologram", delivery_id="d9"))
    assert key_of(delivery) == "d9"
