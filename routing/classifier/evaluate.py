"""How good a classifier is: macro-F1, per class, the surest half, calibration.

Owns: the few figures that a card holds, and how F1 and calibration are reckoned. `assess.py` has those in full.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from silofrei.routing.classifier.corpus_rows import Row
from silofrei.routing.classifier.lexicon import LABELS
from silofrei.routing.classifier.model import TextInput

BINS = 10


class Judge(Protocol):
    """A classifier that gives its probabilities."""

    def probabilities(self, inputs: Sequence[TextInput]) -> NDArray[np.float64]:
        """(texts, labels) in the order of `Label`."""


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Figures of one classifier on one set.

    Attributes:
        texts: how many.
        accuracy: share with the right best label.
        macro_f1: mean of the labels' F1.
        f1: by label.
        surest_half: accuracy on the half with the highest best score.
        calibration_error: expected difference between best score and frequency of being right, in ten bins.
    """

    texts: int
    accuracy: float
    macro_f1: float
    f1: dict[str, float]
    surest_half: float
    calibration_error: float


def evaluate(classifier: Judge, rows: Sequence[Row]) -> Evaluation:
    """Figures of `classifier` on these rows; it is not told their language.

    Raises:
        ValueError: there are no rows.
    """
    return figures(rows, classifier.probabilities([TextInput(row.text) for row in rows]))


def by_language(classifier: Judge, rows: Sequence[Row]) -> dict[str, dict[str, Any]]:
    """Figures of `classifier` for each of `figures_by_language`, as a card holds them."""
    found = figures_by_language(rows, classifier.probabilities([TextInput(row.text) for row in rows]))
    return {name: asdict(one) for name, one in found.items()}


def figures_by_language(rows: Sequence[Row], probabilities: NDArray[np.float64]) -> dict[str, Evaluation]:
    """Figures of `probabilities` (rows, labels) for `all` rows, `de` and `en`; a set without rows is left out."""
    spoken = np.array([row.language.value for row in rows])
    sets = {"all": spoken != "", **{code: spoken == code for code in ("de", "en")}}
    return {
        name: figures([row for row, own in zip(rows, here, strict=True) if own], probabilities[here])
        for name, here in sets.items()
        if here.any()
    }


def figures(rows: Sequence[Row], probabilities: NDArray[np.float64]) -> Evaluation:
    """Figures of `probabilities` (rows, labels).

    Raises:
        ValueError: there are no rows.
    """
    if not rows:
        raise ValueError("there is nothing to evaluate")
    truth = np.array([LABELS.index(row.label) for row in rows])
    best = probabilities.argmax(axis=1)
    sure = probabilities.max(axis=1)
    right = best == truth
    f1 = {label.value: label_f1(truth == number, best == number) for number, label in enumerate(LABELS)}
    order = np.argsort(-sure, kind="stable")[: max(1, len(rows) // 2)]
    return Evaluation(
        texts=len(rows),
        accuracy=round(float(right.mean()), 4),
        macro_f1=round(float(np.mean(list(f1.values()))), 4),
        f1=f1,
        surest_half=round(float(right[order].mean()), 4),
        calibration_error=calibration_error(right, sure),
    )


def label_f1(wanted: NDArray[np.bool_], given: NDArray[np.bool_]) -> float:
    """F1 of one label, four digits: which texts have it, and which were given it; 0 where none was either."""
    either = int(wanted.sum() + given.sum())
    return round(2 * int((wanted & given).sum()) / either, 4) if either else 0.0


def bin_places(sure: NDArray[np.float64]) -> NDArray[np.intp]:
    """For each best score the number of its bin."""
    return np.minimum((sure * BINS).astype(np.intp), BINS - 1)


def calibration_error(right: NDArray[np.bool_], sure: NDArray[np.float64]) -> float:
    """Expected difference between best score and frequency of being right, in `BINS` bins, four digits."""
    places = bin_places(sure)
    gap = sum(
        abs(right[places == one].mean() - sure[places == one].mean()) * (places == one).sum()
        for one in np.unique(places)
    )
    return round(float(gap / len(sure)), 4)
