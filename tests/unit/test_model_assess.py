"""Figures that can be checked by hand, lines that people write, and the page made of them."""

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from html.parser import HTMLParser

import pytest

from silofrei.desk.evaluation_page import evaluation_page
from silofrei.routing.classifier.assess import Assessment, assess
from silofrei.routing.classifier.corpus_rows import Row
from silofrei.routing.classifier.evaluate import evaluate
from silofrei.routing.classifier.labelled import Labelled, PlainText, labelled, read_lines
from silofrei.routing.classifier.model import TextInput, load_classifier
from silofrei.schemas.classification import Classification, Scores
from silofrei.schemas.config import Thresholds
from silofrei.schemas.names import Label, Language

NOW = datetime(2026, 11, 24, 9, 30, tzinfo=UTC)
CARE, SELL, NONE = Label.SERVICE, Label.SALES, Label.NONE


class Scripted:
    """Answers as it is told, in order: label, score, others that should see it."""

    model = "scripted-1"

    def __init__(self, *answers: tuple[Label, float, tuple[Label, ...]]) -> None:
        self._answers = iter(answers)

    def classify(self, inputs: Sequence[TextInput], *, explain: bool = True) -> list[Classification]:
        assert all(one.language is None for one in inputs), "it is not told the language"
        return [self._one(*next(self._answers)) for _ in inputs]

    def _one(self, label: Label, score: float, secondary: tuple[Label, ...]) -> Classification:
        scores = dict.fromkeys(Label, (1 - score) / 4) | {label: score}
        return Classification(
            label=label, scores=Scores(**scores), secondary=secondary, language=Language.ENGLISH,
            abstained=score < 0.5, model=self.model,
        )  # fmt: skip


def row(label: Label, secondary: tuple[Label, ...] | None = None, lang: Language | None = Language.GERMAN) -> Labelled:
    return Labelled(text="text", label=label, secondary=secondary, lang=lang)


@pytest.fixture
def by_hand() -> Assessment:
    return assess(
        Scripted(
            (CARE, 0.95, (Label.PR,)), (CARE, 0.85, (Label.HR, SELL)), (SELL, 0.75, ()), (CARE, 0.45, (SELL,)),
        ),
        [row(CARE, (Label.PR, Label.HR)), row(SELL, (Label.HR,)), row(SELL, ()), row(CARE, None, None)],
    )  # fmt: skip


def test_classes_confusion_and_languages_by_hand(by_hand: Assessment) -> None:
    classes = {one.label: one for one in by_hand.classes}
    care, sell = classes[CARE], classes[SELL]
    assert (care.texts, care.given, care.precision, care.recall, care.f1) == (2, 3, 0.6667, 1.0, 0.8)
    assert (sell.texts, sell.given, sell.precision, sell.recall, sell.f1) == (2, 1, 1.0, 0.5, 0.6667)
    assert (classes[NONE].precision, classes[NONE].recall, classes[NONE].f1) == (None, None, 0.0)
    assert by_hand.macro_f1 == pytest.approx((0.8 + 0.6667) / 2, abs=1e-4), "labels that do not occur do not count"
    assert by_hand.accuracy == 0.75
    assert by_hand.confusion[0] == (2, 0, 0, 0, 0)
    assert by_hand.confusion[1] == (1, 1, 0, 0, 0)
    assert [(one.language, one.texts, one.accuracy) for one in by_hand.languages] == [("de", 3, 0.6667), ("en", 1, 1.0)]


def test_coverage_calibration_and_abstention_by_hand(by_hand: Assessment) -> None:
    assert [(one.coverage, one.score, one.accuracy) for one in by_hand.coverage] == [
        (0.25, 0.95, 1.0), (0.5, 0.85, 0.5), (0.75, 0.75, 0.6667), (1.0, 0.45, 0.75),
    ]  # fmt: skip
    assert (by_hand.routed, by_hand.routed_accuracy) == (0.75, 0.6667)
    told = [(one.low, one.texts, one.accuracy) for one in by_hand.bins if one.texts]
    assert told == [(0.4, 1, 1.0), (0.7, 1, 1.0), (0.8, 1, 0.0), (0.9, 1, 1.0)]
    assert by_hand.calibration_error == pytest.approx((0.55 + 0.25 + 0.85 + 0.05) / 4, abs=1e-4)


def test_secondary_labels_are_measured_where_somebody_said_so(by_hand: Assessment) -> None:
    second = by_hand.secondary
    # The second text's own label among the others is neither right nor wrong.
    assert (second.texts, second.wanted, second.given, second.right) == (3, 3, 2, 2)
    assert (second.precision, second.recall) == (1.0, 0.6667)


def test_the_figures_are_those_of_the_card(corpus: Sequence[Row]) -> None:
    rows = [one for one in corpus if one.held_out]
    classifier = load_classifier(Thresholds())
    found, card = assess(classifier, [labelled(one) for one in rows]), evaluate(classifier, rows)
    assert (found.accuracy, found.macro_f1) == pytest.approx((card.accuracy, card.macro_f1), abs=1e-4)
    assert {one.label.value: one.f1 for one in found.classes} == pytest.approx(card.f1, abs=1e-4)
    assert found.calibration_error == pytest.approx(card.calibration_error, abs=2e-4)
    assert sum(map(sum, found.confusion)) == len(rows)


def test_nothing_cannot_be_evaluated() -> None:
    with pytest.raises(ValueError, match="nothing to evaluate"):
        assess(Scripted(), [])


def test_lines_that_are_wrong_are_named_by_line_and_field_and_cost_nothing_else() -> None:
    lines = [
        b'{"text": "a", "label": "hr", "secondary": ["pr"], "lang": "de", "id": 7}',
        b"{", b"", b"[]", b'{"text": "b"}', b'{"text": "b", "label": "legal"}', b'{"text": "", "label": "hr"}',
        b'{"text": "c", "label": "hr", "lang": "fr"}', b'{"text": "d", "label": "hr", "secondary": ["x"]}',
        b'{"text": "\xff", "label": "hr"}', b'{"text": "z", "label": "none"}',
    ]  # fmt: skip
    said = list[str]()
    found = list(read_lines(lines, Labelled, said.append))
    assert [(one.text, one.label, one.secondary, one.lang) for one in found] == [
        ("a", "hr", (Label.PR,), "de"),
        ("z", "none", None, None),
    ]
    assert [re.match(r"line (\d+): ([\w.]+)", text).groups() for text in said] == [
        ("2", "line"), ("4", "line"), ("5", "label"), ("6", "label"), ("7", "text"), ("8", "lang"),
        ("9", "secondary.0"), ("10", "line"),
    ]  # fmt: skip
    assert [one.text for one in read_lines([b'{"text": "x", "label": 1}'], PlainText, pytest.fail)] == ["x"]


# --- The page


class Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))
        if tag not in ("meta", "br", "link"):
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


@pytest.mark.parametrize(("language", "title"), [("de", "Auswertung der Klassifikation"), ("en", "Evaluation of the")])
def test_the_page_stands_alone_in_both_languages(by_hand: Assessment, language: str, title: str) -> None:
    page = evaluation_page(by_hand, language, NOW)
    tags = Tags()
    tags.feed(page)
    assert tags.open == []
    names = {tag for tag, _ in tags.seen}
    assert names.isdisjoint({"script", "link", "img", "iframe", "object"})
    assert not [value for _, given in tags.seen for name, value in given.items() if name.startswith("on")]
    assert not re.search(r"(href|src)=|https?://|url\(|@import", page)
    assert "default-src 'none'" in page
    assert f'<html lang="{language}">' in page
    assert title in page
    assert "prefers-color-scheme: dark" in page
    assert ("0,80" if language == "de" else "0.80") in page
    assert page.count("<svg") >= 7


def test_what_others_named_is_escaped(by_hand: Assessment) -> None:
    named = by_hand.model_copy(update={"model": "</title><script>alert(1)</script>"})
    page = evaluation_page(named, "en", NOW, source='"><img src=x onerror=alert(1)>')
    assert "<script" not in page
    assert "<img" not in page
    assert "&lt;img src=x" in page


def test_plots_stay_within_their_frames_even_where_all_is_wrong() -> None:
    wrong = assess(Scripted((SELL, 0.99, ()), (SELL, 0.31, ())), [row(CARE), row(CARE)])
    page = evaluation_page(wrong, "en", NOW)
    for points in re.findall(r'points="([^"]+)"', page):
        for point in points.split():
            x, y = map(float, point.split(","))
            assert 0 <= x <= 320
            assert 0 <= y <= 200
    heights = re.findall(r'class="column"[^>]* y="([\d.-]+)" height="([\d.-]+)"', page)
    assert heights
    assert all(float(y) + float(height) == 200 and float(height) >= 0 for y, height in heights)
