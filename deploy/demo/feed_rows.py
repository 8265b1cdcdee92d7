"""The rows of the sample feed: what people of a made-up company's public say within ten minutes.

Owns: the form of the files in texts/ and who the authors are. Refuses: native payloads (feed_shapes.py). A row is
`time | channel | kind | author | language | marks | text`; the files say more at their top.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from silofrei.schemas.names import Channel

COMPANY = "@"
"""Author of the company's own posts."""

CREATED = frozenset({"post", "comment", "message", "review", "article"})
QUIET = frozenset({"like", "read", "react"})
_CHANNELS = {
    "fb": Channel.FACEBOOK,
    "ig": Channel.INSTAGRAM,
    "x": Channel.X,
    "ma": Channel.MASTODON,
    "tp": Channel.TRUSTPILOT,
    "ce": Channel.CLOUDEVENTS,
}
_STORIES = ("rides", "shop", "jobs", "news", "chatter", "outage", "changes", "poison")


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the feed; `at` is seconds after the start, `order` tells rows apart."""

    order: int
    story: str
    at: float
    channel: Channel
    kind: str
    author: str
    language: str | None
    marks: Mapping[str, str]
    text: str

    @property
    def is_mention(self) -> bool:
        """Whether a person outside the company says something new here, readably."""
        return self.kind in CREATED and self.author != COMPANY and "break" not in self.marks


@dataclass(frozen=True, slots=True)
class Person:
    """An author as a channel shows them."""

    handle: str
    name: str
    followers: int
    number: str


@cache
def rows() -> tuple[Row, ...]:
    """All rows, in the order of their times."""
    found: list[Row] = []
    for story in _STORIES:
        for line in _lines(story):
            at, channel, kind, author, language, marks, text = line.split(" | ", 6)
            minutes, _, seconds = at.partition(":")
            found.append(
                Row(
                    order=len(found),
                    story=story,
                    at=int(minutes) * 60 + float(seconds),
                    channel=_CHANNELS[channel],
                    kind=kind,
                    author=author,
                    language=None if language == "-" else language,
                    marks=dict(mark.split("=", 1) for mark in marks.split()) if marks != "-" else {},
                    text="" if text == "-" else text.replace("\\n", "\n").replace(" // ", "\n\n", 1),
                )
            )
    return tuple(sorted(found, key=lambda row: row.at))


@cache
def by_id() -> Mapping[str, Row]:
    """The rows that others refer to."""
    return {row.marks["id"]: row for row in rows() if "id" in row.marks}


def target(row: Row) -> Row | None:
    """The row that this one answers, changes or repeats."""
    name = row.marks.get("re")
    return by_id()[name] if name else None


def root(row: Row) -> Row:
    """The row with which this one's conversation began."""
    answered = target(row)
    return row if answered is None else root(answered)


def person(row: Row) -> Person:
    """Who wrote the row; the same author has the same number on a channel, in every run."""
    digest = hashlib.sha256(f"{row.channel.value}:{row.author}".encode()).digest()
    handle = row.author.rpartition(":")[2]
    name, followers = _known().get(handle, (handle.partition("@")[0].replace("_", " ").title(), 5 + digest[0] * 3))
    return Person(handle, name, followers, str(int.from_bytes(digest[:6], "big") + 10**14))


@cache
def _known() -> Mapping[str, tuple[str, int]]:
    found = {}
    for line in _lines("authors"):
        handle, name, followers = line.split(" | ")
        found[handle] = (name, int(followers))
    return found


def _lines(name: str) -> list[str]:
    text = (files("silofrei.deploy.demo") / "texts" / f"{name}.txt").read_text(encoding="utf-8")
    return [line for line in text.splitlines() if line and not line.startswith("#")]
