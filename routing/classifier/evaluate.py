"""How good the classifier is: macro-F1, per class, the surest half, calibration."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from silofrei.routing.classifier.corpus_rows import Row
from silofrei.routing.classifier.lexicon import LABELS

BINS = 10


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Figures of one classifier on one set.

    Attributes:
        texts: how many.
        accuracy: share with the right best label.
        macro_f1: mean of the labels' F1.
        f1: by label.
        surest_half: accuracy on the half with the highest best score.
        calibration_error: expected difference between score and frequency, ten bins.
    """

    texts: int
    accuracy: float
    macro_f1: float
    f1: dict[str, float]
    surest_half: float
    calibration_error: float


def evaluate(rows: Sequence[Row], probabilities: NDArray[np.float32]) -> Evaluation:
    """Figures for `probabilities` (texts, labels) against the rows' labels.

    Raises:
        ValueError: there are no rows.
    """
    if not rows:
        raise ValueError("there is nothing to evaluate")
    truth = np.array([LABELS.index(row.label) for row in rows])
    best = probabilities.argmax(axis=1)
    sure = probabilities.max(axis=1)
    right = best == truth
    f1 = {}
    for number, label in enumerate(LABELS):
        both = int(((best == number) & (truth == number)).sum())
        all_ = int((best == number).sum() + (truth == number).sum())
        f1[label.value] = round(2 * both / all_, 4) if all_ else 0.0
    order = np.argsort(-sure, kind="stable")[: max(1, len(rows) // 2)]
    bins = np.minimum((sure * BINS).astype(int), BINS - 1)
    gap = sum(
        abs(right[bins == one].mean() - sure[bins == one].mean()) * (bins == one).sum()
        for one in range(BINS)
        if (bins == one).any()
    )
    return Evaluation(
        texts=len(rows),
        accuracy=round(float(right.mean()), 4),
        macro_f1=round(float(np.mean(list(f1.values()))), 4),
        f1=f1,
        surest_half=round(float(right[order].mean()), 4),
        calibration_error=round(float(gap / len(rows)), 4),
    )
