"""The Lua scripts of this package, read once and named by their SHA-1.

A line `--@include NAME` of a script is replaced by lua/NAME.lua; a name with a leading underscore is such a part.
"""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from importlib.resources import files
from typing import Any, Protocol

Argument = bytes | str | int


@dataclass(frozen=True, slots=True)
class Script:
    """One script: its name, its whole text and the SHA-1 by which Redis knows it."""

    name: str
    text: bytes
    sha: str


class Runner(Protocol):
    """What the queue needs of a Redis; client.py has it. Every method raises `Unavailable` when Redis is away."""

    async def run(self, name: str, keys: Sequence[str], arguments: Sequence[Argument], *, durable: bool = False) -> Any:
        """The reply of the script `name`; with `durable`, only when the write is as safe as the settings ask for."""

    async def call(self, *command: Argument) -> Any:
        """The reply of one command."""

    async def time(self) -> datetime:
        """The server's clock."""

    async def durability_problems(self) -> list[str]:
        """What in the server's options does not keep what the settings promise, each with its fix."""

    async def close(self) -> None:
        """Close all connections."""


@cache
def script(name: str) -> Script:
    """The script lua/`name`.lua with its includes."""
    text = re.sub(r"^--@include (\w+)$", lambda match: _text(match[1]), _text(name), flags=re.MULTILINE).encode()
    return Script(name, text, hashlib.sha1(text, usedforsecurity=False).hexdigest())


def script_names() -> list[str]:
    """All scripts, without the parts that they include."""
    names = [entry.name for entry in (files(__package__) / "lua").iterdir()]
    return sorted(name.removesuffix(".lua") for name in names if name.endswith(".lua") and not name.startswith("_"))


def _text(name: str) -> str:
    return (files(__package__) / "lua" / f"{name}.lua").read_text(encoding="utf-8")
