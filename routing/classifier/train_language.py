"""The language model's words: counted in the training texts and the lexicon, listed for the other languages."""

from collections.abc import Sequence
from importlib.resources import files

import numpy as np

from silofrei.routing.classifier.corpus_rows import Row
from silofrei.routing.classifier.hashing import Words, find
from silofrei.routing.classifier.language import UNKNOWN, LanguageModel
from silofrei.routing.classifier.lexicon import read_terms
from silofrei.routing.classifier.text import Hashes, batch, fold
from silofrei.schemas.names import Language

LISTED = 0.4
"""How often a word of the lexicon counts that no training text has."""
SMOOTH = 0.02
FOREIGN = 25.0
"""How often each listed function word of another language counts."""
FOREIGN_SMOOTH = 0.5
"""The same for a word of German or English: many of them exist elsewhere, or are borrowed."""


def train_language(rows: Sequence[Row]) -> LanguageModel:
    """The words of the languages by hash."""
    terms = read_terms()
    texts = {
        language: _hashes([row.text for row in rows if row.language is language])
        for language in (Language.GERMAN, Language.ENGLISH)
    }
    listed = {language: np.unique(_hashes(list(terms[language]))) for language in texts}
    foreign, times = np.unique(_foreign(), return_counts=True)
    hashes = np.unique(np.concatenate([*texts.values(), *listed.values(), foreign]))

    counts = np.zeros((len(hashes), 3))
    for column, language in enumerate(texts):
        found, often = np.unique(texts[language], return_counts=True)
        counts[find(hashes, found), column] = often
        listed_at = find(hashes, listed[language])
        counts[listed_at, column] = np.maximum(counts[listed_at, column], LISTED)
    # A word of several languages is commoner in texts of `other` than one of a single one.
    counts[find(hashes, foreign), 2] = FOREIGN * times
    counts += (SMOOTH, SMOOTH, FOREIGN_SMOOTH)
    odds = np.log(counts / counts.sum(axis=0)) + np.log1p(-np.exp(UNKNOWN))
    return LanguageModel(hashes, odds.astype(np.float16).astype(np.float64))


def _hashes(texts: list[str]) -> Hashes:
    return Words(batch([fold(text).text for text in texts])).hashes


def _foreign() -> Hashes:
    text = (files("silofrei.routing.classifier") / "hints" / "function_words.tsv").read_text(encoding="utf-8")
    # A list may name a word twice; it counts once per language.
    return np.concatenate([np.unique(_hashes([line.partition("\t")[2]])) for line in text.splitlines()])
