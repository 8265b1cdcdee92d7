"""What a classifier reaches on labelled texts, in full: per class and language, confusion, coverage, calibration.

Owns: the figures that people look at before they trust a model. `evaluate.py` has the few that a card holds, and how F1
and calibration are reckoned.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from silofrei.routing.classifier.assess_aspects import (
    MoodFigures,
    SecondaryFigures,
    UrgencyFigures,
    mood_figures,
    secondary_figures,
    urgency_figures,
)
from silofrei.routing.classifier.evaluate import BINS, bin_places, calibration_error, label_f1
from silofrei.routing.classifier.labelled import Labelled
from silofrei.routing.classifier.lexicon import LABELS
from silofrei.routing.classifier.model import Classifier, TextInput
from silofrei.schemas.classification import Classification
from silofrei.schemas.names import Label

STEPS = 20
"""Points of the coverage curve."""
BATCH = 500

_Places = NDArray[np.intp]


class _Figures(BaseModel):
    model_config = ConfigDict(frozen=True)


class ClassFigures(_Figures):
    """One label: how many texts have it, how many were given it; precision and recall are None where there are none."""

    label: Label
    texts: int
    given: int
    precision: float | None
    recall: float | None
    f1: float


class LanguageFigures(_Figures):
    """The texts of one language, as they are labelled or, without that, as the classifier tells it."""

    language: str
    texts: int
    accuracy: float
    macro_f1: float


class CoveragePoint(_Figures):
    """The surest `coverage` of the texts have a best score of `score` and more, and this accuracy."""

    coverage: float
    score: float
    accuracy: float


class Bin(_Figures):
    """Texts whose best score lies from `low` to `high`; both are None where there are none."""

    low: float
    high: float
    texts: int
    score: float | None
    accuracy: float | None


class Assessment(_Figures):
    """All figures of one model on one set.

    `macro_f1` is the mean over the labels that occur, in the texts or in the answers. `confusion` has a row for each
    label of the texts and a column for each label given, in the order of `Label`. `routed` is the share that it does
    not abstain from, `routed_accuracy` the accuracy there.
    """

    model: str
    texts: int
    accuracy: float
    macro_f1: float
    routed: float
    routed_accuracy: float | None
    calibration_error: float
    classes: tuple[ClassFigures, ...]
    languages: tuple[LanguageFigures, ...]
    confusion: tuple[tuple[int, ...], ...]
    coverage: tuple[CoveragePoint, ...]
    bins: tuple[Bin, ...]
    secondary: SecondaryFigures
    mood: MoodFigures | None = None
    urgency: UrgencyFigures | None = None


def assess(classifier: Classifier, rows: Sequence[Labelled]) -> Assessment:
    """Figures of `classifier` on these texts; it is not told their language.

    Raises:
        ValueError: there are no texts.
    """
    if not rows:
        raise ValueError("there is nothing to evaluate")
    answers = list[Classification]()
    for start in range(0, len(rows), BATCH):
        answers += classifier.classify([TextInput(row.text) for row in rows[start : start + BATCH]], explain=False)
    truth = np.array([LABELS.index(row.label) for row in rows])
    given = np.array([LABELS.index(answer.label) for answer in answers])
    scores = np.array([answer.scores.of(answer.label) for answer in answers])
    routed = np.array([not answer.abstained for answer in answers])
    return Assessment(
        model=classifier.model,
        texts=len(rows),
        accuracy=_round(float((truth == given).mean())),
        macro_f1=_macro_f1(truth, given),
        routed=_round(float(routed.mean())),
        routed_accuracy=_share(int((truth == given)[routed].sum()), int(routed.sum())),
        calibration_error=calibration_error(truth == given, scores),
        classes=_classes(truth, given),
        languages=_languages(rows, answers, truth, given),
        confusion=tuple(
            tuple(int(((truth == row) & (given == column)).sum()) for column in range(len(LABELS)))
            for row in range(len(LABELS))
        ),
        coverage=_coverage(truth == given, scores),
        bins=_bins(truth == given, scores),
        secondary=secondary_figures(rows, answers),
        mood=mood_figures(rows, answers),
        urgency=urgency_figures(rows, answers),
    )


def _classes(truth: _Places, given: _Places) -> tuple[ClassFigures, ...]:
    found = []
    for number, label in enumerate(LABELS):
        right = int(((truth == number) & (given == number)).sum())
        texts, told = int((truth == number).sum()), int((given == number).sum())
        found.append(
            ClassFigures(
                label=label,
                texts=texts,
                given=told,
                precision=_share(right, told),
                recall=_share(right, texts),
                f1=label_f1(truth == number, given == number),
            )
        )
    return tuple(found)


def _macro_f1(truth: _Places, given: _Places) -> float:
    return _round(float(np.mean([one.f1 for one in _classes(truth, given) if one.texts or one.given])))


def _languages(
    rows: Sequence[Labelled], answers: Sequence[Classification], truth: _Places, given: _Places
) -> tuple[LanguageFigures, ...]:
    spoken = np.array([(row.lang or answer.language).value for row, answer in zip(rows, answers, strict=True)])
    found = []
    for language in sorted(set(spoken.tolist())):
        own = spoken == language
        found.append(
            LanguageFigures(
                language=language,
                texts=int(own.sum()),
                accuracy=_round(float((truth == given)[own].mean())),
                macro_f1=_macro_f1(truth[own], given[own]),
            )
        )
    return tuple(found)


def _coverage(right: NDArray[np.bool_], scores: NDArray[np.float64]) -> tuple[CoveragePoint, ...]:
    order = np.argsort(-scores, kind="stable")
    sizes = sorted({max(1, round(len(order) * step / STEPS)) for step in range(1, STEPS + 1)})
    return tuple(
        CoveragePoint(
            coverage=_round(size / len(order)),
            score=_round(float(scores[order[size - 1]])),
            accuracy=_round(float(right[order[:size]].mean())),
        )
        for size in sizes
    )


def _bins(right: NDArray[np.bool_], scores: NDArray[np.float64]) -> tuple[Bin, ...]:
    places = bin_places(scores)
    found = []
    for number in range(BINS):
        own = places == number
        there = bool(own.any())
        found.append(
            Bin(
                low=number / BINS,
                high=(number + 1) / BINS,
                texts=int(own.sum()),
                score=float(scores[own].mean()) if there else None,
                accuracy=float(right[own].mean()) if there else None,
            )
        )
    return tuple(found)


def _share(part: int, whole: int) -> float | None:
    return _round(part / whole) if whole else None


def _round(value: float) -> float:
    return round(value, 4)
