"""Poison on the whole path, met with the command line alone: list, repair, redrive, a ticket."""

import json
from pathlib import Path

import pytest

from silofrei.streams.dead_letters import read_dead_letter

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]

DEEP = 10_000
# Python refuses to write so long a number by itself.
DIGITS = "1" + "0" * 5000


def raw_event(native, **texts):
    """A native payload in which fields of the mention are replaced by JSON as it is written."""
    data = json.loads(native.cloud_event("raw"))
    marks = {name: f"<<{name}>>" for name in texts}
    data["data"] |= marks
    body = json.dumps(data)
    for name, text in texts.items():
        body = body.replace(json.dumps(marks[name]), text)
    return body


def whole(native, **fields):
    """An envelope as a dict, so that it can be broken."""
    return {**json.loads(native.mention("whole")), **fields}


def without(values, name):
    return {key: value for key, value in values.items() if key != name}


def poison(native):
    """By name: the record, why it must die, the field at fault, and the number of the mention, None for all of it."""
    envelope, event, mention = native.envelope, native.cloud_event, native.mention

    def body(**texts):
        return envelope(raw_event(native, **texts))

    nested = "[" * DEEP + "]" * DEEP
    objects = '{"a":' * DEEP + "1" + "}" * DEEP
    letters = {
        "no JSON": (b"{", "broken_envelope", None, None),
        "no UTF-8": (b'{"v": "\xff\xfe"}', "broken_envelope", None, None),
        "surrogates as bytes": (b'{"v": "\xed\xa0\xbd"}', "broken_envelope", None, None),
        "no object": (b"[]", "broken_envelope", None, None),
        "empty": (b"", "broken_envelope", None, None),
        "null": (b"null", "broken_envelope", None, None),
        "no value": (None, "broken_envelope", None, None),
        "nested envelope": (nested.encode(), "broken_envelope", None, None),
        "NaN in the envelope": (b'{"v": NaN}', "broken_envelope", "v", None),
        "no brand": (json.dumps(without(whole(native), "brand")).encode(), "broken_envelope", "brand", None),
        "no body": (json.dumps(without(whole(native), "body")).encode(), "broken_envelope", "body", None),
        "unknown field": (json.dumps(whole(native, more=1)).encode(), "broken_envelope", "more", None),
        "half a surrogate in the envelope": (
            json.dumps(whole(native, connector="\ud83d")).encode(),
            "broken_envelope",
            None,
            None,
        ),
        "year 1 in the envelope": (
            json.dumps(whole(native, received_at="0001-01-01T00:00:00+02:00")).encode(),
            "broken_envelope",
            "received_at",
            None,
        ),
        "huge time in the envelope": (
            json.dumps(whole(native, received_at="<<>>")).encode().replace(b'"<<>>"', DIGITS.encode()),
            "broken_envelope",
            None,
            None,
        ),
        "unknown brand": (envelope(event("m"), brand="nobody"), "unknown_brand", "brand", None),
        "unknown channel": (envelope(event("m"), channel="telex"), "unknown_channel", "channel", None),
        "cut off": (envelope(event("m")[:-20]), "broken_body", "body", None),
        "empty body": (envelope(""), "broken_body", "body", None),
        "no Base64": (envelope("%%%", body_encoding="base64"), "broken_body", "body", None),
        "body without UTF-8": (envelope("/w==", body_encoding="base64"), "broken_body", "body", None),
        "NaN": (body(rating="NaN"), "broken_body", "body", None),
        "Infinity": (body(rating="-Infinity"), "broken_body", "body", None),
        "nested lists": (envelope(nested), "broken_body", "body", None),
        "nested objects": (envelope(objects), "broken_body", "body", None),
        "nested deep in a mention": (body(text=nested), "broken_body", "body", None),
        "a text alone": (envelope('"hello"'), "invalid_field", None, None),
        "no author": (mention("m", author=...), "missing_field", "data.author", 0),
        "no author id": (mention("m", author={}), "missing_field", "data.author.id", 0),
        "no text": (mention("m", text=...), "missing_field", "data.text", 0),
        "null text": (mention("m", text=None), "missing_field", "data.text", 0),
        "no id": (mention(None), "missing_field", "data.id", 0),
        "text is a list": (mention("m", text=["a"]), "invalid_field", "data.text", 0),
        "id with a space": (body(id='"a b"'), "invalid_field", "data.id", 0),
        "id without end": (body(id=json.dumps("x" * 5000)), "invalid_field", "data.id", 0),
        "2 MB": (mention("m", text="zu lang! " * 230_000), "text_too_long", "data.text", 0),
        "half a surrogate": (mention("m", text="halb \ud83d"), "invalid_unicode", "data.text", 0),
        "surrogates the wrong way round": (mention("m", text="\ude00\ud83d"), "invalid_unicode", "data.text", 0),
        "half a surrogate in the id": (body(id='"m\\ud83d"'), "invalid_unicode", "data.id", 0),
        "year 1": (mention("m", created_at="0001-01-01T00:00:00+14:00"), "invalid_time", "data.created_at", 0),
        "year 9999": (mention("m", created_at="9999-12-31T23:59:59-14:00"), "invalid_time", "data.created_at", 0),
        "no time zone": (mention("m", created_at="2026-01-01T00:00:00"), "invalid_time", "data.created_at", 0),
        "time is a list": (mention("m", created_at=[1]), "invalid_time", "data.created_at", 0),
        "huge rating": (body(rating="1e999"), "invalid_field", "data.rating", 0),
        "huge time": (body(created_at="1" + "0" * 400), "invalid_time", "data.created_at", 0),
        "huge negative time": (body(created_at="-" + "9" * 25), "invalid_time", "data.created_at", 0),
        "huge id": (body(id="1" + "0" * 400), "invalid_field", "data.id", 0),
        "huge text": (body(text="1" + "0" * 400), "invalid_field", "data.text", 0),
        "number too long to be read": (body(id=DIGITS), "broken_body", "body", None),
    }
    assert len(letters["2 MB"][0]) > 2_000_000
    return letters


def odd(native):
    """Records that look like trouble and are none: by name, with the native id under which each must route."""
    return {
        "NUL and escapes": native.mention("odd-0", text="a\x00b\x1b[31m\u2028\u202e <script>{{7*7}}</script>"),
        "empty text": native.mention("odd-1", text=""),
        "longest text": native.mention("odd-2", text="ü" * 50_000),
        "Lua and JSON in the id": native.mention('odd-3"}]]\\u0000{sf}:*'),
        "huge followers": native.mention("odd-4", author={"id": "u", "followers": 10**30}),
        "a whole number as id": native.mention(2**63),
        "a time with nanoseconds": native.mention("odd-5", created_at="2026-01-01T00:00:00.123456789Z"),
        "byte order mark": native.envelope("\ufeff" + native.cloud_event("odd-6")),
    }


def listed(surroundings, *options):
    """What `dead-letters list --json` prints, by id."""
    done = surroundings.command("dead-letters", "list", "--json", *options)
    assert done.returncode == 0, done.stderr
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert len({line["dead_letter_id"] for line in lines}) == len(lines)
    return {line["dead_letter_id"]: line for line in lines}


@pytest.fixture
def route(surroundings):
    """Sends records into one partition, so that their offsets are known, and waits until they are at their end."""
    worker = surroundings.worker()

    def send(*values):
        surroundings.send(*values, partition=0)
        surroundings.wait_for(lambda: surroundings.lag() == 0, 40, worker)

    send.worker = worker
    return send


def test_each_poison_is_listed_with_its_place_and_reason_and_the_next_mention_routes(surroundings, native, route):
    letters = poison(native)
    records = []
    for number, (value, *_) in enumerate(letters.values()):
        records += [value, native.mention(f"after-{number}")]
    route(*records)
    assert surroundings.mentions() == {f"after-{number}": 1 for number in range(len(letters))}
    found = listed(surroundings)
    raw = surroundings.topics.raw
    for number, (name, (value, reason, field, item)) in enumerate(letters.items()):
        place = f"{raw}/0/{2 * number}" + ("" if item is None else f"/{item}")
        assert place in found, f"{name}: {[one for one in found if f'/0/{2 * number}' in one]}"
        letter = found.pop(place)
        assert (letter["reason"], letter["field"]) == (reason, field), f"{name}: {letter['detail']}"
        assert letter["origin"] == {"topic": raw, "partition": 0, "offset": 2 * number, "item": item}
        assert letter["size"] == len(value or b"")
        assert letter["redriven_at"] is None
        assert len(letter["detail"]) > 20
        assert "mistake of Silofrei" not in letter["detail"], f"{name}: {letter['detail']}"
        assert "sys." not in letter["detail"], f"{name}: {letter['detail']}"
    assert found == {}
    for number, (name, (value, _, _, item)) in enumerate(letters.items()):
        if name in ("no JSON", "no value", "cut off", "unknown brand", "2 MB", "half a surrogate"):
            place = f"{raw}/0/{2 * number}" + ("" if item is None else f"/{item}")
            assert read_dead_letter(surroundings.settings, place).value == (value or b""), name
    # In German or English, for a terminal: one head line each, and nothing that steers it.
    done = surroundings.command("dead-letters", "list")
    assert done.returncode == 0
    assert sum(line.startswith(f"{raw}/0/") for line in done.stdout.splitlines()) == len(letters)
    assert all(one.isprintable() or one == "\n" for one in done.stdout)
    assert "Traceback" not in route.worker.says()
    assert route.worker.stop(10) == 0


def test_what_only_looks_like_poison_routes(surroundings, native, route):
    records = odd(native)
    route(*records.values())
    assert listed(surroundings) == {}
    assert sum(surroundings.mentions().values()) == len(records)
    assert set(surroundings.mentions().values()) == {1}


def test_a_repaired_dead_letter_becomes_a_ticket_and_a_second_redrive_changes_nothing(
    surroundings, native, route, tmp_path: Path
):
    broken = [native.cloud_event("m0"), native.cloud_event("m1", author=...), native.cloud_event("m2")]
    batch = f"[{','.join(broken)}]"
    route(native.envelope(batch, content_type="application/cloudevents-batch+json"), b"\x00")
    # With a relay, so that the redriven mention is seen on the whole path.
    relay = surroundings.relay()
    place, other = f"{surroundings.topics.raw}/0/0/1", f"{surroundings.topics.raw}/0/1"
    letters = listed(surroundings)
    assert set(letters) == {place, other}
    body = letters[place]["body"]
    assert body == batch

    repaired = json.loads(body)
    repaired[1]["data"]["author"] = {"id": "u9"}
    file = tmp_path / "repaired.json"
    file.write_text(json.dumps(repaired))

    def tickets():
        """Every ticket by the text of its mentions, as the command line shows it."""
        ids = {event["ticket_id"] for event in surroundings.events_on_kafka() if "ticket_id" in event}
        shown = [surroundings.command("show", one, "--json") for one in sorted(ids)]
        assert all(one.returncode == 0 for one in shown)
        return [json.loads(one.stdout) for one in shown]

    def mentions():
        return sorted(one["mention"]["id"].rpartition("/")[2] for ticket in tickets() for one in ticket["mentions"])

    done = surroundings.command("dead-letters", "redrive", place, "--body", str(file))
    assert (done.returncode, done.stderr) == (0, "")
    surroundings.wait_for(lambda: surroundings.lag() == 0 and not surroundings.events(), 30, route.worker)
    assert mentions() == ["m0", "m1", "m2"]
    assert set(listed(surroundings)) == {other}
    assert listed(surroundings, "--all")[place]["redriven_at"]
    events = surroundings.events_on_kafka()

    again = surroundings.command("dead-letters", "redrive", place, "--body", str(file))
    assert again.returncode == 0
    surroundings.wait_for(lambda: surroundings.lag() == 0 and not surroundings.events(), 30, route.worker)
    assert surroundings.events_on_kafka() == events
    assert set(listed(surroundings)) == {other}
    assert relay.stop(10) == 0


def test_redriving_what_cannot_be_says_why(surroundings, native, route, tmp_path: Path):
    route(b"\x00", native.mention("m1", author=...))
    place = f"{surroundings.topics.raw}/0/0"
    file = tmp_path / "body.json"
    file.write_text(native.cloud_event("m0"))
    for arguments, code, said in [
        (["nothing/0/0"], 1, "there is no dead letter nothing/0/0"),
        ([place], 1, "give a whole repaired record"),
        ([place, "--body", str(file)], 1, "none either"),
        ([place, "--body", str(tmp_path / "none")], 2, "No such file"),
        ([place, "--body", str(file), "--channel", "telex"], 2, "telex"),
        ([place, "--body", str(file), "--channel", "cloudevents", "--brand", "nobody"], 2, "nobody"),
    ]:
        done = surroundings.command("dead-letters", "redrive", *arguments)
        assert (done.returncode, done.stdout) == (code, ""), arguments
        assert said in done.stderr
        assert "Traceback" not in done.stderr
    assert len(listed(surroundings)) == 2
    assert surroundings.mentions() == {}

    done = surroundings.command(
        "dead-letters", "redrive", place, "--body", str(file), "--channel", "cloudevents", "--brand", "demo"
    )
    assert done.returncode == 0
    surroundings.wait_for(lambda: surroundings.mentions() == {"m0": 1}, 20, route.worker)
    # Unrepaired it dies once more, at its new place.
    done = surroundings.command("dead-letters", "redrive", f"{surroundings.topics.raw}/0/1/0")
    assert done.returncode == 0
    surroundings.wait_for(lambda: surroundings.lag() == 0, 20, route.worker)
    (letter,) = listed(surroundings).values()
    assert letter["reason"] == "missing_field"
    assert letter["dead_letter_id"] != f"{surroundings.topics.raw}/0/1/0"
