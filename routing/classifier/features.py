"""What the linear model sees of a text: hashed n-grams and words, and 17 figures from the hint lexicon.

The n-gram part of a text has length 1 (each occurrence counts as much as it is rare), the lexicon part is scaled beside
it. Everything is computed for a whole batch.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from silofrei.routing.classifier.hashing import Buckets, Words, adjacent, buckets, joined, ngrams
from silofrei.routing.classifier.lexicon import LABELS, Hits, Lexicon
from silofrei.routing.classifier.text import Batch, Places

BITS = 18
"""Buckets are 2 to the power of this."""
ORDERS = (2, 3, 4, 5)
"""Lengths of the n-grams."""
DENSE = 3 * len(LABELS) + 2
DENSE_SCALE = 0.15
_WORD, _PAIR = 1, 2

Figures = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Features:
    """The features of a batch.

    Attributes:
        grams: per order, the bucket at each position of the batch; 0 is none.
        words: bucket of each word.
        pairs: bucket of each word with the next one; 0 where none follows.
        dense: lexicon figures, one row a text.
        hits: what the lexicon knows.
    """

    grams: list[Buckets]
    words: Buckets
    pairs: Buckets
    dense: Figures
    hits: Hits


def extract(texts: Batch, lexicon: Lexicon) -> Features:
    """The features of these texts."""
    words = Words(texts)
    hits = lexicon.hits(texts, words)
    pairs = np.zeros(len(words.hashes), dtype=np.uint32)
    near = np.flatnonzero(adjacent(texts))
    pairs[near] = buckets(joined(words.hashes[near], words.hashes[near + 1]), _PAIR, BITS)
    return Features(
        grams=ngrams(texts, ORDERS, BITS),
        words=buckets(words.hashes, _WORD, BITS),
        pairs=pairs,
        dense=_dense(texts, hits),
        hits=hits,
    )


def _dense(texts: Batch, hits: Hits) -> Figures:
    counts = np.bincount(texts.token_text, minlength=texts.size).astype(np.float32)
    owner = texts.token_text[hits.token]
    figures = np.zeros((texts.size, DENSE), dtype=np.float32)
    size = len(LABELS)
    sums = per_text(owner, hits.hints, texts.size)
    figures[:, :size] = sums / np.sqrt(np.maximum(counts, 1))[:, None]
    np.maximum.at(figures[:, size : 2 * size], owner, hits.hints)
    figures[:, 2 * size : 3 * size] = sums / np.maximum(sums.sum(axis=1, keepdims=True), 1)
    figures[:, -2] = np.log1p(np.bincount(owner, minlength=texts.size))
    figures[:, -1] = np.log1p(counts)
    return figures * np.float32(DENSE_SCALE)


def per_text(owner: Places, values: Figures, size: int) -> Figures:
    """Sums of the rows of `values` (n, k) by text; `owner` (n,) says whose each row is."""
    sums = np.empty((size, values.shape[1]), dtype=np.float32)
    for column in range(values.shape[1]):
        sums[:, column] = np.bincount(owner, weights=values[:, column], minlength=size)
    return sums
