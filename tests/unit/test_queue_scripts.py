"""The scripts' files: each has its shebang, key map and contract; their numbers are those of the enums."""

import re
from pathlib import Path

import pytest

from silofrei.routing.queue.codes import ApplyCode, RefusalCode
from silofrei.routing.queue.scripts import script, script_names

LUA = Path(__file__).parents[2] / "routing" / "queue" / "lua"
TRANSITIONS = {"open_or_append", "claim", "extend", "release", "transfer", "resolve", "reap"}


def test_there_is_one_script_for_each_transition() -> None:
    assert set(script_names()) >= TRANSITIONS


@pytest.mark.parametrize("name", script_names())
def test_a_script_opens_with_its_contract(name: str) -> None:
    lines = (LUA / f"{name}.lua").read_text(encoding="utf-8").splitlines()
    assert lines[0].split()[0] == "#!lua"
    assert lines[1].startswith(f"-- {name}: ")
    head = "\n".join(line for line in lines if line.startswith("--"))
    for part in ("Keys:", "Arguments:", "Reads:", "Writes:", "Returns:"):
        assert re.search(rf"^-- {part}\s+\S", head, re.MULTILINE), f"{name}.lua does not say its {part}"


@pytest.mark.parametrize("name", script_names())
def test_includes_are_resolved_and_the_shebang_stays_first(name: str) -> None:
    text = script(name).text
    assert text.startswith(b"#!lua")
    assert b"\n--@include" not in text


@pytest.mark.parametrize("name", script_names())
def test_codes_of_the_scripts_are_those_of_the_enums(name: str) -> None:
    known = {code.name: code.value for code in (*ApplyCode, *RefusalCode)}
    text = script(name).text.decode()
    found = 0
    for names, values in re.findall(r"^local ((?:[A-Z_]+, )*[A-Z_]+) = ((?:-?\d+, )*-?\d+)$", text, re.MULTILINE):
        for code, value in zip(names.split(", "), values.split(", "), strict=True):
            if code != "WIDTH":
                assert known[code] == int(value), f"{name}.lua: {code}"
                found += 1
    assert found or b"_ticket" not in (LUA / f"{name}.lua").read_bytes()


def test_refusals_are_negative_and_answers_are_not() -> None:
    assert all(code < 0 for code in RefusalCode)
    assert all(code > 0 for code in ApplyCode)


def test_what_empties_a_full_memory_is_allowed_then_and_nothing_else() -> None:
    allowed = {name for name in script_names() if b"allow-oom" in script(name).text.split(b"\n", 1)[0]}
    assert allowed == {"relay_acquire", "relay_renew", "relay_release"}
