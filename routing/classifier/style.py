"""How a text is written, apart from its words: to whom it speaks, whether it asks, names a price, links or quotes."""

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from silofrei.routing.classifier.hashing import Words, find, hashed
from silofrei.routing.classifier.text import Batch, Hashes, Kind

STYLES = 14
"""Number of figures."""

_FIRST = "ich mein meine meinen meinem meiner mir mich wir uns unser unsere i my me we our us i'm i've mine"
_SECOND = "ihr euch euer eure euren eurem sie ihnen ihre du dein dir you your u ye yous"
_MONEY = "euro euros eur chf franken dollar dollars pounds quid"


@lru_cache(maxsize=1)
def _lists() -> tuple[Hashes, Hashes, Hashes, Hashes]:
    return hashed(_FIRST), hashed(_SECOND), hashed(_MONEY), hashed("rt")


def style(texts: Batch, words: Words) -> NDArray[np.float32]:
    """(texts, STYLES) figures, each between 0 and about 1."""
    size = texts.size
    sign = np.flatnonzero(texts.kinds)
    owner = np.searchsorted(texts.ends, sign, side="right")
    signs = np.bincount(owner * len(Kind) + texts.kinds[sign], minlength=size * len(Kind)).reshape(size, len(Kind))
    counts = np.maximum(np.bincount(texts.token_text, minlength=size), 1)
    lengths = texts.ends - texts.starts
    first, second, money, retweet = _lists()

    def count(listed: Hashes) -> NDArray[np.float64]:
        found = find(listed, words.hashes) >= 0
        return np.bincount(texts.token_text, weights=found, minlength=size).astype(np.float64)

    begins = np.zeros(size, dtype=np.bool_)
    at_start = np.flatnonzero(texts.token_starts == texts.starts[texts.token_text])
    begins[texts.token_text[at_start]] = find(retweet, words.hashes[at_start]) >= 0
    columns = (
        signs[:, Kind.LINK] > 0,
        signs[:, Kind.HANDLE] > 0,
        np.log1p(signs[:, Kind.HASHTAG]),
        signs[:, Kind.QUESTION] > 0,
        signs[:, Kind.EXCLAMATION] > 0,
        (signs[:, Kind.MONEY] > 0) | (count(money) > 0),
        signs[:, Kind.DIGIT] > 0,
        texts.kinds[texts.starts] == Kind.HANDLE,
        begins,
        signs[:, Kind.QUOTE] > 0,
        np.minimum(count(first) / counts * 5, 1),
        np.minimum(count(second) / counts * 5, 1),
        np.log1p(lengths) / 3,
        signs[:, Kind.CAPITAL] / np.maximum(lengths, 1) * 3,
    )
    return np.stack(columns, axis=1).astype(np.float32)
