"""What may not be used in streams/: it loses records, see docs/decisions."""

import ast
from pathlib import Path

import pytest

STREAMS = Path(__file__).parents[2] / "streams"
BANNED_CALLS = {
    "take": "acknowledges a batch that raised",
    "take_events": "acknowledges a batch that raised",
    "take_with_timestamp": "acknowledges a batch that raised",
    "noack_take": "strands the batch when the agent crashes, and its own end hangs",
    "send_soon": "may lose what it was given",
}
BANNED_NAMES = {"Table": "its recovery leaves gaps in the acks", "GlobalTable": "as Table"}
LEDGER = {"take"}
"""`OffsetLedger.take` is our own and no stream's."""


def uses(source):
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            receiver = ast.unparse(node.func.value)
            if node.func.attr in BANNED_CALLS and not (node.func.attr in LEDGER and receiver.endswith("ledger")):
                yield node.lineno, node.func.attr
            if node.func.attr in BANNED_NAMES:
                yield node.lineno, node.func.attr
        if isinstance(node, ast.keyword) and node.arg == "processing_guarantee":
            guarantee = getattr(node.value, "value", None)
            yield from [] if guarantee == "at_least_once" else [(node.value.lineno, "processing_guarantee")]


@pytest.mark.parametrize("path", sorted(STREAMS.rglob("*.py")), ids=lambda path: str(path.relative_to(STREAMS)))
def test_nothing_in_streams_uses_what_loses_records(path):
    assert list(uses(path.read_text(encoding="utf-8"))) == []


@pytest.mark.parametrize(
    "source",
    [
        "async for batch in stream.take(500, within=1): pass",
        "async for batch in stream.noack().noack_take(500, within=1): pass",
        "async for batch in stream.take_events(500, within=1): pass",
        "app.Table('counts')",
        "faust.App('x', processing_guarantee='exactly_once')",
        "topic.send_soon(value=1)",
    ],
)
def test_the_ban_finds_them(source):
    tree = f"async def agent(stream):\n    {source}"
    assert len(list(uses(tree))) == 1


def test_our_own_ledger_may_take():
    assert list(uses("self.consumer.ledger.take(fetch)")) == []
