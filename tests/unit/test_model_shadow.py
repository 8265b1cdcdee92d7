"""A candidate beside the active model: it is counted and shown, and never touches an answer."""

from collections.abc import Sequence

import pytest
from prometheus_client import REGISTRY

from silofrei.routing.classifier.model import TextInput
from silofrei.routing.classifier.shadow import EXAMPLES, ShadowedClassifier, compare
from silofrei.schemas.classification import Classification, Scores
from silofrei.schemas.names import Label, Language


class Scripted:
    """Gives each text the label that its last word names; `?` abstains."""

    def __init__(self, model: str, place: int, error: Exception | None = None) -> None:
        self.model = model
        self._place = place
        self._error = error
        self.asked = 0

    def classify(self, inputs: Sequence[TextInput], *, explain: bool = True) -> list[Classification]:
        self.asked += 1
        if self._error:
            raise self._error
        return [self._answer(one.text.split()[self._place]) for one in inputs]

    def _answer(self, word: str) -> Classification:
        label = Label(word.removesuffix("?"))
        scores = dict.fromkeys(Label, 0.05) | {label: 0.8}
        return Classification(
            label=label, scores=Scores(**scores), language=Language.GERMAN, abstained=word.endswith("?"),
            model=self.model,
        )  # fmt: skip


def counted(active: str, candidate: str) -> float:
    labels = {"active": active, "candidate": candidate}
    return REGISTRY.get_sample_value("silofrei_shadow_decisions_total", labels) or 0.0


TEXTS = [TextInput(text) for text in ("service service", "service hr", "hr hr?", "none? sales", "service hr")]


def test_the_answers_are_the_active_models_and_each_pair_is_counted() -> None:
    pairs = [("service", "service"), ("service", "hr"), ("hr", "triage"), ("triage", "sales"), ("hr", "hr")]
    before = [counted(*pair) for pair in pairs]
    active = Scripted("active-1", 0)
    shadowed = ShadowedClassifier(active, Scripted("new-1", 1))
    assert shadowed.classify(TEXTS) == active.classify(TEXTS)
    assert shadowed.model == "active-1"
    assert [counted(*pair) - then for pair, then in zip(pairs, before, strict=True)] == [1, 2, 1, 1, 0]


def test_a_candidate_that_fails_is_told_once_and_asked_no_more(caplog: pytest.LogCaptureFixture) -> None:
    candidate = Scripted("broken-1", 1, RuntimeError("no"))
    shadowed = ShadowedClassifier(Scripted("active-1", 0), candidate)
    for _ in range(3):
        assert [answer.label for answer in shadowed.classify(TEXTS)][:3] == ["service", "service", "hr"]
    assert candidate.asked == 1
    assert caplog.text.count("The shadow model broken-1 failed") == 1


def test_offline_it_tells_what_would_move_the_commonest_first() -> None:
    found = compare(Scripted("active-1", 0), Scripted("new-1", 1), [TEXTS[:2], TEXTS[2:]])
    assert (found.active_model, found.candidate_model, found.texts, found.agreed) == ("active-1", "new-1", 5, 1)
    assert [(one.active, one.candidate, one.count) for one in found.moves] == [
        ("service", "hr", 2),
        ("hr", "triage", 1),
        ("triage", "sales", 1),
    ]
    assert [one.text for one in found.examples] == ["service hr", "hr hr?", "none? sales", "service hr"]
    assert {one.score for one in found.examples} == {0.8}


def test_examples_have_an_end_and_counts_do_not() -> None:
    found = compare(Scripted("a", 0), Scripted("b", 1), [[TextInput("pr hr")] * 50])
    assert (found.moves[0].count, len(found.examples)) == (50, EXAMPLES)


def test_nothing_gives_nothing() -> None:
    found = compare(Scripted("a", 0), Scripted("b", 1), [])
    assert (found.texts, found.agreed, found.moves) == (0, 0, ())
