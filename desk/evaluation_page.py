"""An evaluation of the classifier as one file: tables and plots, no script, nothing from elsewhere.

Owns: the plots' geometry and the page. Refuses: the figures (routing/classifier/assess.py).
"""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, NamedTuple

from markupsafe import Markup

from silofrei.desk.frame import load_templates
from silofrei.desk.report_page import SHADES
from silofrei.desk.words import Words
from silofrei.routing.classifier.assess import Assessment
from silofrei.routing.classifier.lexicon import LABELS
from silofrei.schemas.names import Label, Language, Sentiment

_STYLES = Path(__file__).parent / "static" / "desk.css"

WIDTH: Final = 320
HEIGHT: Final = 200
"""Size of a plot's inner area, in its own units."""

_LOWEST = 0.5
"""The coverage plot begins here unless a point lies below."""


class Point(NamedTuple):
    """A place in a plot."""

    x: float
    y: float


class Tick(NamedTuple):
    """A line of a plot's grid with its share."""

    at: float
    share: float


class Plot(NamedTuple):
    """Coverage (x) and accuracy (y): its line, its grid."""

    line: str
    points: tuple[Point, ...]
    rows: tuple[Tick, ...]


class Bar(NamedTuple):
    """One bin of the calibration plot: `top` is how often the scores were right, `mark` what they promised."""

    x: float
    width: float
    top: float
    mark: float
    weight: float


class Cell(NamedTuple):
    """Number of texts, and its shade from 0 to `SHADES` by its share of the row."""

    number: int
    heat: int


class Line(NamedTuple):
    """A row of the confusion matrix."""

    label: Label
    cells: tuple[Cell, ...]


def evaluation_page(found: Assessment, language: str, now: datetime, *, source: str = "") -> str:
    """The page as HTML.

    Args:
        found: the figures.
        language: `de` or `en`.
        now: when they were made.
        source: name of the file with the texts; empty for the held-out corpus or standard input.
    """
    template = load_templates().get_template("evaluation.html")
    html = template.render(
        t=Words(language, UTC),
        found=found,
        labels=LABELS,
        languages={member.value: member for member in Language},
        matrix=_matrix(found.confusion),
        coverage=_coverage(found),
        bars=_bars(found),
        moods=tuple(zip(Sentiment, found.mood.f1, strict=True)) if found.mood else (),
        width=WIDTH,
        height=HEIGHT,
        now=now,
        source=source,
        styles=Markup(_STYLES.read_text(encoding="utf-8")),  # noqa: S704  # our own file
    )
    return f"{html}\n"


def _matrix(confusion: Iterable[Sequence[int]]) -> list[Line]:
    return [
        Line(label, tuple(Cell(number, -(-SHADES * number // sum(row)) if number else 0) for number in row))
        for label, row in zip(LABELS, confusion, strict=True)
    ]


def _coverage(found: Assessment) -> Plot:
    lowest = min([_LOWEST, *(point.accuracy for point in found.coverage)])
    floor = int(lowest * 10) / 10

    def height(share: float) -> float:
        return round(HEIGHT * (1 - share) / (1 - floor), 1)

    points = tuple(Point(round(WIDTH * one.coverage, 1), height(one.accuracy)) for one in found.coverage)
    steps = range(round(floor * 10), 11, 1 if floor >= _LOWEST else 2)
    line = " ".join(f"{x},{y}" for x, y in points)
    return Plot(line, points, tuple(Tick(height(step / 10), step / 10) for step in steps))


def _bars(found: Assessment) -> list[Bar]:
    most = max(one.texts for one in found.bins)
    return [
        Bar(
            x=round(WIDTH * one.low, 1),
            width=round(WIDTH * (one.high - one.low), 1),
            top=round(HEIGHT * (1 - one.accuracy), 1),
            mark=round(HEIGHT * (1 - one.score), 1),
            weight=round(0.35 + 0.65 * one.texts / most, 2),
        )
        for one in found.bins
        if one.score is not None and one.accuracy is not None
    ]
