"""Which language a text is in: German, English, another one, or none that can be told.

Word frequencies of the training texts, German against English, decide (docs/decisions/0005-language-detection.md). A
text in a script of another kind, with too few words that either language knows, or with more function words of other
languages than of these two, is `other`.
"""

import re
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files

import numpy as np
from numpy.typing import NDArray

from silofrei.routing.classifier.hashing import Words
from silofrei.routing.classifier.text import Batch, Hashes, batch, fold
from silofrei.schemas.names import Language

KNOWN_SHARE = 0.34
"""Least share of words that German or English must know."""
ENOUGH_WORDS = 3
"""From so many words on, knowing none of them says something."""
FOREIGN_WORDS = 2
"""From so many more function words of other languages than of German and English on, it is another language."""
_FOREIGN = re.compile(r"[^\W\d_\u0041-\u024f]")
"""A letter outside of the Latin script."""


@dataclass(frozen=True, slots=True)
class LanguageModel:
    """Words by hash: log odds of German against English, positive for German."""

    hashes: Hashes
    odds: NDArray[np.float32]

    def detect(self, texts: Batch, hashes: Hashes, originals: list[str], declared: list[str | None]) -> list[Language]:
        """The language of each text; a declared one decides only where the text itself says nothing."""
        places = np.minimum(np.searchsorted(self.hashes, hashes), len(self.hashes) - 1)
        known = self.hashes[places] == hashes
        odds = np.where(known, self.odds[places], 0.0)
        counts = np.bincount(texts.token_text, minlength=texts.size)
        hits = np.bincount(texts.token_text, weights=known, minlength=texts.size)
        sums = np.bincount(texts.token_text, weights=odds, minlength=texts.size)
        ours, others = function_words()
        foreign = np.bincount(
            texts.token_text, weights=1.0 * np.isin(hashes, others) - np.isin(hashes, ours), minlength=texts.size
        )
        return [
            _decide(*row)
            for row in zip(
                originals, counts.tolist(), hits.tolist(), sums.tolist(), foreign.tolist(), declared, strict=True
            )
        ]


@lru_cache(maxsize=1)
def function_words() -> tuple[Hashes, Hashes]:
    """Hashes of the function words of German and English, and of those of other languages alone."""
    text = (files("silofrei.routing.classifier") / "hints" / "function_words.tsv").read_text(encoding="utf-8")
    lists = dict(line.split("\t") for line in text.splitlines())
    ours, others = (
        Words(batch([fold(words).text])).hashes for words in (f"{lists['de']} {lists['en']}", lists["other"])
    )
    return ours, np.setdiff1d(others, ours)


def _decide(text: str, words: int, known: float, odds: float, foreign: float, declared: str | None) -> Language:
    if not words:
        return Language.UNDETERMINED
    if foreign >= FOREIGN_WORDS:
        return Language.OTHER
    if not text.isascii() and _FOREIGN.search(text[:2000]):
        foreign = len(_FOREIGN.findall(text[:2000]))
        if foreign > sum(letter.isalpha() for letter in text[:2000]) / 2:
            return Language.OTHER
    if known < words * KNOWN_SHARE:
        return Language.OTHER if words >= ENOUGH_WORDS else _declared(declared)
    if abs(odds) < 0.5:
        return _declared(declared)
    return Language.GERMAN if odds > 0 else Language.ENGLISH


def _declared(tag: str | None) -> Language:
    main = (tag or "").partition("-")[0].lower()
    if main in (Language.GERMAN.value, Language.ENGLISH.value):
        return Language(main)
    return Language.UNDETERMINED if main in ("", "und") else Language.OTHER
