"""The training texts, and which of them training never sees."""

import hashlib
import json
import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from importlib.resources import files
from typing import NamedTuple

from silofrei.schemas.names import Label, Language, Sentiment

HELD_OUT = 10
"""One text in so many is held out."""
SHINGLE = 3
"""Words in a row by which two texts are compared."""
COMMON = 50
"""A row of words that more texts have says nothing about two of them."""


class Row(NamedTuple):
    """One text with the department that must act first, and those that should see it too.

    `origin` says with which others it was written or collected: such texts have more in common than their label. `mood`
    and `urgent` (somebody has to look today) are None where nobody judged them; nobody asked for `secondary` then.
    """

    text: str
    label: Label
    secondary: tuple[Label, ...]
    language: Language
    origin: str = ""
    mood: Sentiment | None = None
    urgent: bool | None = None

    @property
    def held_out(self) -> bool:
        """Whether training never sees it; hangs on the text alone, so it stays so when others join."""
        return hashlib.sha256(self.text.encode()).digest()[0] % HELD_OUT == 0


def load_corpus() -> list[Row]:
    """All texts, German first."""
    folder = files("silofrei.routing.classifier") / "corpus"
    return [
        row
        for language in (Language.GERMAN, Language.ENGLISH)
        for row in parse_rows((folder / f"{language.value}.jsonl").read_text(encoding="utf-8").splitlines(), language)
    ]


def parse_rows(lines: Iterable[str], language: Language | None = None) -> list[Row]:
    """Labelled texts from JSON lines {"text","label","secondary","lang"?,"origin"?,"mood"?,"urgent"?}.

    Args:
        lines: the lines.
        language: of all of them; None where each line says its own in `lang`.
    """
    rows = []
    for line in lines:
        item = json.loads(line)
        secondary = tuple(Label(name) for name in item.get("secondary", ()))
        rows.append(
            Row(
                item["text"],
                Label(item["label"]),
                secondary,
                language or Language(item["lang"]),
                item.get("origin", ""),
                Sentiment(item["mood"]) if "mood" in item else None,
                item.get("urgent"),
            )
        )
    return rows


def near_repeats(texts: Sequence[str], overlap: float = 0.5) -> list[tuple[int, int]]:
    """Pairs of texts that are the same but for signs and case, or that share most of their rows of three words.

    Args:
        texts: all texts.
        overlap: least share of common rows, of all rows of both.

    Returns:
        Pairs of places, the smaller one first, in order.
    """
    rows = [_shingles(text) for text in texts]
    where = defaultdict(list)
    for number, own in enumerate(rows):
        for row in own:
            where[row].append(number)
    shared: dict[tuple[int, int], int] = defaultdict(int)
    for places in where.values():
        if len(places) <= COMMON:
            for last, second in enumerate(places):
                for first in places[:last]:
                    shared[first, second] += 1
    return sorted(pair for pair, count in shared.items() if count >= overlap * len(rows[pair[0]] | rows[pair[1]]))


def _shingles(text: str) -> set[tuple[str, ...]]:
    words = re.findall(r"\w+", text.lower())
    if len(words) < SHINGLE:
        return {tuple(words)} if words else {(text,)}
    return {tuple(words[start : start + SHINGLE]) for start in range(len(words) - SHINGLE + 1)}
