"""What a classifier reaches on the mood, the urgency and the other departments, where somebody labelled them."""

from collections.abc import Sequence

import numpy as np
from pydantic import BaseModel, ConfigDict

from silofrei.routing.classifier.evaluate import calibration_error, label_f1
from silofrei.routing.classifier.labelled import Labelled
from silofrei.schemas.classification import Classification
from silofrei.schemas.names import Sentiment


class _Figures(BaseModel):
    model_config = ConfigDict(frozen=True)


class SecondaryFigures(_Figures):
    """Others that should see a text, over the texts that say so; None where there is nothing to divide by."""

    texts: int
    wanted: int
    given: int
    right: int
    precision: float | None
    recall: float | None


class MoodFigures(_Figures):
    """Over the texts whose mood is labelled and told; `f1` is that of each sentiment, in their order."""

    texts: int
    accuracy: float
    macro_f1: float
    f1: tuple[float, ...]
    calibration_error: float


class UrgencyFigures(_Figures):
    """Over the texts whose urgency is labelled and told.

    `urgent` is the share of texts that somebody has to see today, `urgent_of_top` that share among the tenth with the
    highest scores. `calibration_error` is that of the score.
    """

    texts: int
    urgent: float
    urgent_of_top: float
    calibration_error: float


def secondary_figures(rows: Sequence[Labelled], answers: Sequence[Classification]) -> SecondaryFigures:
    """How well the other departments are told."""
    told = [
        (set(row.secondary), set(answer.secondary) - {row.label})
        for row, answer in zip(rows, answers, strict=True)
        if row.secondary is not None
    ]
    wanted, given = sum(len(one) for one, _ in told), sum(len(other) for _, other in told)
    right = sum(len(one & other) for one, other in told)
    return SecondaryFigures(
        texts=len(told),
        wanted=wanted,
        given=given,
        right=right,
        precision=round(right / given, 4) if given else None,
        recall=round(right / wanted, 4) if wanted else None,
    )


def mood_figures(rows: Sequence[Labelled], answers: Sequence[Classification]) -> MoodFigures | None:
    """How well the mood is told; None where nothing is labelled."""
    told = [
        (row.mood, answer.mood)
        for row, answer in zip(rows, answers, strict=True)
        if row.mood is not None and answer.mood is not None
    ]
    if not told:
        return None
    truth = np.array([mood for mood, _ in told])
    given = np.array([mood.likeliest for _, mood in told])
    sure = np.array([mood.of(mood.likeliest) for _, mood in told])
    f1 = [label_f1(truth == one, given == one) for one in Sentiment]
    return MoodFigures(
        texts=len(told),
        accuracy=round(float((truth == given).mean()), 4),
        macro_f1=round(float(np.mean(f1)), 4),
        f1=tuple(f1),
        calibration_error=calibration_error(truth == given, sure),
    )


def urgency_figures(rows: Sequence[Labelled], answers: Sequence[Classification]) -> UrgencyFigures | None:
    """How well urgency is told; None where nothing is labelled."""
    told = [
        (row.urgent, answer.urgency)
        for row, answer in zip(rows, answers, strict=True)
        if row.urgent is not None and answer.urgency is not None
    ]
    if not told:
        return None
    truth = np.array([urgent for urgent, _ in told], dtype=bool)
    scores = np.array([score for _, score in told])
    top = np.argsort(-scores, kind="stable")[: max(1, len(told) // 10)]
    return UrgencyFigures(
        texts=len(told),
        urgent=round(float(truth.mean()), 4),
        urgent_of_top=round(float(truth[top].mean()), 4),
        calibration_error=calibration_error(truth, scores),
    )
