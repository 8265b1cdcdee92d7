"""Trains the aspects on the rows that somebody judged: mood, urgency, and who else should see it (extra `train`).

As with the departments, each model of the mean leaves out a part of the corpus, on which it is calibrated.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import scipy.sparse
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

from silofrei.routing.classifier.aspects import ASPECTS, MOOD, MOODS, OTHERS, SEES, URGENT, Aspects, log_chances
from silofrei.routing.classifier.corpus_rows import Row
from silofrei.routing.classifier.features import DENSE, WORD_BITS, Features
from silofrei.routing.classifier.lexicon import LABELS
from silofrei.routing.classifier.text import Batch

STRENGTH = 1.0
"""Inverse of the penalty."""
LEAST_TEXTS = 2
"""A word that fewer judged texts have gets no weight."""

Data: TypeAlias = Any
"""A sparse matrix; scipy ships no types."""
Numbers = NDArray[np.intp]
Figures = NDArray[np.float64]
Temperature = Callable[[Figures, Numbers], float]


class _Judged(NamedTuple):
    """The judged rows: their features, the buckets of the word columns, and of each row the part it is in."""

    rows: list[Row]
    data: Data
    buckets: Numbers
    part: Numbers


def train_aspects(
    rows: Sequence[Row], texts: Batch, features: Features, chances: Figures, part: Numbers, temperature: Temperature
) -> Aspects:
    """The aspects of these rows; where too little was judged, an aspect says nothing (even chances, or 0).

    Args:
        rows: the texts, judged or not.
        texts: the batch of them.
        features: of it.
        chances: (rows, labels) of the departments, from models that have not seen the row.
        part: (rows,) which part of the corpus a row is in.
        temperature: what logits (rows, classes) must be divided by to fit the classes (rows,).
    """
    judged = _judged(rows, texts, features, chances, part)
    found = np.zeros((judged.data.shape[1] + 1, ASPECTS))
    found[-1, URGENT:] = -30.0  # as good as never
    own = judged.rows
    everyone = np.ones(len(own), dtype=bool)
    moods = np.array([MOODS.index(row.mood) for row in own if row.mood], dtype=np.intp)
    found[:, MOOD] = _fit(judged, everyone, moods, len(MOODS), temperature, found[:, MOOD])
    urgent = np.array([bool(row.urgent) for row in own], dtype=np.intp)
    found[:, URGENT] = _fit(judged, everyone, urgent, 2, temperature, found[:, [URGENT]])[:, 0]
    for column, label in zip(range(SEES.start, SEES.stop), OTHERS, strict=True):
        others = np.array([row.label is not label for row in own], dtype=bool)
        sees = np.array([label in row.secondary for row in own], dtype=np.intp)
        found[:, column] = _fit(judged, others, sees, 2, temperature, found[:, [column]])[:, 0]
    words = np.zeros((1 << WORD_BITS, ASPECTS), dtype=np.float32)
    words[judged.buckets] = found[: len(judged.buckets)]
    rest = found[len(judged.buckets) :].astype(np.float32)
    return Aspects(words, rest[:DENSE], rest[DENSE : DENSE + len(LABELS)], rest[-1])


def _judged(rows: Sequence[Row], texts: Batch, features: Features, chances: Figures, part: Numbers) -> _Judged:
    here = np.array([row.mood is not None for row in rows], dtype=bool)
    counts = np.maximum(np.bincount(texts.token_text, minlength=texts.size), 1)
    # Bucket 0 is that of the words which are passed over.
    tokens = np.flatnonzero(here[texts.token_text] & (features.whole > 0))
    owner, word = texts.token_text[tokens], features.whole[tokens].astype(np.intp)
    seen = np.unique(np.stack((word, owner)), axis=1)[0]
    buckets = np.flatnonzero(np.bincount(seen, minlength=1 << WORD_BITS) >= LEAST_TEXTS)
    place = np.full(1 << WORD_BITS, -1)
    place[buckets] = np.arange(len(buckets))
    kept = place[word] >= 0
    values = 1 / np.sqrt(counts[owner[kept]])
    words = scipy.sparse.csr_matrix((values, (owner[kept], place[word[kept]])), shape=(texts.size, len(buckets)))
    data = scipy.sparse.hstack([words, features.dense, log_chances(chances)]).tocsr()
    return _Judged([row for row in rows if row.mood is not None], data[here], buckets, part[here])


def _fit(
    judged: _Judged, here: NDArray[np.bool_], classes: Numbers, size: int, temperature: Temperature, nothing: Figures
) -> Figures:
    """(features and bias, columns) mean of the models that each leave out a part, over its temperature.

    Two classes make one column, the log odds of the second one.
    """
    parts = np.unique(judged.part[here]) if here.any() else np.array([], dtype=np.intp)
    logits = np.zeros((len(here), size))
    found = []
    for number in parts:
        apart, rest = here & (judged.part == number), here & (judged.part != number)
        if len(np.unique(classes[rest])) < size:
            return nothing
        model = LogisticRegression(C=STRENGTH, max_iter=200, tol=1e-3).fit(judged.data[rest], classes[rest])
        decided = model.decision_function(judged.data[apart])
        logits[apart] = np.stack((np.zeros(len(decided)), decided), axis=1) if size == 2 else decided
        found.append(np.concatenate((model.coef_.T, model.intercept_[None, :])))
    if not found:
        return nothing
    return np.asarray(np.mean(found, axis=0) / temperature(logits[here], classes[here]))
