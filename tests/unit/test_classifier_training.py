"""Training and evaluation: the same model each time, temperature, and figures that can be checked by hand."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from silofrei.routing.classifier.corpus_rows import Row
from silofrei.routing.classifier.evaluate import evaluate, figures
from silofrei.routing.classifier.lexicon import LABELS, compile_lexicon, read_terms
from silofrei.routing.classifier.model import TextInput, load_classifier
from silofrei.routing.classifier.stored import write_model
from silofrei.schemas.classification import Mood
from silofrei.schemas.config import Thresholds
from silofrei.schemas.names import Label, Language

pytest.importorskip("sklearn", reason="training needs the extra `train`")
from threadpoolctl import threadpool_limits

from silofrei.routing.classifier.train import temperature, train

NEAR = 0.97


def row(label: Label) -> Row:
    return Row("text", label, (), Language.GERMAN)


def chances(*best: Label) -> np.ndarray:
    rows = np.full((len(best), len(LABELS)), (1 - NEAR) / (len(LABELS) - 1))
    for number, label in enumerate(best):
        rows[number, LABELS.index(label)] = NEAR
    return rows


def test_figures_of_a_perfect_answer() -> None:
    found = figures([row(label) for label in Label], chances(*Label))
    assert (found.texts, found.accuracy, found.macro_f1, found.surest_half) == (5, 1.0, 1.0, 1.0)
    assert found.calibration_error == pytest.approx(1 - NEAR, abs=1e-4)


def test_figures_by_hand() -> None:
    truth = [Label.SERVICE, Label.SERVICE, Label.SALES, Label.SALES]
    said = [Label.SERVICE, Label.SALES, Label.SALES, Label.SALES]
    found = figures([row(label) for label in truth], chances(*said))
    assert found.accuracy == 0.75
    assert found.f1["service"] == pytest.approx(2 / 3, abs=1e-4)
    assert found.f1["sales"] == pytest.approx(0.8)
    assert found.f1["hr"] == 0.0
    assert found.calibration_error == pytest.approx(NEAR - 0.75, abs=1e-4)


def test_nothing_cannot_be_evaluated() -> None:
    with pytest.raises(ValueError, match="nothing to evaluate"):
        figures([], np.zeros((0, len(LABELS))))


def test_the_temperature_makes_scores_of_boasts() -> None:
    generator = np.random.default_rng(1)
    labels = generator.integers(0, 5, 4000)
    logits = generator.normal(size=(4000, 5))
    logits[np.arange(4000), labels] += 1.5
    assert temperature(logits * 3, labels) == pytest.approx(3 * temperature(logits, labels), rel=0.05)


def test_training_twice_gives_the_same_model_that_knows_its_texts(tmp_path: Path, corpus: Sequence[Row]) -> None:
    rows = corpus[::100]
    lexicon = compile_lexicon(read_terms())
    with threadpool_limits(1):  # as those who train do; on a busy machine several threads take fifteen times as long
        first, second = train(rows, lexicon), train(rows, lexicon)
    assert np.array_equal(first.sparse, second.sparse)
    assert np.array_equal(first.dense, second.dense)
    assert first.temperature == second.temperature
    for one in ("words", "dense", "chances", "bias"):
        assert np.array_equal(getattr(first.aspects, one), getattr(second.aspects, one))
    write_model(tmp_path, first, {"name": "linear-small"})
    classifier = load_classifier(Thresholds(), tmp_path)
    assert classifier.model.startswith("linear-small-")
    assert evaluate(classifier, rows).accuracy > 0.9
    (found,) = classifier.classify([TextInput(rows[0].text)])
    assert (found.label, found.language, found.model) == (rows[0].label, rows[0].language, classifier.model)


def test_what_nobody_judged_is_not_learned(tmp_path: Path, corpus: Sequence[Row]) -> None:
    rows = [one._replace(mood=None, urgent=None) for one in corpus[::60]]
    write_model(tmp_path, train(rows, compile_lexicon(read_terms())), {"name": "linear-small"})
    (found,) = load_classifier(Thresholds(), tmp_path).classify([TextInput("Das Paket ist kaputt, ich will mein Geld")])
    assert found.mood == Mood(negative=1 / 3, neutral=1 / 3, positive=1 / 3)
    assert found.urgency == pytest.approx(0, abs=1e-9)
    assert found.secondary == ()
