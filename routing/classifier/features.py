"""What the linear model sees of a text: hashed n-grams and words, figures from the hint lexicon, and its style.

The n-gram part of a text has length 1 (each occurrence counts as much as it is rare); the dense part is scaled to stand
beside it. Everything is computed for a whole batch.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

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
DENSE = HINTED + STYLES
SCALE = np.float32(0.3)
"""Of the dense figures beside an n-gram part of length 1 (docs/decisions/0004-classifier.md)."""
_WORD = 1

Figures = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Features:
    """The features of a batch.

    Attributes:
        grams: per order, the bucket at each position of the batch; 0 is none.
        words: bucket of each word.
        dense: lexicon and style figures, one row a text.
        hits: what the lexicon knows.
        largest: (texts, labels) the largest hint.
    """

    grams: list[Buckets]
    words: Buckets
    dense: Figures
    hits: Hits
    largest: Figures


def extract(texts: Batch, words: Words, lexicon: Lexicon, english: Flags) -> Features:
    """The features of these texts; `english` says which of them are looked up in the English lexicon."""
    hits = lexicon.hits(texts, words, english)
    owner = texts.token_text[hits.token]
    sums = per_text(owner, hits.hints, texts.size)
    largest = _largest(owner, hits.hints, texts.size)
    counts = np.bincount(texts.token_text, minlength=texts.size).astype(np.float32)
    dense = np.concatenate(
        (
            sums / np.sqrt(np.maximum(counts, 1))[:, None],
            largest,
            sums / np.maximum(sums.sum(axis=1, keepdims=True), 1),
            np.log1p(np.bincount(owner, minlength=texts.size))[:, None],
            np.log1p(counts)[:, None],
            style(texts, words),
        ),
        axis=1,
        dtype=np.float32,
    )
    return Features(
        grams=ngrams(texts, ORDERS, BITS),
        words=buckets(words.hashes, _WORD, BITS),
        dense=dense * SCALE,
        hits=hits,
        largest=largest,
    )


def per_text(owner: Places, values: Figures | Flags, size: int) -> Figures:
    """Sums of the rows of `values` (n, k) by text; `owner` (n,) says whose each row is."""
    sums = np.empty((size, values.shape[1]), dtype=np.float32)
    for column in range(values.shape[1]):
        sums[:, column] = np.bincount(owner, weights=values[:, column], minlength=size)
    return sums


def _largest(owner: Places, hints: Figures, size: int) -> Figures:
    """Largest hint per text and label; hints are whole numbers from 0 to 3, so it is enough to see which occur."""
    found = np.zeros((size, len(LABELS)), dtype=np.float32)
    for value in (1, 2, 3):
        rows, columns = np.nonzero(hints == value)
        found[owner[rows], columns] = value
    return found
