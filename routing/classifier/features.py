"""What the linear model sees of a text: hashed n-grams and words, figures from the hint lexicon, and its style.

The n-gram part of a text has length 1 (each occurrence counts as much as it is rare); the dense part is scaled to stand
beside it. Everything is computed for a whole batch.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from silofrei.routing.classifier.concepts import CONCEPTS, MOST_CONCEPTS
from silofrei.routing.classifier.hashing import Buckets, Words, buckets, ngrams
from silofrei.routing.classifier.lexicon import LABELS, Hits, Lexicon
from silofrei.routing.classifier.style import STYLES, style
from silofrei.routing.classifier.text import Batch, Flags, Places

BITS = 16
"""Buckets are 2 to the power of this."""
ORDERS = (3, 5)
"""Lengths of the n-grams."""
HINTED = 3 * len(LABELS) + 2
"""Figures from the lexicon: per label the sum over the root of the words, the largest, the share; hits and words."""
DENSE = HINTED + len(CONCEPTS) + STYLES
WORD_BITS = 18
"""Buckets of whole words for naive Bayes; more, since each is to be one word's."""
SCALE = np.float32(0.3)
"""Of the dense figures beside an n-gram part of length 1 (docs/decisions/0004-classifier.md)."""
_WORD = 1
RANKS = np.linspace(1, 0, MOST_CONCEPTS, endpoint=False, dtype=np.float32) / 0.6
"""What the first, second, ... concept of a term counts, beside the hints."""

Figures = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Features:
    """The features of a batch.

    Attributes:
        grams: per order, the bucket at each position of the batch; 0 is none.
        words: bucket of each word among the n-grams.
        whole: bucket of each word among words.
        dense: lexicon and style figures, one row a text.
        hits: what the lexicon knows.
        largest: (texts, labels) the largest hint.
    """

    grams: list[Buckets]
    words: Buckets
    whole: Buckets
    dense: Figures
    hits: Hits
    largest: Figures


def extract(texts: Batch, words: Words, lexicon: Lexicon, english: Flags) -> Features:
    """The features of these texts.

    Args:
        texts: the batch.
        words: its words.
        lexicon: the terms.
        english: per text, whether it is looked up in the English terms.
    """
    named = lexicon.named(words)
    hits = lexicon.hits(texts, words, english, named)
    owner = texts.token_text[hits.token]
    sums = per_text(owner, hits.hints, texts.size)
    largest = _largest(owner, hits.hints, texts.size)
    counts = np.bincount(texts.token_text, minlength=texts.size).astype(np.float32)
    roots = np.sqrt(np.maximum(counts, 1))[:, None]
    dense = np.concatenate(
        (
            sums / roots,
            largest,
            sums / np.maximum(sums.sum(axis=1, keepdims=True), 1),
            np.log1p(np.bincount(owner, minlength=texts.size))[:, None],
            np.log1p(counts)[:, None],
            _concepts(owner, hits, texts.size) / roots,
            style(texts, words),
        ),
        axis=1,
        dtype=np.float32,
    )
    grams = ngrams(texts, ORDERS, BITS)
    passed = _inside(texts, named)
    for one in grams:
        one[passed] = 0
    return Features(
        grams=grams,
        words=np.where(named, 0, buckets(words.hashes, _WORD, BITS)),
        whole=np.where(named, 0, buckets(words.hashes, _WORD, WORD_BITS)),
        dense=dense * SCALE,
        hits=hits,
        largest=largest,
    )


def _inside(texts: Batch, named: Flags) -> Places:
    """The positions at which an n-gram of a passed-over word begins."""
    starts, ends = texts.token_starts[named] - 1, texts.token_ends[named]
    sizes = ends - starts
    return np.repeat(starts - np.cumsum(sizes) + sizes, sizes) + np.arange(sizes.sum())


def bayes(table: Figures, texts: Batch, features: Features) -> NDArray[np.float64]:
    """(texts, labels) what naive Bayes over words says: the log odds of the words over the root of their number.

    The root instead of the sum, since words are far from independent; `table` is (word buckets, labels).
    """
    words = np.maximum(np.bincount(texts.token_text, minlength=texts.size), 1)
    return per_text(texts.token_text, table[features.whole], texts.size) / np.sqrt(words)[:, None]


def per_text(owner: Places, values: Figures | Flags, size: int) -> Figures:
    """Sums of the rows of `values` (n, k) by text; `owner` (n,) says whose each row is."""
    sums = np.empty((size, values.shape[1]), dtype=np.float32)
    for column in range(values.shape[1]):
        sums[:, column] = np.bincount(owner, weights=values[:, column], minlength=size)
    return sums


def _concepts(owner: Places, hits: Hits, size: int) -> Figures:
    """(texts, concepts) how much each concept is spoken of."""
    columns = len(CONCEPTS) + 1
    places = (owner[:, None] * columns + hits.concepts).ravel()
    sums = np.bincount(places, weights=np.tile(RANKS, len(owner)), minlength=size * columns)
    return sums.reshape(size, columns)[:, 1:].astype(np.float32)


def _largest(owner: Places, hints: Figures, size: int) -> Figures:
    """Largest hint per text and label; hints are whole numbers from 0 to 3, so it is enough to see which occur."""
    found = np.zeros((size, len(LABELS)), dtype=np.float32)
    for value in (1, 2, 3):
        rows, columns = np.nonzero(hints == value)
        found[owner[rows], columns] = value
    return found
