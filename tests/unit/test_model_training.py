"""Training with corrections: what is learned and what is held out, the gate, and what becomes of a worse model."""

import json
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from silofrei.routing.classifier.assess import Assessment, assess
from silofrei.routing.classifier.corpus_rows import Row, load_corpus
from silofrei.routing.classifier.gate import FEWEST, judge
from silofrei.routing.classifier.labelled import Labelled, labelled
from silofrei.routing.classifier.lexicon import Lexicon
from silofrei.routing.classifier.model import load_classifier
from silofrei.routing.classifier.registry import Registry
from silofrei.routing.classifier.retrained import Trained
from silofrei.routing.classifier.stored import CARD, ModelError, Weights, read_model
from silofrei.schemas.config import Thresholds
from silofrei.schemas.names import Label, Language

pytest.importorskip("sklearn", reason="training needs the extra `train`")
from threadpoolctl import threadpool_limits

from silofrei.routing.classifier import retrain as retraining
from silofrei.routing.classifier.retrain import WEIGHT, held_out, retrain, split
from silofrei.routing.classifier.train import train

NOW = datetime(2026, 11, 24, 9, tzinfo=UTC)
CORPUS = load_corpus()[::12]
"""Enough to compare on, quick to answer."""


def correction(text: str, label: Label = Label.HR, lang: Language | None = Language.GERMAN) -> Labelled:
    return Labelled(text=text, label=label, lang=lang)


CORRECTIONS = [correction(f"Im Lager Nr. {number} zahlen sie die Nachtschicht nicht") for number in range(100)]


# --- What is learned and what is held out


def test_a_fifth_of_the_corrections_is_held_out_whoever_joins() -> None:
    parts = split(CORPUS, CORRECTIONS)
    kept = {one.text for one in parts.held_out["corrections"]}
    assert 10 <= len(kept) <= 30
    assert kept == {one.text for one in CORRECTIONS if held_out(one.text)}
    assert kept.isdisjoint(row.text for row in parts.seen)
    assert parts.learned == len(CORRECTIONS) - len(kept)
    fewer = split(CORPUS, CORRECTIONS[:40])
    assert {one.text for one in fewer.held_out["corrections"]} == kept & {one.text for one in CORRECTIONS[:40]}


def test_nothing_held_out_is_trained_on_even_where_a_correction_repeats_it() -> None:
    tests = [row for row in CORPUS if row.held_out]
    parts = split(CORPUS, [correction(row.text) for row in tests])
    assert {row.text for row in tests}.isdisjoint(row.text for row in parts.seen)
    assert (parts.learned, list(parts.held_out)) == (0, ["corpus"])


def test_corrections_count_more_and_the_last_word_on_a_text_wins() -> None:
    text = next(one.text for one in CORRECTIONS if not held_out(one.text))
    known = next(row for row in CORPUS if not row.held_out and not held_out(row.text) and row.label is not Label.PR)
    told = [correction(text, Label.PR), correction(text, Label.SALES), correction(known.text, Label.PR)]
    parts = split(CORPUS, told, weight=4.0)
    assert parts.weights[-2:] == [4.0, 4.0]
    assert set(parts.weights[:-2]) == {1.0}
    assert len(parts.weights) == len(parts.seen)
    assert [row.label for row in parts.seen if row.text == text] == [Label.SALES]
    assert [row.label for row in parts.seen if row.text == known.text] == [Label.PR], "it replaces the corpus' label"


def test_other_languages_are_left_out_and_counted() -> None:
    told = [correction(f"{n}", lang=lang) for n, lang in enumerate([Language.OTHER, Language.UNDETERMINED, None])]
    assert (split(CORPUS, told).other_language, split(CORPUS, told).learned) == (3, 0)


# --- The gate


@pytest.fixture(scope="module")
def reached(corpus: Sequence[Row]) -> Assessment:
    return assess(load_classifier(Thresholds()), [labelled(row) for row in corpus if row.held_out][:300])


def fallen(reached: Assessment, by: float, *labels: Label) -> Assessment:
    classes = [one.model_copy(update={"f1": one.f1 - by}) if one.label in labels else one for one in reached.classes]
    return reached.model_copy(update={"classes": tuple(classes)})


@pytest.mark.parametrize("label", Label)
def test_one_department_that_got_worse_is_enough_to_refuse(reached: Assessment, label: Label) -> None:
    assert judge({"corpus": (reached, fallen(reached, 0.02, label))}, 0.02).passed, "just as much as is allowed"
    refused = judge({"corpus": (reached, fallen(reached, 0.021, label))}, 0.02)
    assert [(one.held_out, one.label) for one in refused.against] == [("corpus", label)]


def test_macro_f1_is_judged_too(reached: Assessment) -> None:
    refused = judge({"corpus": (reached, fallen(reached, 0.015, *Label))}, 0.01)
    assert None in [one.label for one in refused.against]
    assert judge({"corpus": (fallen(reached, 0.3, *Label), reached)}, 0.0).passed, "better is never refused"


def test_each_set_is_judged(reached: Assessment) -> None:
    refused = judge({"corpus": (reached, reached), "corrections": (reached, fallen(reached, 0.1, Label.HR))}, 0.02)
    assert {one.held_out for one in refused.against} == {"corrections"}


def test_a_handful_of_texts_is_shown_and_not_judged(reached: Assessment) -> None:
    def few(found: Assessment, texts: int) -> Assessment:
        classes = tuple(one.model_copy(update={"texts": texts}) for one in found.classes)
        return found.model_copy(update={"classes": classes, "texts": 5 * texts})

    worse = fallen(reached, 0.5, Label.HR)
    verdict = judge({"corrections": (few(reached, FEWEST - 1), few(worse, FEWEST - 1))}, 0.2)
    assert verdict.passed
    assert any(one.candidate < one.active and not one.judged for one in verdict.figures)
    assert not judge({"corrections": (few(reached, FEWEST), few(worse, FEWEST))}, 0.2).passed


def test_a_tolerance_that_is_no_number_lets_nothing_pass(reached: Assessment) -> None:
    assert not judge({"corpus": (reached, reached)}, float("nan")).passed


# --- Training, storing, activating


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    return Registry(tmp_path / "models")


Train = Callable[..., Trained]


@pytest.fixture
def trained(registry: Registry, turned_weights: Callable[[int], Weights], monkeypatch: pytest.MonkeyPatch) -> Train:
    """Trains with a stand-in that gives the packaged weights, their labels turned round by so many places."""
    lexicon = read_model().weights.lexicon
    # The stand-in does not look at it, and to read 29,000 terms each time takes longer than all else.
    monkeypatch.setattr(retraining, "packaged_lexicon", lambda: lexicon)

    def run(name: str = "new", turn: int = 0, **options: Any) -> Trained:
        def trainer(rows: Sequence[Row], lexicon: Lexicon, counts: Sequence[float], own: int) -> Weights:
            assert 0 <= own <= len(rows) == len(counts)
            return turned_weights(turn)

        given: dict[str, Any] = {"tolerance": 0.02, "at": NOW, "corpus": CORPUS, "trainer": trainer, **options}
        return retrain(registry, CORRECTIONS, name=name, **given)

    return run


def test_a_model_that_is_no_worse_becomes_active(registry: Registry, trained: Train) -> None:
    done = trained()
    assert (done.stored, done.activated, done.corrections) == ("new", True, split(CORPUS, CORRECTIONS).learned)
    assert registry.pointer().active == "new"
    assert done.model == registry.load("new", Thresholds()).model
    card = json.loads((registry.folder / "new" / CARD).read_text())
    assert (card["corrections"], card["correction_weight"], card["tolerance"]) == (done.corrections, WEIGHT, 0.02)
    assert card["trained_on"] == done.trained_on
    assert card["held_out"]["all"]["texts"] == sum(row.held_out for row in CORPUS)
    assert card["compared_with"] == load_classifier(Thresholds()).model


def test_a_worse_model_is_stored_and_not_activated(registry: Registry, trained: Train) -> None:
    done = trained(turn=1)
    assert (done.stored, done.activated, done.verdict.passed) == ("new", False, False)
    assert done.verdict.against
    assert registry.pointer().active == "packaged"
    assert registry.names() == ["new"], "so that it can be watched in the shadow"
    assert trained("other", turn=1, tolerance=1.0).activated


def test_it_is_compared_with_the_active_model_and_not_with_the_packaged_one(registry: Registry, trained: Train) -> None:
    trained("turned", turn=1, tolerance=1.0)
    assert registry.pointer().active == "turned"
    assert trained("again", turn=1).activated, "no worse than the one that is active"
    assert not trained("worse", turn=2, tolerance=0.0).activated


def test_a_dry_run_leaves_nothing(registry: Registry, trained: Train) -> None:
    done = trained(dry_run=True)
    assert (done.stored, done.activated, done.verdict.passed) == (None, False, True)
    assert not registry.folder.exists()


def test_a_name_that_is_taken_is_refused_before_the_training(registry: Registry, trained: Train) -> None:
    trained("a", tolerance=1.0)

    def never(*_: object) -> Weights:
        raise AssertionError

    with pytest.raises(ModelError, match="already"):
        trained("a", trainer=never)


def test_the_same_weights_give_the_same_model_and_no_pickle(registry: Registry, trained: Train) -> None:
    trained("a", tolerance=1.0)
    trained("b", tolerance=1.0)
    first, second = (registry.folder / name / "model.npz" for name in ("a", "b"))
    assert first.read_bytes() == second.read_bytes()
    with np.load(first, allow_pickle=False) as arrays:
        assert all(arrays[name].dtype != object for name in arrays)


@pytest.mark.slow
def test_corrections_are_learned_and_weights_matter(registry: Registry, corpus: Sequence[Row]) -> None:
    corpus = corpus[::6]
    texts = [f"Die Kantine {name} hat heute wieder Spinat" for name in ("Nord", "Süd", "West", "Ost", "Mitte") * 8]
    told = [correction(f"{text} {number}", Label.PR) for number, text in enumerate(texts)]
    done = retrain(registry, told, name="new", tolerance=1.0, at=NOW, corpus=corpus, trainer=train)
    on_corrections = [one for one in done.verdict.figures if one.held_out == "corrections" and one.label is Label.PR]
    assert on_corrections[0].candidate > on_corrections[0].active
    rows = [row for row in corpus if not row.held_out]
    with threadpool_limits(1):  # as `retrain` does; on a busy machine several threads take many times as long
        doubled = train(rows, read_model().weights.lexicon, [2.0] * len(rows))
        assert not np.array_equal(doubled.sparse, train(rows, read_model().weights.lexicon).sparse)
