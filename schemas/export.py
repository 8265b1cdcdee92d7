"""The contracts as JSON Schema, and what would break a reader of the last published version.

The contracts are closed (`extra="forbid"`), so a reader of the last version refuses a record with a field, a type or
an enum value that it does not know. A contract may therefore change only together with its version `v`; the
published schemas in schemas/published are what the readers out there have.
"""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, TypeAdapter

from silofrei.schemas.classification import Classification
from silofrei.schemas.config import Config
from silofrei.schemas.dead_letter import DEAD_LETTER_RECORD
from silofrei.schemas.decision import DiscardDecision, RoutingDecision
from silofrei.schemas.delivery import RawDelivery
from silofrei.schemas.event import TICKET_EVENT
from silofrei.schemas.mention import Mention, MentionChange
from silofrei.schemas.ticket import Ticket

_ADAPTERS: Mapping[str, TypeAdapter[Any]] = {
    "raw-delivery": TypeAdapter(RawDelivery),
    "mention": TypeAdapter(Mention),
    "mention-change": TypeAdapter(MentionChange),
    "classification": TypeAdapter(Classification),
    "routing-decision": TypeAdapter(RoutingDecision),
    "discard-decision": TypeAdapter(DiscardDecision),
    "ticket": TypeAdapter(Ticket),
    "ticket-event": TICKET_EVENT,
    "dead-letter-record": DEAD_LETTER_RECORD,
    "config": TypeAdapter(Config),
}

_PROSE = {"title", "description", "examples"}
_LEFT_OUT = {"config"}
"""A person writes it and an error explains itself, so it may grow without a new version."""


def json_schemas() -> dict[str, dict[str, Any]]:
    """JSON Schema (draft 2020-12) of each contract by name."""
    return {
        name: {
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            **adapter.json_schema(mode="validation" if name == "config" else "serialization"),
        }
        for name, adapter in _ADAPTERS.items()
    }


def write_schemas(folder: Path) -> list[Path]:
    """Write one `<name>.json` per contract into `folder`, which is created; returns their paths.

    Raises:
        OSError: the folder cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for name, schema in json_schemas().items():
        path = folder / f"{name}.json"
        path.write_text(json.dumps(schema, indent=2, sort_keys=True, ensure_ascii=False) + "\n", encoding="utf-8")
        paths.append(path)
    return paths


def read_record(name: str, text: str | bytes) -> BaseModel:
    """The record of contract `name` in JSON `text`.

    Raises:
        KeyError: no such contract.
        pydantic.ValidationError: the record does not keep the contract.
    """
    record: BaseModel = _ADAPTERS[name].validate_json(text)
    return record


def breaking_changes(published: Mapping[str, Any], current: Mapping[str, Any]) -> list[str]:
    """What a reader of `published` would refuse in records written by `current`; empty where nothing would break.

    Args:
        published: JSON Schema of the last published version of a contract.
        current: JSON Schema of the same contract as it is now.
    """
    return list(_differences("", _resolved(published, published), _resolved(current, current)))


def must_not_change() -> list[str]:
    """Names of the contracts that are read by other programs."""
    return [name for name in _ADAPTERS if name not in _LEFT_OUT]


def _resolved(node: Any, root: Mapping[str, Any]) -> Any:
    if isinstance(node, dict):
        if "$ref" in node:
            return _resolved(root["$defs"][node["$ref"].rpartition("/")[2]], root)
        return {
            key: _named(value, root) if key == "properties" else _resolved(value, root)
            for key, value in node.items()
            if key not in _PROSE and key not in ("$defs", "$schema", "discriminator", "default")
        }
    if isinstance(node, list):
        return [_resolved(value, root) for value in node]
    return node


def _named(properties: Mapping[str, Any], root: Mapping[str, Any]) -> dict[str, Any]:
    """Properties by name: here 'title' or 'default' is somebody's field, not a keyword of JSON Schema."""
    return {name: _resolved(value, root) for name, value in properties.items()}


def _differences(where: str, old: Any, new: Any) -> Iterator[str]:
    at = where or "the contract"
    if isinstance(old, dict) and isinstance(new, dict):
        old_fields, new_fields = old.get("properties", {}), new.get("properties", {})
        for name in sorted(old_fields.keys() | new_fields.keys()):
            path = f"{where}.{name}" if where else name
            if name not in new_fields:
                if name in old.get("required", ()):
                    yield f"{path}: was removed; readers require it"
            elif name not in old_fields:
                yield f"{path}: is new; readers refuse unknown fields"
            else:
                yield from _differences(path, old_fields[name], new_fields[name])
        for key in ("enum", "anyOf", "oneOf"):
            known = old.get(key, [])
            unknown = [value for value in new.get(key, []) if value not in known]
            if unknown and known and key == "enum":
                yield f"{at}: has new values {unknown}; readers know only {known}"
            elif key != "enum" and (unknown or len(known) > len(new.get(key, []))):
                yield from _alternatives(at, known, new.get(key, []))
        ignored = {"properties", "required", "enum", "anyOf", "oneOf"}
        for key in sorted((old.keys() | new.keys()) - ignored):
            if old.get(key) != new.get(key):
                if key == "items":
                    yield from _differences(f"{where}[]", old.get(key), new.get(key))
                else:
                    yield f"{at}: {key} changed from {old.get(key)!r} to {new.get(key)!r}"
    elif old != new:
        yield f"{at}: changed from {old!r} to {new!r}"


def _alternatives(at: str, old: list[Any], new: list[Any]) -> Iterator[str]:
    known = {_kind(value): value for value in old}
    for value in new:
        kind = _kind(value)
        if kind not in known:
            yield f"{at}: may now be {kind}; readers do not know that"
        else:
            yield from _differences(f"{at}<{kind}>", known[kind], value)


def _kind(node: Any) -> str:
    """A name for one alternative: the constant that tells it from the others, or its type."""
    if isinstance(node, dict):
        for tag in ("type", "change", "action"):
            constant = node.get("properties", {}).get(tag, {}).get("const")
            if constant is not None:
                return str(constant)
        return str(node.get("type", sorted(node)))
    return str(node)
