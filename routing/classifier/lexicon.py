"""The lexicon: words and phrases, German and English, with a hint, 0 to 3, for each label, and with their concepts.

A German word that is not in it is looked up by its longest known ending, then by its longest known beginning: the parts
of a compound. Terms are kept as sorted hashes, so that a whole batch is looked up at once.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from silofrei.routing.classifier.concepts import MOST_CONCEPTS, NUMBERS
from silofrei.routing.classifier.hashing import Words, adjacent, find, hashed, joined
from silofrei.routing.classifier.text import Batch, Flags, Hashes, Places, batch, fold
from silofrei.schemas.names import Label, Language

LABELS = tuple(Label)
MAX_WORDS = 4
"""Longest phrase."""
SHORTEST_PART = 4
"""Shortest part of a compound that is looked up."""
LONGEST_PART = 14

_ENGLISH = np.uint64(0x5851F42D4C957F2D)
"""Keeps English terms apart from German ones of the same letters."""
_FILTER_BITS = np.uint64(20)

Hints = NDArray[np.float32]
Numbers = NDArray[np.uint8]


class Term(NamedTuple):
    """What is known of a term: a hint per label, and the numbers of its concepts, the strongest first."""

    hints: tuple[int, ...]
    concepts: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Hits:
    """Where the lexicon speaks.

    Word `token[i]` (the first of its phrase) to `last[i]` has hints `hints[i]`, concepts `concepts[i]` (0: none).
    """

    token: Places
    last: Places
    hints: Hints
    concepts: Numbers


class Lexicon:
    """Terms by hash.

    Args:
        hashes: (terms,) sorted.
        hints: (terms, labels).
        concepts: (terms, MOST_CONCEPTS) numbers of concepts, 0 where there are fewer.
        names: sorted hashes of the words that name a company or its products. They say who is meant, not what is
            meant, so they are passed over: else a company would be judged by what training has read of it.
    """

    def __init__(self, hashes: Hashes, hints: Hints, concepts: Numbers, names: Hashes) -> None:
        self.hashes = hashes
        self.hints = hints
        self.concepts = concepts
        self.names = names
        # Most parts of words are no term; one look into a bit per hash prefix says so.
        self._maybe = np.zeros(1 << int(_FILTER_BITS), dtype=np.bool_)
        self._maybe[self._slot(hashes)] = True

    def __len__(self) -> int:
        return len(self.hashes)

    def hits(self, texts: Batch, words: Words, english: Flags, passed: Flags) -> Hits:
        """Every term of the lexicon in these texts, phrases and the words within them alike.

        Args:
            texts: the batch.
            words: its words.
            english: per text, whether to look into the English terms; into the German ones otherwise.
            passed: per word, whether it is passed over; no term has it.
        """
        count = len(texts.token_starts)
        if not count:
            nothing = np.zeros(0, dtype=np.intp)
            return Hits(nothing, nothing, self.hints[nothing], self.concepts[nothing])
        salt = np.where(english[texts.token_text], _ENGLISH, np.uint64(0))
        places = self._find(words.hashes ^ salt)
        self._parts(texts, words, places, ~english[texts.token_text])
        single = np.flatnonzero((places >= 0) & ~passed)
        tokens, lasts, rows = [single], [single], [places[single]]
        near = adjacent(texts)
        value, runs = words.hashes, ~passed
        for length in range(2, min(MAX_WORDS, count) + 1):
            runs = runs[: count - length + 1] & near[length - 2 : count - 1] & ~passed[length - 1 :]
            value = joined(value[: count - length + 1], words.hashes[length - 1 :])
            found = self._find(value ^ salt[: len(value)])
            here = np.flatnonzero(runs & (found >= 0))
            tokens.append(here)
            lasts.append(here + length - 1)
            rows.append(found[here])
        row = np.concatenate(rows)
        return Hits(np.concatenate(tokens), np.concatenate(lasts), self.hints[row], self.concepts[row])

    def with_names(self, names: Hashes) -> "Lexicon":
        """The same terms, with further names (sorted hashes)."""
        return Lexicon(self.hashes, self.hints, self.concepts, np.union1d(self.names, names)) if len(names) else self

    def named(self, words: Words) -> Flags:
        """Per word, whether it is a name."""
        return find(self.names, words.hashes) >= 0

    @staticmethod
    def _slot(hashes: Hashes) -> Places:
        return (hashes >> (np.uint64(64) - _FILTER_BITS)).astype(np.intp)

    def _find(self, hashes: Hashes) -> Places:
        """Row of each hash, -1 where there is none."""
        rows = np.full(len(hashes), -1, dtype=np.intp)
        maybe = np.flatnonzero(self._maybe[self._slot(hashes)])
        rows[maybe] = find(self.hashes, hashes[maybe])
        return rows

    def _parts(self, texts: Batch, words: Words, places: Places, german: Flags) -> None:
        """Fill in, for German words that are not found, the row of their longest known ending or beginning."""
        sizes = texts.token_ends - texts.token_starts
        unknown = np.flatnonzero((places < 0) & german & (sizes > SHORTEST_PART))
        for ending in (True, False):
            unknown = unknown[places[unknown] < 0]
            lengths = np.minimum(sizes[unknown] - 1, LONGEST_PART)
            # All parts of all words, word by word and the longest first: the first that is known decides.
            parts = lengths - SHORTEST_PART + 1
            word = np.repeat(np.arange(len(unknown)), parts)
            length = np.repeat(lengths, parts) - (np.arange(len(word)) - np.repeat(np.cumsum(parts) - parts, parts))
            starts, ends = texts.token_starts[unknown][word], texts.token_ends[unknown][word]
            hashes = words.stretch(ends - length, ends) if ending else words.stretch(starts, starts + length)
            rows = self._find(hashes)
            known = np.flatnonzero(rows >= 0)[::-1]
            places[unknown[word[known]]] = rows[known]


def compile_lexicon(terms: Mapping[Language, Mapping[str, Term]], names: str = "") -> Lexicon:
    """The lexicon of these terms, by language, and of the names in a string.

    Raises:
        ValueError: a term has no word or too many.
    """
    hashes, hints, concepts = [], [], []
    for language, rows in terms.items():
        folded = batch([fold(term).text for term in rows])
        words = Words(folded)
        counts = np.bincount(folded.token_text, minlength=len(rows))
        for term, count in zip(rows, counts, strict=True):
            if not 1 <= count <= MAX_WORDS:
                raise ValueError(f"'{term}' has {count} words; 1 to {MAX_WORDS} are read")
        first = np.cumsum(counts) - counts
        value = words.hashes[first]
        for length in range(1, MAX_WORDS):
            longer = np.flatnonzero(counts > length)
            value[longer] = joined(value[longer], words.hashes[first[longer] + length])
        hashes.append(value ^ (_ENGLISH if language is Language.ENGLISH else np.uint64(0)))
        hints.append(np.array([term.hints for term in rows.values()], dtype=np.float32))
        kinds = np.zeros((len(rows), MOST_CONCEPTS), dtype=np.uint8)
        for number, one in enumerate(rows.values()):
            kinds[number, : len(one.concepts)] = one.concepts
        concepts.append(kinds)
    # Digits are all alike, so a few terms are the same; the last one stands.
    unique, last = np.unique(np.concatenate(hashes)[::-1], return_index=True)
    return Lexicon(unique, np.concatenate(hints)[::-1][last], np.concatenate(concepts)[::-1][last], hashed(names))


def read_terms() -> dict[Language, dict[str, Term]]:
    """The packaged terms."""
    terms: dict[Language, dict[str, Term]] = {}
    for language in (Language.GERMAN, Language.ENGLISH):
        text = (files("silofrei.routing.classifier") / "hints" / f"{language.value}.tsv").read_text(encoding="utf-8")
        rows = (line.split("\t") for line in text.splitlines()[1:])
        terms[language] = {
            term: Term(tuple(map(int, hints)), tuple(NUMBERS[code] for code in concepts.split()))
            for term, *hints, concepts in rows
        }
    return terms


def read_names() -> str:
    """The packaged names of companies and products, a word a line."""
    return (files("silofrei.routing.classifier") / "hints" / "names.txt").read_text(encoding="utf-8")


def packaged_lexicon() -> Lexicon:
    """The lexicon that comes with Silofrei."""
    return compile_lexicon(read_terms(), read_names())
