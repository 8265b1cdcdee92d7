"""How a text is written, apart from its words: to whom it speaks, whether it asks, names a price, links or quotes."""

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from silofrei.routing.classifier.hashing import Words, find, hashed
from silofrei.routing.classifier.text import Batch, Flags, Hashes, Kind

STYLES = 14
"""Number of figures."""

_FIRST = "ich mein meine meinen meinem meiner mir mich wir uns unser unsere i my me we our us i'm i've mine"
_SECOND = "ihr euch euer eure euren eurem sie ihnen ihre du dein dir you your u ye yous"
_MONEY = "euro euros eur chf franken dollar dollars pounds quid"
_RETWEET = "rt"


@lru_cache(maxsize=1)
def _listed() -> tuple[Hashes, Flags]:
    """The words of all four lists, and for each list whether each word is in it; the last row is for other words."""
    lists = [hashed(words) for words in (_FIRST, _SECOND, _MONEY, _RETWEET)]
    every = np.unique(np.concatenate(lists))
    return every, np.array([[*np.isin(every, words), False] for words in lists])


def style(texts: Batch, words: Words) -> NDArray[np.float32]:
    """(texts, STYLES) figures, each between 0 and about 1."""
    size = texts.size
    sign = np.flatnonzero(texts.kinds)
    owner = np.searchsorted(texts.ends, sign, side="right")
    signs = np.bincount(owner * len(Kind) + texts.kinds[sign], minlength=size * len(Kind)).reshape(size, len(Kind))
    counts = np.maximum(np.bincount(texts.token_text, minlength=size), 1)
    lengths = texts.ends - texts.starts
    every, member = _listed()
    places = find(every, words.hashes)  # -1, the last one, where a word is in no list
    here = np.flatnonzero(places >= 0)
    first, second, money, retweet = member[:, places[here]]

    def count(found: Flags) -> NDArray[np.intp]:
        return np.bincount(texts.token_text[here[found]], minlength=size)

    begins = np.zeros(size, dtype=np.bool_)
    said, owner = here[retweet], texts.token_text[here[retweet]]
    begins[owner[texts.token_starts[said] == texts.starts[owner]]] = True
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
