"""The contracts: closed, frozen, versioned, and no change breaks a reader of the last version."""

import json
from copy import deepcopy
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from silofrei.schemas.delivery import RawDelivery, wrap_body
from silofrei.schemas.export import breaking_changes, json_schemas, must_not_change, read_record, write_schemas
from silofrei.schemas.mention import Author, Mention
from silofrei.schemas.names import Channel, MentionKind

PUBLISHED = Path(__file__).parents[2] / "schemas" / "published"
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


def mention(**changes: Any) -> Mention:
    values: dict[str, Any] = {
        "id": "x:1",
        "brand": "demo",
        "channel": Channel.X,
        "kind": MentionKind.POST,
        "author": Author(id="7"),
        "text": "Zug fällt aus",
        "created_at": NOW,
        "received_at": NOW,
        "thread_id": "x:1",
    }
    return Mention(**{**values, **changes})


@pytest.mark.parametrize("name", must_not_change())
def test_no_change_breaks_a_reader_of_the_last_version(name: str) -> None:
    published = json.loads((PUBLISHED / f"{name}.json").read_text(encoding="utf-8"))
    assert breaking_changes(published, json_schemas()[name]) == [], (
        f"{name} changed for its readers: give it a new version `v`, let readers take both, then publish with "
        "`silofrei schemas schemas/published`"
    )


@pytest.mark.parametrize("line", (PUBLISHED / "examples.jsonl").read_text(encoding="utf-8").splitlines())
def test_a_record_of_the_last_version_is_still_read(line: str) -> None:
    example = json.loads(line)
    record = read_record(example["contract"], json.dumps(example["record"]))
    assert json.loads(record.model_dump_json()) == example["record"]


def test_a_transfer_of_before_misrouted_is_still_read() -> None:
    before = {
        "v": 1, "type": "ticket.transferred", "event_id": "t-1:3", "brand": "demo", "at": "2026-03-01T12:00:00Z",
        "ticket_id": "t-1", "seq": 3, "department": "hr", "holder": "anna", "from_department": "pr", "reason": "x",
    }  # fmt: skip
    assert read_record("ticket-event", json.dumps(before)).model_dump()["misrouted"] is False


def changed(edit: Any) -> list[str]:
    published = json_schemas()["mention"]
    current = deepcopy(published)
    edit(current)
    return breaking_changes(published, current)


def test_a_new_field_is_seen() -> None:
    assert changed(lambda schema: schema["properties"].update(mood={"type": "string"})) == [
        "mood: is new; readers refuse unknown fields"
    ]


def test_a_removed_field_is_seen() -> None:
    def remove(schema: dict[str, Any]) -> None:
        del schema["properties"]["author"]

    assert changed(remove) == ["author: was removed; readers require it"]


def test_a_new_enum_value_is_seen() -> None:
    (problem,) = changed(lambda schema: schema["$defs"]["Channel"]["enum"].append("myspace"))
    assert problem.startswith("channel: has new values ['myspace']")


def test_a_changed_type_is_seen() -> None:
    problems = changed(lambda schema: schema["$defs"]["Author"]["properties"].update(id={"type": "integer"}))
    assert "author.id: type changed from 'string' to 'integer'" in problems


def test_a_new_kind_of_event_is_seen() -> None:
    published = json_schemas()["ticket-event"]
    current = deepcopy(published)
    current["oneOf"].append({"type": "object", "properties": {"type": {"const": "ticket.sold"}}})
    assert breaking_changes(published, current) == ["the contract: may now be ticket.sold; readers do not know that"]


def test_prose_may_change() -> None:
    assert changed(lambda schema: schema.update(description="Better words.")) == []


def test_schemas_are_written(tmp_path: Path) -> None:
    paths = write_schemas(tmp_path / "new")
    assert {path.stem for path in paths} == set(json_schemas())
    assert json.loads(paths[0].read_text(encoding="utf-8"))["$schema"].endswith("2020-12/schema")


@pytest.mark.parametrize(
    ("changes", "field", "words"),
    [
        ({"text": "a\ud800b"}, "text", "lone surrogate at character 1"),
        ({"created_at": datetime(1, 1, 1, tzinfo=UTC)}, "created_at", "before 2000"),
        ({"created_at": datetime(2026, 1, 1)}, "created_at", "timezone"),  # noqa: DTZ001  # the mistake under test
        ({"text": "x" * 50_001}, "text", "50000"),
        ({"id": "x: 1"}, "id", "pattern"),
        ({"mood": "good"}, "mood", "Extra"),
        ({"brand": "De mo"}, "brand", "pattern"),
    ],
)
def test_a_wrong_field_is_named(changes: dict[str, Any], field: str, words: str) -> None:
    with pytest.raises(ValidationError) as caught:
        mention(**changes)
    (problem,) = caught.value.errors()
    assert problem["loc"] == (field,)
    assert words in problem["msg"]


def test_moments_are_utc() -> None:
    parsed = mention(created_at="2026-03-01T13:00:00+01:00")
    assert parsed.created_at == NOW
    assert parsed.created_at.tzinfo == UTC


def test_contracts_are_frozen() -> None:
    with pytest.raises(ValidationError):
        mention().text = "other"  # type: ignore[misc]  # the mistake under test


@pytest.mark.parametrize("body", [b"", b'{"a": "\xc3\xbc"}', b'{"a":"\\ud800"}', b"\xff\xfe\x00", "ß€😀".encode()])
def test_a_delivery_keeps_its_bytes(body: bytes) -> None:
    text, encoding = wrap_body(body)
    delivery = RawDelivery(
        delivery_id="d1",
        brand="demo",
        channel="x",
        connector="file",
        received_at=NOW,
        body=text,
        body_encoding=encoding,
    )
    assert RawDelivery.model_validate_json(delivery.model_dump_json()).raw_body() == body
