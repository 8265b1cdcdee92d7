"""The hint lexicon: words and phrases with a hint, 0 to 3, for each label.

A word that is not in it is looked up by its longest known ending, then by its longest known beginning: the parts of a
German compound. Terms are kept as sorted hashes, so that a whole batch is looked up at once.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files

import numpy as np
from numpy.typing import NDArray

from silofrei.routing.classifier.hashing import Words, adjacent, joined
from silofrei.routing.classifier.text import Batch, Hashes, Places, batch, fold
from silofrei.schemas.names import Label

LABELS = tuple(Label)
MAX_WORDS = 4
"""Longest phrase."""
SHORTEST_PART = 4
"""Shortest part of a compound that is looked up."""
LONGEST_PART = 14

Hints = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Hits:
    """Where the lexicon speaks: word `token[i]` (the first of its phrase) to `last[i]` has the hints `hints[i]`."""

    token: Places
    last: Places
    hints: Hints


class Lexicon:
    """Terms by hash with their hints."""

    def __init__(self, terms: Iterable[tuple[str, tuple[int, ...]]]) -> None:
        rows = list(terms)
        folded = batch([fold(term).text for term, _ in rows])
        words = Words(folded)
        counts = np.bincount(folded.token_text, minlength=len(rows))
        first = np.cumsum(counts) - counts
        hashes, hints = [], []
        for number, (_, values) in enumerate(rows):
            count = int(counts[number])
            if not 1 <= count <= MAX_WORDS:
                continue
            start = int(first[number])
            value = words.hashes[start : start + 1]
            for following in range(start + 1, start + count):
                value = joined(value, words.hashes[following : following + 1])
            hashes.append(value[0])
            hints.append(values)
        order = np.argsort(np.array(hashes, dtype=np.uint64), kind="stable")
        self._hashes: Hashes = np.array(hashes, dtype=np.uint64)[order]
        self._hints: Hints = np.array(hints, dtype=np.float32)[order]

    def __len__(self) -> int:
        return len(self._hashes)

    def hits(self, texts: Batch, words: Words) -> Hits:
        """Every term of the lexicon in these texts, phrases and the words within them alike."""
        count = len(texts.token_starts)
        if not count:
            nothing = np.zeros(0, dtype=np.intp)
            return Hits(nothing, nothing, np.zeros((0, len(LABELS)), dtype=np.float32))
        places = self._find(words.hashes)
        self._parts(texts, words, places)
        tokens, lasts, rows = [np.flatnonzero(places >= 0)], [np.flatnonzero(places >= 0)], [places[places >= 0]]
        near = adjacent(texts)
        value, runs = words.hashes, np.ones(count, dtype=np.bool_)
        for length in range(2, MAX_WORDS + 1):
            if count < length:
                break
            runs = runs[: count - length + 1] & near[length - 2 : count - 1]
            value = joined(value[: count - length + 1], words.hashes[length - 1 :])
            found = self._find(value)
            here = np.flatnonzero(runs & (found >= 0))
            tokens.append(here)
            lasts.append(here + length - 1)
            rows.append(found[here])
        return Hits(np.concatenate(tokens), np.concatenate(lasts), self._hints[np.concatenate(rows)])

    def _find(self, hashes: Hashes) -> Places:
        """Row of each hash, -1 where there is none."""
        places = np.minimum(np.searchsorted(self._hashes, hashes), len(self._hashes) - 1)
        return np.where(self._hashes[places] == hashes, places, -1)

    def _parts(self, texts: Batch, words: Words, places: Places) -> None:
        """Fill in, for words that are not found, the row of their longest known ending or beginning."""
        for ending in (True, False):
            for length in range(LONGEST_PART, SHORTEST_PART - 1, -1):
                sizes = texts.token_ends - texts.token_starts
                open_ = np.flatnonzero((places < 0) & (sizes > length))
                if not open_.size:
                    continue
                starts, ends = texts.token_starts[open_], texts.token_ends[open_]
                found = self._find(
                    words.stretch(ends - length, ends) if ending else words.stretch(starts, starts + length)
                )
                places[open_] = found


@lru_cache(maxsize=1)
def load_lexicon() -> Lexicon:
    """The packaged lexicon, German and English together."""
    rows: dict[str, tuple[int, ...]] = {}
    for language in ("de", "en"):
        text = (files("silofrei.routing.classifier") / "hints" / f"{language}.tsv").read_text(encoding="utf-8")
        for line in text.splitlines()[1:]:
            term, *hints = line.split("\t")
            found = tuple(int(hint) for hint in hints)
            # A word of both languages has the stronger of its hints.
            rows[term] = tuple(map(max, found, rows[term])) if term in rows else found
    return Lexicon(rows.items())
