"""Trains heads over an encoder's vectors, and finds how much each should say beside the linear model (extra `train`).

Owns: the algorithm. Refuses: comparing and activating (adopt.py).

Each language has a head of its own: an encoder knows one language better than another, and what it makes of the other
would only disturb. All is chosen on the corpus' training texts, and there on what models say of texts of other writers
than those that they learned from.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

from silofrei.routing.classifier.corpus_rows import Row
from silofrei.routing.classifier.encoder.stage import Chances, Head, Mix, mixed, softmax
from silofrei.routing.classifier.lexicon import LABELS
from silofrei.routing.classifier.train import PARTS, evened, parts, temperature
from silofrei.schemas.names import Language

STRENGTH = 10.0
"""Inverse of the penalty of a head."""
SHARES = tuple(step / 20 for step in range(21))
"""Of a head, that are tried."""
LEAST_GAIN = 0.05
"""By so much must the log loss fall on the texts that would be asked about, or the encoder's time is not worth it."""
FEWEST = 50
"""Texts that would be asked about, without which no share is chosen."""

Labels = NDArray[np.intp]


class Fitted(NamedTuple):
    """A head, and what it is worth on texts of others than those it learned from.

    Attributes:
        head: the mean of models that each leave out a part of the corpus, as the linear model is one.
        temperature: divides its logits.
        apart: (rows, labels) probabilities of each row by the one model of the mean that was trained without its part.
    """

    head: Head
    temperature: float
    apart: Chances


class Voice(NamedTuple):
    """What an encoder has to say in one language: a head, and how it joins in; None where it does not help enough."""

    fitted: Fitted
    mix: Mix | None


def fit_voices(
    rows: Sequence[Row], vectors: NDArray[np.float32], local: Chances, below: float
) -> dict[Language, Voice]:
    """A head for each language of the rows, and how much it should say.

    Args:
        rows: the labelled texts.
        vectors: (rows, dimension) of each.
        local: (rows, labels) what linear models say that have not seen a row's part.
        below: the encoder will be asked about texts whose best local score is lower.
    """
    voices = {}
    for language in (Language.GERMAN, Language.ENGLISH):
        here = [number for number, row in enumerate(rows) if row.language is language]
        if here:
            own = [rows[number] for number in here]
            fitted = fit_head(own, vectors[here])
            voices[language] = Voice(fitted, choose_mix(own, local[here], fitted, below))
    return voices


def numbers(rows: Sequence[Row]) -> Labels:
    """(rows,) the label of each row, by its place."""
    return np.array([LABELS.index(row.label) for row in rows], dtype=np.intp)


def fit_head(rows: Sequence[Row], vectors: NDArray[np.float32]) -> Fitted:
    """A head for the language of these rows.

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
    divisor = round(temperature(logits, labels), 4)
    head = Head(
        weights=np.mean([model.coef_.T for model in found], axis=0).astype(np.float32),
        bias=np.mean([model.intercept_ for model in found], axis=0).astype(np.float32),
    )
    return Fitted(head, divisor, softmax(logits / divisor))


def choose_mix(rows: Sequence[Row], local: Chances, fitted: Fitted, below: float) -> Mix | None:
    """How much a head says: the least log loss on the texts that it is asked about; None where it does not help enough.

    Args:
        rows: the labelled texts of its language.
        local: (rows, labels) what linear models say that have not seen a row's part.
        fitted: the head.
        below: only texts whose best local score is lower count.
    """
    here = local.max(axis=1) < below
    if here.sum() < FEWEST:
        return None
    labels = numbers(rows)[here]
    tried = [_mix(share, local[here], fitted.apart[here], labels) for share in SHARES]
    loss, mix = min(tried, key=lambda one: one[0])
    return mix.model_copy(update={"head_temperature": fitted.temperature}) if tried[0][0] - loss >= LEAST_GAIN else None


def _mix(share: float, local: Chances, head: Chances, labels: Labels) -> tuple[float, Mix]:
    """The log loss with this share, and the temperature at which it is least."""
    together = np.log(mixed(local, head, Mix(share=share, temperature=1.0)))
    mix = Mix(share=share, temperature=round(temperature(together, labels), 4))
    chances = mixed(local, head, mix)[np.arange(len(labels)), labels]
    return float(-np.log(chances).mean()), mix
