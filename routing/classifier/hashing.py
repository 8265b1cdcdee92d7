"""Hashes of words, of parts of words and of n-grams, for a whole batch at once.

A word's hash comes from running sums over the batch, so that every ending and beginning of every word is one
subtraction away; an n-gram's hash rolls over the array by multiply and add. The numbers below are part of the model
format: changing one makes every stored model useless.
"""

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from silofrei.routing.classifier.text import BORDER, Batch, Flags, Hashes, Places, batch, fold

Buckets = NDArray[np.uint32]

_BASE = 0x9E3779B97F4A7C15
_INVERSE = pow(_BASE, -1, 1 << 64)
_MIX = np.uint64(0xD6E8FEB86659FD93)
_PAIR = np.uint64(0xA0761D6478BD642F)
_NGRAM = np.uint32(0x01000193)
_SPREAD = np.uint32(0x9E3779B1)


@lru_cache(maxsize=4)
def _powers(size: int) -> tuple[Hashes, Hashes]:
    with np.errstate(over="ignore"):
        up = np.cumprod(np.full(size, _BASE, dtype=np.uint64), dtype=np.uint64)
        down = np.cumprod(np.full(size, _INVERSE, dtype=np.uint64), dtype=np.uint64)
    return up, down


def _mix(hashes: Hashes) -> Hashes:
    hashes = hashes ^ (hashes >> np.uint64(32))
    return (hashes * _MIX) ^ (hashes >> np.uint64(29))


class Words:
    """Hashes of the batch's words and of stretches within them."""

    def __init__(self, texts: Batch) -> None:
        size = 1 << max(16, len(texts.codes).bit_length())
        up, self._down = _powers(size)
        self._sums = np.cumsum((texts.codes.astype(np.uint64) + np.uint64(1)) * up[: len(texts.codes)])
        self.hashes = self.stretch(texts.token_starts, texts.token_ends)

    def stretch(self, starts: Places, ends: Places) -> Hashes:
        """Hash of the characters from each start to each end (exclusive); no start is 0."""
        return _mix((self._sums[ends - 1] - self._sums[starts - 1]) * self._down[starts])


def find(table: Hashes, hashes: Hashes) -> Places:
    """Place of each hash in the sorted `table`, -1 where it is not there."""
    places = np.minimum(np.searchsorted(table, hashes), len(table) - 1)
    return np.where(table[places] == hashes, places, -1) if len(table) else np.full(len(hashes), -1, dtype=np.intp)


def hashed(words: str) -> Hashes:
    """The sorted hashes of a list of words in one string."""
    return np.unique(Words(batch([fold(words).text])).hashes)


def joined(left: Hashes, right: Hashes) -> Hashes:
    """Hash of two words, or of a phrase and the word after it."""
    return _mix(left * _PAIR + right)


def adjacent(texts: Batch) -> Flags:
    """For each word whether the next one follows at once: same text, at most two characters between."""
    near = np.zeros(len(texts.token_starts), dtype=np.bool_)
    if len(near) > 1:
        near[:-1] = (texts.token_text[1:] == texts.token_text[:-1]) & (
            texts.token_starts[1:] - texts.token_ends[:-1] <= 2
        )
    return near


def ngrams(texts: Batch, orders: tuple[int, ...], bits: int) -> list[Buckets]:
    """Per order the bucket of the n-gram that starts at each position; bucket 0 where there is none.

    An n-gram lies in one text and has a space, if any, only at its ends: it is part of one word and its borders.
    """
    codes, spaces = texts.codes, texts.spaces
    size = len(codes)
    shift = np.uint32(32 - bits)
    found = []
    rolled = codes.copy()
    bad = codes == BORDER
    inner = np.zeros(size, dtype=np.bool_)
    for order in range(2, max(orders) + 1):
        last = min(order - 1, size)
        rolled[: size - last] = rolled[: size - last] * _NGRAM + codes[last:]
        bad[: size - last] |= codes[last:] == BORDER
        if order > 2:
            inner[: size - last] |= spaces[last - 1 : size - 1]
        if order not in orders:
            continue
        buckets = ((rolled * _SPREAD) ^ np.uint32(order * 0x2545F491)) * _SPREAD >> shift
        buckets[bad | inner] = 0
        buckets[size - last :] = 0
        found.append(buckets)
    return found


def buckets(hashes: Hashes, salt: int, bits: int) -> Buckets:
    """The bucket of each word's or phrase's hash; `salt` keeps the kinds apart."""
    return ((hashes * np.uint64(2 * salt + 1)) >> np.uint64(64 - bits)).astype(np.uint32)
