"""Which language a text is in: German, English, another one, or none that can be told.

A naive Bayes model over words: those of the training texts and of the lexicon for German and English, the commonest
function words for 30 other languages (docs/decisions/0005-language-detection.md). A word that no list has speaks for
another language, and one in another script does so loudly.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from silofrei.routing.classifier.hashing import Words, find
from silofrei.routing.classifier.text import Batch, Hashes
from silofrei.schemas.names import Language

LANGUAGES = (Language.GERMAN, Language.ENGLISH, Language.OTHER)
PRIOR = np.log((0.47, 0.47, 0.06))
"""Most texts of a German or English company's channels are in one of these two."""
UNKNOWN = np.log((0.15, 0.10, 0.60))
"""How likely a word is that no list has."""
OTHER_SCRIPT = np.log((0.0002, 0.0002, 0.30))
"""How likely a word is that begins with a letter from beyond the Latin script."""
DECLARED = 2.0
"""What the channel's declaration is worth, in log odds; it is often the language of the app, not of the text."""
ENOUGH = 2.0
"""Least lead, in log odds, of the best language over the next."""
_LATIN = 0x024F

Odds = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class LanguageModel:
    """Words by hash.

    Attributes:
        hashes: (words,) sorted.
        odds: (words, 3) log likelihood of each word in German, English and the other languages.
    """

    hashes: Hashes
    odds: Odds

    def scores(self, texts: Batch, words: Words, declared: Sequence[str | None]) -> Odds:
        """(texts, 3) log likelihood of each language."""
        places = find(self.hashes, words.hashes)
        odds = np.where((places >= 0)[:, None], self.odds[places], UNKNOWN)
        odds[texts.codes[texts.token_starts] > _LATIN] = OTHER_SCRIPT
        scores = np.empty((texts.size, len(LANGUAGES)))
        for column in range(len(LANGUAGES)):
            scores[:, column] = np.bincount(texts.token_text, weights=odds[:, column], minlength=texts.size)
        scores += PRIOR
        for number, tag in enumerate(declared):
            if tag is not None and (language := _declared(tag)) is not None:
                scores[number, LANGUAGES.index(language)] += DECLARED
        return scores


def decide(scores: Odds, texts: Batch, declared: Sequence[str | None]) -> list[Language]:
    """The language of each text; where the text says too little, the declared one, else none.

    Args:
        scores: of `LanguageModel.scores`.
        texts: the batch.
        declared: BCP 47 tag of each text, or None.
    """
    ranked = np.sort(scores, axis=1)
    clear = (ranked[:, -1] - ranked[:, -2] >= ENOUGH).tolist()
    best = scores.argmax(axis=1).tolist()
    silent = (np.bincount(texts.token_text, minlength=texts.size) == 0).tolist()
    found = []
    for number, tag in enumerate(declared):
        if silent[number]:
            found.append(Language.UNDETERMINED)
        elif clear[number]:
            found.append(LANGUAGES[best[number]])
        else:
            found.append((_declared(tag) if tag else None) or Language.UNDETERMINED)
    return found


def _declared(tag: str) -> Language | None:
    """What a BCP 47 tag says; None where it says nothing."""
    main = tag.replace("_", "-").partition("-")[0].strip().lower()
    if main in ("", "und", "mul", "zxx", "mis"):
        return None
    return Language(main) if main in (Language.GERMAN.value, Language.ENGLISH.value) else Language.OTHER
