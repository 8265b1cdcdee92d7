"""The linear model first, an encoder behind it: who is asked, what an answer becomes, what happens when it fails."""

import json
import logging
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from prometheus_client import REGISTRY

from silofrei.routing.classifier.active import ActiveClassifier
from silofrei.routing.classifier.encoder.cascade import CascadedClassifier
from silofrei.routing.classifier.encoder.files import EncoderError, read_files
from silofrei.routing.classifier.encoder.sentence import SentenceEncoder
from silofrei.routing.classifier.encoder.stage import (
    STAGE_ARRAYS,
    STAGE_CARD,
    Head,
    Mix,
    Stage,
    StageCard,
    mixed,
    read_stage,
    write_stage,
)
from silofrei.routing.classifier.model import LinearClassifier, TextInput, load_classifier
from silofrei.routing.classifier.overview import overview
from silofrei.routing.classifier.registry import Registry
from silofrei.routing.classifier.stored import ModelError, read_model, write_model
from silofrei.schemas.config import Thresholds
from silofrei.schemas.names import Label, Language

NOW = datetime(2026, 11, 24, 9, tzinfo=UTC)
SURE = "Mein Zug ist ausgefallen, ich will eine Erstattung"
UNSURE = "So, the train is there and it is the way it is with you people"
TEXTS = [TextInput(SURE), TextInput(UNSURE), TextInput("Der Zug ist nun auch wieder da"), TextInput("")]
MIXES = {
    Language.GERMAN: Mix(share=0.5, temperature=1.1),
    Language.ENGLISH: Mix(share=0.8, temperature=0.9, head_temperature=1.2),
}
LINEAR = load_classifier(Thresholds())

Make = Callable[..., Path]
Add = Callable[..., Path]


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    return Registry(tmp_path / "data" / "models")


@pytest.fixture
def make_stage(make_encoder: Make) -> Callable[..., Stage]:
    """Makes a tiny encoder and a random head over it."""

    def make(folder: Path | None = None, path: str | None = None, **card: object) -> Stage:
        files = read_files(make_encoder(folder))
        dimension = SentenceEncoder(files).dimension
        draw = np.random.default_rng(3)
        given = {"below": 0.7, "languages": MIXES, **card}
        weights = draw.normal(size=(dimension, len(Label))).astype(np.float32) * 3
        head = Head(weights, draw.normal(size=len(Label)).astype(np.float32))
        return Stage(
            dict.fromkeys(MIXES, head),
            StageCard.model_validate(
                {"path": path or str(files.folder), "files": files.checksums(), "dimension": dimension, **given}
            ),
        )

    return make


@pytest.fixture
def add(registry: Registry, make_stage: Callable[..., Stage]) -> Add:
    """Adds a model of this name, the packaged weights with an encoder behind them."""

    def make(name: str, stage: Stage | None = None) -> Path:
        write_model(registry.folder / name, read_model().weights, {"name": f"linear-{name}"})
        write_stage(registry.folder / name, stage or make_stage())
        return registry.folder / name

    return make


def cascade(stage: Stage, thresholds: Thresholds | None = None) -> CascadedClassifier:
    chosen = thresholds or Thresholds()
    encoder = SentenceEncoder(read_files(stage.folder(Path())))
    return CascadedClassifier(load_classifier(chosen), stage, encoder, chosen)


def counted(outcome: str) -> float:
    return REGISTRY.get_sample_value("silofrei_encoder_texts_total", {"outcome": outcome}) or 0.0


# --- Who is asked, and what becomes of an answer


def test_only_texts_that_the_linear_model_is_unsure_of_are_asked_about(make_stage: Callable[..., Stage]) -> None:
    both = cascade(make_stage())
    ours, theirs = LINEAR.classify(TEXTS), both.classify(TEXTS)
    assert max(ours[0].scores.model_dump().values()) >= 0.7
    assert theirs[0] == ours[0], "sure"
    assert theirs[3] == ours[3], "in no language that we know, so it could not be routed anyway"
    for our, their in zip(ours[1:3], theirs[1:3], strict=True):
        assert their.scores != our.scores
        assert their.model == both.model
        assert their.model.startswith(f"{our.model}+encoder-")
        assert (their.evidence, their.language) == (our.evidence, our.language)
        assert sum(their.scores.model_dump().values()) == pytest.approx(1)


def test_an_answer_is_the_mean_of_both_in_log_odds(make_stage: Callable[..., Stage]) -> None:
    stage = make_stage()
    (our,), (their,) = LINEAR.classify(TEXTS[1:2]), cascade(stage).classify(TEXTS[1:2])
    vector = SentenceEncoder(read_files(stage.folder(Path()))).embed(UNSURE)
    english = stage.heads[Language.ENGLISH]
    logits = (vector @ english.weights + english.bias).astype(np.float64) / 1.2
    head = np.exp(logits) / np.exp(logits).sum()
    local = np.array(list(our.scores.model_dump().values()))
    expected = (local**0.2 * head**0.8) ** (1 / 0.9)
    expected /= expected.sum()
    assert list(their.scores.model_dump().values()) == pytest.approx(expected.tolist(), abs=1e-6)
    assert their.label is list(Label)[int(expected.argmax())]


@pytest.mark.parametrize("least", [0.0, 0.25, 1.0])
def test_both_together_abstain_and_name_others_by_the_thresholds(
    make_stage: Callable[..., Stage], least: float
) -> None:
    thresholds = Thresholds(service=least, sales=least, hr=least, pr=least, none=least, secondary=0.05)
    ours = load_classifier(thresholds).classify(TEXTS[1:3])
    for our, their in zip(ours, cascade(make_stage(), thresholds).classify(TEXTS[1:3]), strict=True):
        assert their.abstained is (their.scores.of(their.label) < least)
        assert set(their.secondary) == set(our.secondary) - {their.label}
        assert (their.mood, their.urgency) == (our.mood, our.urgency)


def test_an_abstaining_answer_is_asked_about_whatever_the_bound(make_stage: Callable[..., Stage]) -> None:
    strict = Thresholds(service=1.0, sales=1.0, hr=1.0, pr=1.0, none=1.0)
    both = cascade(make_stage(below=0.0), strict)
    assert "+encoder-" in both.classify(TEXTS[:1])[0].model
    assert "+encoder-" not in cascade(make_stage(below=0.0), Thresholds(service=0.0)).classify(TEXTS[:1])[0].model


def test_a_language_in_which_the_head_says_nothing_is_not_asked_about(make_stage: Callable[..., Stage]) -> None:
    both = cascade(make_stage(languages={Language.ENGLISH: MIXES[Language.ENGLISH]}))
    told = ["+encoder-" in answer.model for answer in both.classify(TEXTS)]
    assert told == [False, True, False, False]


def test_a_text_gets_the_same_answer_alone_and_in_any_batch(make_stage: Callable[..., Stage]) -> None:
    both = cascade(make_stage())
    texts = [TextInput(f"{UNSURE} {number} {'late price ' * number}") for number in range(30)]
    whole = both.classify(texts)
    assert [both.classify([text])[0] for text in texts] == whole
    assert both.classify(texts[::-1]) == whole[::-1]


def test_strange_texts_are_answered(make_stage: Callable[..., Stage]) -> None:
    both = cascade(make_stage(below=1.0), Thresholds(service=1.0, sales=1.0, hr=1.0, pr=1.0, none=1.0))
    texts = [TextInput(text) for text in ("", "late " * 20_000, "\ud800 the train", "🚆", "x" * 100_000)]
    assert len(both.classify(texts)) == len(texts)
    assert both.classify([]) == []
    assert both.probabilities([]).shape == (0, len(Label))
    assert both.probabilities(TEXTS).sum(axis=1) == pytest.approx(np.ones(len(TEXTS)))


def test_a_share_of_nothing_is_the_linear_model_and_of_all_the_head() -> None:
    local, head = np.array([[0.7, 0.1, 0.1, 0.05, 0.05]]), np.array([[0.05, 0.05, 0.1, 0.1, 0.7]])
    assert mixed(local, head, Mix(share=0, temperature=1)) == pytest.approx(local)
    assert mixed(local, head, Mix(share=1, temperature=1)) == pytest.approx(head)
    assert np.isfinite(mixed(np.eye(5)[:1], np.eye(5)[1:2], Mix(share=0.5, temperature=1))).all()


# --- What fails


def test_a_failure_leaves_the_linear_answer_and_is_logged_once_and_counted(
    make_stage: Callable[..., Stage], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    both = cascade(make_stage())
    real = SentenceEncoder.embed

    def embed(encoder: SentenceEncoder, text: str) -> object:
        if "Zug" in text:
            raise MemoryError
        return real(encoder, text)

    monkeypatch.setattr(SentenceEncoder, "embed", embed)
    before = counted("failed"), counted("stayed") + counted("moved")
    ours = LINEAR.classify(TEXTS)
    for _ in range(3):
        theirs = both.classify(TEXTS)
        assert theirs[2] == ours[2], "the one that failed"
        assert theirs[1] != ours[1], "others are answered"
    assert counted("failed") == before[0] + 3
    assert counted("stayed") + counted("moved") == before[1] + 3
    told = [one for one in caplog.records if one.levelno >= logging.ERROR]
    assert len(told) == 1
    assert "so the linear model's answer stays" in told[0].getMessage()


def test_an_encoder_that_takes_too_long_leaves_the_rest_to_the_linear_model(
    make_stage: Callable[..., Stage], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    stage, now = make_stage(), [0.0]
    encoder = SentenceEncoder(read_files(stage.folder(Path())))
    both = CascadedClassifier(LINEAR, stage, encoder, Thresholds(), clock=lambda: now[0])
    real = SentenceEncoder.embed

    def embed(encoder: SentenceEncoder, text: str) -> object:
        now[0] += 2
        return real(encoder, text)

    monkeypatch.setattr(SentenceEncoder, "embed", embed)
    texts, before = [TextInput(f"{UNSURE} {number}") for number in range(8)], counted("late")
    for _ in range(2):
        told = ["+encoder-" in answer.model for answer in both.within(5.0).classify(texts)]
        assert told == [True] * 3 + [False] * 5
    assert counted("late") == before + 10
    assert "took more than 5.0 s" in caplog.text
    assert all("+encoder-" in answer.model for answer in both.classify(texts)), "offline, there is time"


def lose(folder: Path, _: pytest.MonkeyPatch) -> None:
    (folder / "model.onnx").unlink()


def change(folder: Path, _: pytest.MonkeyPatch) -> None:
    (folder / "tokenizer.json").write_bytes((folder / "tokenizer.json").read_bytes() + b" ")


def miss(_: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)


@pytest.mark.parametrize(
    ("harm", "word"), [(lose, "there is no"), (change, "has changed"), (miss, "silofrei[encoder]")]
)
def test_an_encoder_that_cannot_be_used_leaves_the_linear_model_with_one_line(
    registry: Registry,
    add: Add,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    harm: Callable[[Path, pytest.MonkeyPatch], None],
    word: str,
) -> None:
    stage = read_stage(add("a"))
    assert stage
    harm(stage.folder(Path()), monkeypatch)
    registry.pointer_path.write_text('{"active": "a"}')
    clock = iter(range(0, 1000, 5))
    active = ActiveClassifier(registry, Thresholds(), lambda: float(next(clock)))
    for _ in range(3):
        answers = active.classify(TEXTS)
    assert [one.model_copy(update={"model": LINEAR.model}) for one in answers] == LINEAR.classify(TEXTS)
    told = [one.getMessage() for one in caplog.records if one.levelno >= logging.ERROR]
    assert len(told) == 1
    assert "\n" not in told[0]
    assert word in told[0]
    assert "silofrei model use a" in told[0]
    with pytest.raises(EncoderError, match=word.replace("[", r"\[")):
        registry.activate("a", NOW)
    assert bool(overview(registry).models[1].problem) is (harm is lose), "a list looks, and reads nothing large"


def damage_arrays(folder: Path) -> None:
    (folder / STAGE_ARRAYS).write_bytes(b"none")


def damage_card(folder: Path) -> None:
    (folder / STAGE_CARD).write_text("{")


def lose_card(folder: Path) -> None:
    (folder / STAGE_CARD).unlink()


def lose_arrays(folder: Path) -> None:
    (folder / STAGE_ARRAYS).unlink()


def nonsense(folder: Path) -> None:
    card = json.loads((folder / STAGE_CARD).read_text())
    card["languages"]["de"]["temperature"] = 0
    (folder / STAGE_CARD).write_text(json.dumps(card))


def other_size(folder: Path) -> None:
    stage = read_stage(folder)
    assert stage
    heads = {code: Head(head.weights[:, :4], head.bias) for code, head in stage.heads.items()}
    write_stage(folder, Stage(heads, stage.card))


def no_numbers(folder: Path) -> None:
    stage = read_stage(folder)
    assert stage
    heads = {code: Head(head.weights * np.float32(np.nan), head.bias) for code, head in stage.heads.items()}
    write_stage(folder, Stage(heads, stage.card))


@pytest.mark.parametrize(
    ("harm", "word"),
    [
        (damage_arrays, "damaged or changed"),
        (damage_card, "encoder.json"),
        (lose_card, "encoder.json is missing"),
        (lose_arrays, "encoder.npz is missing"),
        (nonsense, "temperature"),
        (other_size, "weights are"),
        (no_numbers, "no numbers"),
    ],
)
def test_a_damaged_stage_is_refused_and_shown_and_the_linear_model_answers(
    registry: Registry, add: Add, caplog: pytest.LogCaptureFixture, harm: Callable[[Path], None], word: str
) -> None:
    place = add("a")
    harm(place)
    with pytest.raises(ModelError, match=word):
        registry.activate("a", NOW)
    assert not registry.pointer_path.exists()
    assert isinstance(registry.load("a", Thresholds()), LinearClassifier)
    assert word in caplog.text
    assert word in overview(registry).models[1].problem


def test_a_stage_holds_no_pickle_and_is_the_same_bytes_again(add: Add, tmp_path: Path) -> None:
    place = add("a")
    stage = read_stage(place)
    assert stage
    assert write_stage(tmp_path, stage).card == stage.card
    assert (tmp_path / STAGE_ARRAYS).read_bytes() == (place / STAGE_ARRAYS).read_bytes()
    with np.load(place / STAGE_ARRAYS, allow_pickle=False) as arrays:
        assert all(arrays[name].dtype == np.float32 for name in arrays)


# --- The pointer


def test_a_worker_takes_the_encoder_and_a_rollback_takes_it_away(registry: Registry, add: Add) -> None:
    add("a")
    now = [0.0]
    active = ActiveClassifier(registry, Thresholds(), lambda: now[0])
    assert active.model == LINEAR.model
    registry.activate("a", NOW)
    now[0] += 2
    assert "+encoder-" in active.classify(TEXTS)[1].model
    assert overview(registry).models[1].model == active.model
    registry.rollback(NOW + timedelta(minutes=1))
    now[0] += 2
    assert active.classify(TEXTS) == LINEAR.classify(TEXTS)


def test_a_rollback_goes_to_the_linear_model_of_an_encoder_that_is_gone(
    registry: Registry, add: Add, caplog: pytest.LogCaptureFixture
) -> None:
    stage = read_stage(add("a"))
    assert stage
    registry.activate("a", NOW)
    registry.activate("packaged", NOW)
    (stage.folder(Path()) / "model.onnx").unlink()
    assert registry.rollback(NOW).active == "a"
    assert "The encoder behind 'a' cannot be used" in caplog.text


def test_an_encoder_that_was_repaired_is_taken_when_its_model_is_chosen_again(registry: Registry, add: Add) -> None:
    stage = read_stage(add("a"))
    assert stage
    lost = stage.folder(Path()) / "model.onnx"
    whole = lost.read_bytes()
    lost.unlink()
    registry.pointer_path.write_text('{"active": "a"}')
    now = [0.0]
    active = ActiveClassifier(registry, Thresholds(), lambda: now[0])
    assert "+" not in active.model
    lost.write_bytes(whole)
    registry.activate("a", NOW)
    now[0] += 2
    assert "+encoder-" in active.classify(TEXTS)[1].model


def test_an_encoder_in_the_data_folder_is_found_where_that_was_moved_to(
    registry: Registry, add: Add, make_stage: Callable[..., Stage], tmp_path: Path
) -> None:
    add("a", make_stage(registry.data / "encoders" / "tiny", path="encoders/tiny"))
    registry.activate("a", NOW)
    registry.data.rename(tmp_path / "elsewhere")
    moved = Registry(tmp_path / "elsewhere" / "models")
    assert isinstance(moved.load(moved.pointer().active, Thresholds()), CascadedClassifier)
