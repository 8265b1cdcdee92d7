"""Taking an encoder into use: the heads, their share, the comparison, and what becomes of one that does not help."""

import json
import sys
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from silofrei.deploy.cli import print_encoder
from silofrei.deploy.cli.main import app
from silofrei.routing.classifier.corpus_rows import Row, load_corpus
from silofrei.routing.classifier.encoder.adopted import BOTH, HEAD, LOCAL, Adopted
from silofrei.routing.classifier.encoder.cascade import CascadedClassifier
from silofrei.routing.classifier.encoder.files import EncoderError
from silofrei.routing.classifier.encoder.sentence import SentenceEncoder
from silofrei.routing.classifier.encoder.stage import Chances, Head, Mix, read_stage
from silofrei.routing.classifier.labelled import Labelled
from silofrei.routing.classifier.lexicon import LABELS, Lexicon
from silofrei.routing.classifier.model import LinearClassifier, load_classifier
from silofrei.routing.classifier.registry import Registry
from silofrei.routing.classifier.stored import ModelError, Weights, read_model
from silofrei.schemas.config import Thresholds
from silofrei.schemas.names import Label, Language

pytest.importorskip("sklearn", reason="training needs the extra `train`")
from silofrei.routing.classifier.encoder import adopt as adopting
from silofrei.routing.classifier.encoder import fit
from silofrei.routing.classifier.encoder.adopt import adopt
from silofrei.routing.classifier.retrain import retrain
from silofrei.routing.classifier.train import Fitted

NOW = datetime(2026, 11, 24, 9, tzinfo=UTC)
CORPUS = load_corpus()[::40]
LINEAR = load_classifier(Thresholds()).model

Make = Callable[..., Path]
Adopt = Callable[..., Adopted]


def wrong(rows: Sequence[Row], lexicon: Lexicon) -> Fitted:
    """Linear models that are wrong about texts of others, so that whatever a head says helps."""
    return Fitted(read_model().weights, -np.eye(len(LABELS))[fit.numbers(rows)])


def sure(rows: Sequence[Row], lexicon: Lexicon) -> Fitted:
    """Linear models that know all texts, so that no head can help."""
    return Fitted(read_model().weights, 30 * np.eye(len(LABELS))[fit.numbers(rows)])


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    return Registry(tmp_path / "data" / "models")


@pytest.fixture
def adopted(registry: Registry, make_encoder: Make) -> Adopt:
    def run(name: str = "new", folder: Path | None = None, **options: Any) -> Adopted:
        given: dict[str, Any] = {"tolerance": 1.0, "clock": lambda: NOW, "corpus": CORPUS, "trainer": wrong, **options}
        return adopt(registry, folder or make_encoder(), name=name, **given)

    return run


# --- The head and its share


def worth(right: float, rows: int = 400, seed: int = 0) -> tuple[list[Row], Chances]:
    """Rows in both languages, and what somebody says who gives the right label this probability, on average."""
    draw = np.random.default_rng(seed)
    truth = np.random.default_rng(99).integers(len(LABELS), size=rows)
    texts = [
        Row(f"{number}", LABELS[label], (), (Language.GERMAN, Language.ENGLISH)[number % 2], f"{number % 9}")
        for number, label in enumerate(truth.tolist())
    ]
    logits = draw.normal(size=(rows, len(LABELS)))
    logits[np.arange(rows), truth] += right
    chances = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    return texts, chances


def choose(local: Chances, head: Chances, rows: list[Row], below: float = 1.1) -> Mix | None:
    nothing = Head(np.zeros((1, 5), np.float32), np.zeros(5, np.float32))
    return fit.choose_mix(rows, local, fit.Fitted(nothing, 1.3, head), below)


def test_a_head_that_knows_more_says_more() -> None:
    rows, local = worth(1.0)
    found = [choose(local, worth(right, seed=1)[1], rows) for right in (0.8, 1.2, 2.5)]
    shares = [mix.share for mix in found if mix]
    assert len(shares) == 3
    assert shares == sorted(shares)
    assert shares[0] < 0.5 < shares[2]
    assert {mix.head_temperature for mix in found if mix} == {1.3}


def test_a_head_that_knows_little_or_nothing_is_not_asked() -> None:
    rows, local = worth(2.0)
    for right in (-3.0, 0.0, 0.3):
        assert choose(local, worth(right, seed=1)[1], rows) is None
    assert choose(local, np.full_like(local, 0.2), rows) is None


def test_few_unsure_texts_choose_no_share() -> None:
    rows, local = worth(1.0, rows=fit.FEWEST - 1)
    head = worth(2.5, rows=len(rows), seed=1)[1]
    assert choose(local, head, rows) is None
    rows, local = worth(1.0)
    assert choose(local, worth(2.5, seed=1)[1], rows, below=0.0) is None


def test_each_language_has_a_head_and_a_share_of_its_own() -> None:
    rows, local = worth(1.0)
    vectors = np.eye(len(LABELS), 8, dtype=np.float32)[fit.numbers(rows)]
    german = np.array([row.language is Language.GERMAN for row in rows])
    vectors[german] = np.random.default_rng(0).normal(size=(german.sum(), 8))
    voices = fit.fit_voices(rows, vectors, local, below=1.1)
    assert voices[Language.GERMAN].mix is None
    english = voices[Language.ENGLISH]
    assert english.mix
    assert english.mix.share > 0.5
    assert english.fitted.apart.shape == ((~german).sum(), len(LABELS))
    assert not np.array_equal(english.fitted.head.weights, voices[Language.GERMAN].fitted.head.weights)


def test_a_head_learns_and_is_tried_on_parts_that_it_has_not_seen() -> None:
    rows, _ = worth(1.0)
    vectors = np.eye(len(LABELS), 8, dtype=np.float32)[fit.numbers(rows)]
    fitted = fit.fit_head(rows, vectors)
    assert (fitted.head.weights.shape, fitted.head.bias.shape) == ((8, len(LABELS)), (len(LABELS),))
    assert (fitted.apart.argmax(axis=1) == fit.numbers(rows)).all()
    assert fitted.apart.sum(axis=1) == pytest.approx(np.ones(len(rows)))
    noise = np.random.default_rng(0).normal(size=vectors.shape).astype(np.float32)
    by_chance = fit.fit_head(rows, noise).apart.argmax(axis=1) == fit.numbers(rows)
    assert by_chance.mean() < 0.35, "nothing is learned by heart"


# --- Comparing, storing, activating


def test_an_encoder_becomes_part_of_the_active_model(registry: Registry, adopted: Adopt, make_encoder: Make) -> None:
    folder = make_encoder()
    told = list[tuple[int, int]]()
    done = adopted(folder=folder, progress=lambda done, of: told.append((done, of)))
    assert (done.stored, done.activated) == ("new", True)
    assert done.model.startswith(f"{LINEAR}+encoder-")
    assert registry.pointer().active == "new"
    assert registry.load("new", Thresholds()).model == done.model
    stage = read_stage(registry.folder / "new")
    assert stage
    assert stage.card.path == str(folder)
    assert stage.card.languages == done.mixes
    assert set(stage.card.figures) == {LOCAL, HEAD, BOTH} == set(done.held_out)
    card = registry.card("new")
    assert card["held_out"] == stage.card.figures[BOTH]
    assert (card["compared_with"], card["tolerance"], card["passed"]) == (LINEAR, 1.0, True)
    assert told[-1] == (done.trained_on, done.trained_on) == (len(told), sum(not row.held_out for row in CORPUS))
    assert sorted(path.name for path in registry.folder.iterdir()) == ["active.json", "new"]
    assert registry.rollback(NOW).active == "packaged"


def test_nothing_that_is_held_out_is_learned_from(adopted: Adopt, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = list[str]()

    def learn(rows: Sequence[Row], *others: Any) -> dict[Language, fit.Voice]:
        seen.extend(row.text for row in rows)
        return fit.fit_voices(rows, *others)

    monkeypatch.setattr(adopting, "fit_voices", learn)
    done = adopted()
    assert set(seen).isdisjoint(row.text for row in CORPUS if row.held_out)
    assert done.held_out[BOTH]["all"].texts == sum(row.held_out for row in CORPUS)


def test_one_that_makes_answers_worse_is_stored_and_not_activated(registry: Registry, adopted: Adopt) -> None:
    done = adopted(tolerance=0.0)
    assert (done.stored, done.activated) == ("new", False)
    assert done.verdict
    assert done.verdict.against, "random vectors, and linear models that were said to be wrong"
    assert registry.pointer().active == "packaged"
    assert registry.activate("new", NOW).active == "new", "all the same"


def test_one_that_gives_nothing_is_not_even_stored(registry: Registry, adopted: Adopt) -> None:
    done = adopted(trainer=sure)
    assert (done.stored, done.activated, done.verdict, dict(done.mixes)) == (None, False, None, {})
    assert set(done.held_out) == {LOCAL, HEAD}
    assert not registry.folder.exists()


def test_a_dry_run_leaves_nothing(registry: Registry, adopted: Adopt) -> None:
    done = adopted(dry_run=True)
    assert (done.stored, done.activated) == (None, False)
    assert done.verdict
    assert done.verdict.passed
    assert not registry.folder.exists()


def test_an_encoder_takes_the_place_of_another_and_not_one_behind_the_other(
    registry: Registry, adopted: Adopt, make_encoder: Make, tmp_path: Path
) -> None:
    adopted("first")
    done = adopted("second", make_encoder(tmp_path / "other", seed=5))
    assert done.model.count("+") == 1
    assert registry.card("second")["compared_with"] == LINEAR
    assert registry.rollback(NOW).active == "first"


def test_an_encoder_below_data_is_remembered_from_there(registry: Registry, adopted: Adopt, make_encoder: Make) -> None:
    adopted(folder=make_encoder(registry.data / "encoders" / "tiny"))
    stage = read_stage(registry.folder / "new")
    assert stage
    assert stage.card.path == "encoders/tiny"


def test_wrong_names_and_wrong_folders_are_told_before_any_work(
    registry: Registry, adopted: Adopt, tmp_path: Path
) -> None:
    def never(*_: object) -> Fitted:
        raise AssertionError

    adopted("taken")
    with pytest.raises(ModelError, match="already"):
        adopted("taken", trainer=never)
    with pytest.raises(EncoderError, match="there is no model"):
        adopted("b", tmp_path / "nowhere", trainer=never)
    assert registry.names() == ["taken"]


def test_an_encoder_that_fails_in_the_middle_leaves_nothing(
    registry: Registry, adopted: Adopt, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, count = SentenceEncoder.embed, iter(range(10_000))

    def embed(encoder: SentenceEncoder, text: str) -> Any:
        if next(count) == len(CORPUS) + 10:
            raise KeyboardInterrupt
        return real(encoder, text)

    monkeypatch.setattr(SentenceEncoder, "embed", embed)
    with pytest.raises(KeyboardInterrupt):
        adopted()
    assert not registry.folder.exists() or not list(registry.folder.iterdir())


def test_a_training_keeps_the_encoder_behind_the_new_model(
    registry: Registry, adopted: Adopt, turned_weights: Callable[[int], Weights]
) -> None:
    adopted()
    told = [Labelled(text=f"Lohn {n}", label=Label.HR, lang=Language.GERMAN) for n in range(20)]

    def trainer(*_: object) -> Weights:
        return turned_weights(0)

    done = retrain(registry, told, name="b", tolerance=1.0, at=NOW, corpus=CORPUS, trainer=trainer)
    assert done.activated
    assert "+encoder-" in done.model
    both = registry.load("b", Thresholds())
    assert isinstance(both, CascadedClassifier)
    assert both.model == done.model
    registry.activate("packaged", NOW)
    assert "+" not in retrain(registry, told, name="c", tolerance=1.0, at=NOW, corpus=CORPUS, trainer=trainer).model
    assert isinstance(registry.load("c", Thresholds()), LinearClassifier)


# --- What a person sees


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({}, ["new (linear-", "is stored and active", "silofrei model rollback"]),
        ({"dry_run": True}, ["dry run", "It would become active"]),
        ({"tolerance": 0.0}, ["is stored and not active", "macro-F1", "silofrei model use new"]),
        ({"tolerance": 0.0, "dry_run": True}, ["It would not become active"]),
        ({"trainer": sure}, ["Not taken into use"]),
    ],
)
def test_what_came_of_it_is_shown_in_both_languages(adopted: Adopt, options: dict[str, Any], words: list[str]) -> None:
    done = adopted(**options)
    text = print_encoder.adopted_as_text(done, "en")
    for word in (*words, "Linear", "Head alone", "German", "Service"):
        assert word in text
    german = print_encoder.adopted_as_text(done, "de")
    assert "Nur Kopf" in german
    assert "Deutsch" in german
    shown = json.loads(print_encoder.adopted_as_json(done))
    assert shown["name"] == done.stored
    assert shown["held_out"]["local"]["all"]["texts"] == sum(row.held_out for row in CORPUS)


@pytest.fixture
def command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """Runs `silofrei model ARGUMENTS` in a folder of its own, with a quick corpus."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(adopting, "load_corpus", lambda: CORPUS)
    monkeypatch.setitem(adopt.__kwdefaults__, "trainer", wrong)

    def run(*arguments: str) -> Any:
        return CliRunner().invoke(app, ["model", *arguments, "--data", str(tmp_path / "data")])

    return run


def test_the_command_tells_a_folder_and_a_name_apart(
    command: Callable[..., Any], make_encoder: Make, tmp_path: Path
) -> None:
    make_encoder()
    done = command("use", "./tiny", "--name", "tiny", "--tolerance", "1")
    assert (done.exit_code, done.stderr) == (0, "")
    assert "tiny (linear-" in done.stdout
    assert command("use", "packaged").stdout == "packaged is active\n"
    assert command("use", "tiny").stdout == "tiny is active\n", "the model of this name, not the folder"
    assert "+encoder-" in command("list").stdout
    assert command("rollback").stdout == "packaged is active again\n"
    refused = command("use", "tiny/", "--tolerance", "0", "--json")
    assert refused.exit_code == 1
    assert json.loads(refused.stdout)["activated"] is False
    make_encoder(tmp_path / "other")
    last = command("use", "other", "--tolerance", "1", "--dry-run", "--name", "second")
    assert (last.exit_code, last.stderr) == (0, ""), "no model has this name"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["use", "gone"], ["no model 'gone'", "use one of packaged", "./gone"]),
        (["use", "./gone"], ["gone: there is no model.onnx", "silofrei model fetch"]),
        (["use", "packaged", "--name", "x"], ["--name", "'packaged' is a model's name"]),
        (["use", "packaged", "--dry-run"], ["--dry-run"]),
        (["use", "./tiny", "--name", "packaged"], ["--name packaged"]),
        (["use", "./tiny", "--tolerance", "2"], ["--tolerance"]),
    ],
)
def test_wrong_use_is_one_readable_message(
    command: Callable[..., Any], make_encoder: Make, arguments: list[str], words: list[str]
) -> None:
    make_encoder()
    done = command(*arguments)
    assert (done.exit_code, done.stdout) == (2, "")
    assert "Traceback" not in done.stderr
    for word in words:
        assert word in done.stderr


@pytest.mark.parametrize(("package", "extra"), [("onnxruntime", "encoder"), ("sklearn", "train")])
def test_a_missing_extra_is_named(
    command: Callable[..., Any], make_encoder: Make, monkeypatch: pytest.MonkeyPatch, package: str, extra: str
) -> None:
    make_encoder()
    for name in [name for name in sys.modules if name.startswith("silofrei.routing.classifier.encoder.adopt")]:
        monkeypatch.delitem(sys.modules, name)
    for name in [name for name in sys.modules if name in ("silofrei.routing.classifier.encoder.fit",)]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, package, None)
    if package == "sklearn":
        monkeypatch.setitem(sys.modules, "sklearn.linear_model", None)
    done = command("use", "./tiny")
    assert (done.exit_code, done.stdout) == (2, "")
    assert f"pip install 'silofrei[{extra}]'" in done.stderr


def test_a_share_is_part_of_the_whole() -> None:
    with pytest.raises(ValueError, match="share"):
        Mix(share=1.1, temperature=1)
