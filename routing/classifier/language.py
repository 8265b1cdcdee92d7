"""Which language a text is in: German, English, another one, or none that can be told.

Word frequencies of the training texts, German against English, decide (docs/decisions/0005-language-detection.md). A
text in a script of another kind, or with too few words that either language knows, is `other`.
"""

import re
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from silofrei.routing.classifier.text import Batch, Hashes
from silofrei.schemas.names import Language

KNOWN_SHARE = 0.34
"""Least share of words that German or English must know."""
ENOUGH_WORDS = 3
"""From so many words on, knowing none of them says something."""
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
        return [
            _decide(originals[number], int(counts[number]), hits[number], sums[number], declared[number])
            for number in range(texts.size)
        ]


def _decide(text: str, words: int, known: float, odds: float, declared: str | None) -> Language:
    if not words:
        return Language.UNDETERMINED
    if not text.isascii():
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
