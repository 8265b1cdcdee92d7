"""Trains a head over an encoder's vectors, and finds how much it should say beside the linear model (extra `train`).

Owns: the algorithm. Refuses: comparing and activating (adopt.py).

All is chosen on the corpus' training texts, and there on what models say of texts of other writers than those that they
learned from: the head for its temperature, both for the share of the head in each language.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

from silofrei.routing.classifier.corpus_rows import Row
from silofrei.routing.classifier.encoder.stage import Chances, Mix, mixed, softmax
from silofrei.routing.classifier.lexicon import LABELS
from silofrei.routing.classifier.train import PARTS, evened, parts, temperature
from silofrei.schemas.names import Language

STRENGTH = 10.0
"""Inverse of the penalty of the head."""
SHARES = tuple(step / 20 for step in range(21))
"""Of the head, that are tried; where none at all is best, the encoder is not asked in that language."""
FEWEST = 50
"""Texts of a language, without which no share is chosen."""

Labels = NDArray[np.intp]


class Head(NamedTuple):
    """A head, and what it is worth on texts of others than those it learned from.

    Attributes:
        weights: (dimension, labels).
        bias: (labels,).
        temperature: divides its logits.
        apart: (rows, labels) probabilities of each row by the one model of the mean that was trained without its part.
    """

    weights: NDArray[np.float32]
    bias: NDArray[np.float32]
    temperature: float
    apart: Chances


def numbers(rows: Sequence[Row]) -> Labels:
    """(rows,) the label of each row, by its place."""
    return np.array([LABELS.index(row.label) for row in rows])


def fit_head(rows: Sequence[Row], vectors: NDArray[np.float32]) -> Head:
    """The mean of models that each leave out a part of the corpus, as the linear model is one.

    Args:
        rows: the labelled texts.
        vectors: (rows, dimension) of each.
    """
    labels, part = numbers(rows), parts(rows)
    counts = evened(rows, labels)
    logits = np.zeros((len(rows), len(LABELS)))
    found = []
    for number in range(PARTS):
        apart = part == number
        model = LogisticRegression(C=STRENGTH, max_iter=300, tol=2e-3, class_weight="balanced")
        model.fit(vectors[~apart], labels[~apart], sample_weight=counts[~apart])
        logits[apart] = model.decision_function(vectors[apart])
        found.append(model)
    divisor = temperature(logits, labels)
    return Head(
        weights=np.mean([model.coef_.T for model in found], axis=0).astype(np.float32),
        bias=np.mean([model.intercept_ for model in found], axis=0).astype(np.float32),
        temperature=divisor,
        apart=softmax(logits / divisor),
    )


def choose_mixes(rows: Sequence[Row], local: Chances, head: Chances, below: float) -> dict[Language, Mix]:
    """How much the head says in each language in which it helps: the least log loss on the texts it is asked about.

    Args:
        rows: the labelled texts.
        local: (rows, labels) what linear models say that have not seen a row's part.
        head: (rows, labels) what heads say that have not.
        below: only texts whose best local score is lower count.
    """
    labels, unsure = numbers(rows), local.max(axis=1) < below
    mixes = {}
    for language in (Language.GERMAN, Language.ENGLISH):
        here = unsure & np.array([row.language is language for row in rows])
        if here.sum() >= FEWEST:
            tried = [_mix(share, local[here], head[here], labels[here]) for share in SHARES]
            loss, mix = min(tried, key=lambda one: one[0])
            if mix.share and loss < tried[0][0]:
                mixes[language] = mix
    return mixes


def _mix(share: float, local: Chances, head: Chances, labels: Labels) -> tuple[float, Mix]:
    together = np.log(mixed(local, head, Mix(share=share, temperature=1.0)))
    mix = Mix(share=share, temperature=round(temperature(together, labels), 4))
    chances = mixed(local, head, mix)[np.arange(len(labels)), labels]
    return float(-np.log(chances).mean()), mix
