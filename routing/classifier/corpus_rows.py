"""The training texts, and which of them training never sees."""

import hashlib
import json
from collections.abc import Iterable
from importlib.resources import files
from typing import NamedTuple

from silofrei.schemas.names import Label, Language

HELD_OUT = 10
"""One text in so many is held out."""


class Row(NamedTuple):
    """One text with the department that must act first, and those that should see it too."""

    text: str
    label: Label
    secondary: tuple[Label, ...]
    language: Language

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
    """Labelled texts from JSON lines {"text","label","secondary","lang"?}.

    Args:
        lines: the lines.
        language: of all of them; None where each line says its own in `lang`.
    """
    rows = []
    for line in lines:
        item = json.loads(line)
        secondary = tuple(Label(name) for name in item.get("secondary", ()))
        rows.append(Row(item["text"], Label(item["label"]), secondary, language or Language(item["lang"])))
    return rows
