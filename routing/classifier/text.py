"""Texts as one array of code points: folded, with addresses blanked out, cut into tokens, borders known.

Owns: what counts as a character of a word, and the way back from a folded position to the original text. Everything
after this step works on whole batches with numpy.
"""

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

Codes = NDArray[np.uint32]
Kinds = NDArray[np.uint8]
Hashes = NDArray[np.uint64]
Flags = NDArray[np.bool_]
Places = NDArray[np.intp]

MAX_CHARS = 10_000
"""A text is judged by its first characters; a longer one says what it wants long before."""

BORDER = 0
"""Between two texts; no n-gram and no phrase crosses it."""

_SPACE = ord(" ")
_LINK = 1
_APOSTROPHE = ord("'")
_LAST = 0xFFFF
_SHARP = re.compile("[ßẞ]")
_ADDRESS = re.compile(r"https?://\S+|\bwww\.\S+|(?<!\S)\S[^\s@]*+@\S+\.\S+|(?P<handle>@\w+)")
"""A mail address takes the whole run of characters that it stands in, so it is looked for at the begin of one only: a
text of thousands of @ takes no longer than another of its length."""


class Kind(IntEnum):
    """Characters that say something about how a text is written."""

    PLAIN = 0
    LINK = 1
    HANDLE = 2
    HASHTAG = 3
    QUESTION = 4
    EXCLAMATION = 5
    MONEY = 6
    DIGIT = 7
    QUOTE = 8
    CAPITAL = 9


_SIGNS = {
    Kind.LINK: "\x01",
    Kind.HANDLE: "@",
    Kind.HASHTAG: "#",
    Kind.QUESTION: "?¿",
    Kind.EXCLAMATION: "!¡",
    Kind.MONEY: "€$£₹¥",
    Kind.QUOTE: '"„“”«»‚',
}


@lru_cache(maxsize=1)
def _folds() -> tuple[Codes, Flags, Kinds]:
    """What each code point of the basic plane becomes, whether it belongs to a word, and its kind."""
    fold = np.arange(_LAST + 1, dtype=np.uint32)
    word = np.zeros(_LAST + 1, dtype=np.bool_)
    kind = np.zeros(_LAST + 1, dtype=np.uint8)
    for code in range(_LAST + 1):
        if 0xD800 <= code <= 0xDFFF:  # a lone surrogate is no character; it only parts words
            fold[code] = _SPACE
            continue
        char = chr(code)
        category = unicodedata.category(char)
        lower = char.lower()
        if category[0] in "ZC" and code not in (BORDER, _LINK):
            fold[code] = _SPACE
        elif category == "Nd":
            fold[code] = ord("0")
            kind[code] = Kind.DIGIT
        elif len(lower) == 1:
            fold[code] = ord(lower)
            if category == "Lu":
                kind[code] = Kind.CAPITAL
        word[code] = category[0] in "LNM"
    for code in map(ord, "’‘ʼ`´"):
        fold[code] = _APOSTROPHE
    for code in map(ord, "–—‐‑−"):
        fold[code] = ord("-")
    for code in map(ord, "„“”«»‚"):
        fold[code] = ord('"')
    fold[BORDER] = BORDER
    for one, signs in _SIGNS.items():
        kind[[ord(sign) for sign in signs]] = one
    return fold, word[fold], kind


@dataclass(frozen=True, slots=True)
class Folded:
    """One text as it goes into the array; `places` maps its characters to the original's where they differ."""

    text: str
    places: list[int] | None = None

    def original(self, place: int) -> int:
        """Where the folded character at `place` stands in the original text."""
        return place if self.places is None else self.places[place]


def _spell_out(text: str) -> Folded:
    """The text with ß as ss, and where each character came from."""
    places: list[int] = []
    start = 0
    for found in _SHARP.finditer(text):
        places += range(start, found.end())
        places.append(found.start())
        start = found.end()
    places += range(start, len(text) + 1)
    return Folded(_SHARP.sub("ss", text), places)


def _compose(text: str) -> Folded:
    """The text in composed form with ß as ss, and where each character came from."""
    chars: list[str] = []
    places: list[int] = []
    start = 0
    while start < len(text):
        end = start + 1
        while end < len(text) and unicodedata.combining(text[end]):
            end += 1
        whole = _SHARP.sub("ss", unicodedata.normalize("NFC", text[start:end]))
        chars.append(whole)
        places += [start] * len(whole)
        start = end
    places.append(len(text))
    return Folded("".join(chars), places)


def fold(text: str) -> Folded:
    """One text made ready: cut to size, composed, ß as ss, links, addresses and handles blanked in place."""
    text = text[:MAX_CHARS]
    if text.isascii():
        folded = Folded(text)
    elif not unicodedata.is_normalized("NFC", text):
        folded = _compose(text)
    else:
        folded = _spell_out(text) if "ß" in text or "ẞ" in text else Folded(text)
    if "://" in text or "www." in text or "@" in text:
        folded = Folded(_ADDRESS.sub(_blank, folded.text), folded.places)
    return folded


def _blank(found: re.Match[str]) -> str:
    # Who is meant says nothing about what is meant; a name that training has seen would.
    return ("@" if found["handle"] else "\x01") + " " * (len(found[0]) - 1)


@dataclass(frozen=True, slots=True)
class Batch:
    """Texts in one array.

    `codes` holds border, space, text, space, border, ...; text i lies at `starts[i]` to `ends[i]` (exclusive).
    `kinds` (`Kind`) tells signs and capitals apart, `spaces` marks the spaces. `token_starts` and `token_ends` delimit
    the words of all texts in order, `token_text` says whose they are.
    """

    codes: Codes
    kinds: Kinds
    spaces: Flags
    starts: Places
    ends: Places
    token_starts: Places
    token_ends: Places
    token_text: Places

    @property
    def size(self) -> int:
        """Number of texts."""
        return len(self.starts)


def batch(texts: Sequence[str]) -> Batch:
    """The texts (already folded) as one array with their words marked."""
    joined = "\0 " + " \0 ".join(text.replace("\0", " ") for text in texts) + " \0"
    codes = np.frombuffer(joined.encode("utf-32-le", "surrogatepass"), dtype=np.uint32)
    plane = np.minimum(codes, _LAST)
    folds, words, kinds = _folds()
    inside = words[plane]
    codes = np.where(codes > _LAST, codes, folds[plane])
    apostrophes = np.flatnonzero(codes == _APOSTROPHE)
    if apostrophes.size:
        inside[apostrophes] = inside[apostrophes - 1] & inside[apostrophes + 1]
    edges = np.flatnonzero(inside[1:] != inside[:-1]) + 1
    token_starts, token_ends = edges[::2], edges[1::2]
    borders = np.flatnonzero(codes == BORDER)
    starts, ends = borders[:-1] + 2, borders[1:] - 1
    token_text = np.searchsorted(ends, token_starts, side="right")
    return Batch(codes, kinds[plane], codes == _SPACE, starts, ends, token_starts, token_ends, token_text)
