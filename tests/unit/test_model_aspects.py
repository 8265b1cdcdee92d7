"""Figures of mood, urgency and other departments, by hand, and where people read them."""

from datetime import UTC, datetime

import pytest

from silofrei.deploy.cli.print_model import assessment_as_text
from silofrei.desk.evaluation_page import evaluation_page
from silofrei.routing.classifier.assess import assess
from silofrei.routing.classifier.assess_aspects import mood_figures, urgency_figures
from silofrei.routing.classifier.corpus_rows import Row
from silofrei.routing.classifier.labelled import Labelled, labelled
from silofrei.routing.classifier.model import load_classifier
from silofrei.schemas.classification import Classification, Mood, Scores
from silofrei.schemas.config import Thresholds
from silofrei.schemas.names import Label, Language, Sentiment

NOW = datetime(2026, 11, 24, 9, 30, tzinfo=UTC)
SCORES = Scores(service=1, sales=0, hr=0, pr=0, none=0)


def said(mood: Mood | None = None, urgency: float | None = None) -> Classification:
    return Classification(
        label=Label.SERVICE,
        scores=SCORES,
        mood=mood,
        urgency=urgency,
        language=Language.GERMAN,
        abstained=False,
        model="m",
    )


def row(mood: Sentiment | None = None, urgent: bool | None = None) -> Labelled:
    return Labelled(text="text", label=Label.SERVICE, mood=mood, urgent=urgent)


def test_mood_by_hand() -> None:
    angry, calm = Mood(negative=0.8, neutral=0.15, positive=0.05), Mood(negative=0.1, neutral=0.6, positive=0.3)
    rows = [row(Sentiment.NEGATIVE), row(Sentiment.NEUTRAL), row(Sentiment.POSITIVE), row(), row(Sentiment.NEGATIVE)]
    found = mood_figures(rows, [said(angry), said(calm), said(calm), said(angry), said(None)])
    assert found is not None
    assert found.texts == 3, "neither the text that nobody labelled nor the one of which nothing was said"
    assert found.accuracy == pytest.approx(2 / 3, abs=1e-4)
    assert found.f1 == (1.0, pytest.approx(2 / 3, abs=1e-4), 0.0)
    assert found.macro_f1 == pytest.approx(5 / 9, abs=1e-4)
    assert found.calibration_error == pytest.approx((0.2 + 2 * 0.1) / 3, abs=1e-4)


def test_urgency_by_hand() -> None:
    rows = [row(urgent=number < 3) for number in range(20)]
    found = urgency_figures(rows, [said(urgency=0.9 if number in (0, 1) else 0.1) for number in range(20)])
    assert found is not None
    assert (found.texts, found.urgent, found.urgent_of_top) == (20, 0.15, 1.0)
    assert found.calibration_error == pytest.approx((2 * 0.1 + 18 * abs(1 / 18 - 0.1)) / 20, abs=1e-4)


def test_where_nobody_labelled_there_are_no_figures() -> None:
    assert mood_figures([row()], [said(Mood(negative=1, neutral=0, positive=0))]) is None
    assert urgency_figures([row()], [said(urgency=0.5)]) is None


@pytest.mark.parametrize(
    ("language", "mood", "urgency"), [("de", "Stimmung", "Heute nötig"), ("en", "Mood", "Needed today")]
)
def test_people_read_them(corpus: list[Row], language: str, mood: str, urgency: str) -> None:
    rows = [labelled(one) for one in corpus if one.held_out][:300]
    found = assess(load_classifier(Thresholds()), rows)
    for shown in (assessment_as_text(found, language), evaluation_page(found, language, NOW)):
        assert mood in shown
        assert urgency in shown
    without = found.model_copy(update={"mood": None, "urgency": None})
    assert urgency not in assessment_as_text(without, language)
    assert urgency not in evaluation_page(without, language, NOW)


def test_the_packaged_model_holds_its_floors(corpus: list[Row]) -> None:
    found = assess(load_classifier(Thresholds()), [labelled(one) for one in corpus if one.held_out])
    assert found.mood is not None
    assert found.mood.macro_f1 >= 0.60
    assert found.mood.calibration_error <= 0.05
    assert found.urgency is not None
    assert found.urgency.urgent_of_top >= 3 * found.urgency.urgent
    assert found.urgency.calibration_error <= 0.05
    assert (found.secondary.precision or 0) >= 0.4
