"""The models of a company on disk: names, the pointer and its history, and what happens when a file is damaged."""

import json
import os
import shutil
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path

import pytest

from silofrei.routing.classifier.active import ActiveClassifier
from silofrei.routing.classifier.model import TextInput, load_classifier
from silofrei.routing.classifier.overview import overview
from silofrei.routing.classifier.registry import HISTORY, NoSuchModel, NothingBefore, Pointer, Registry
from silofrei.routing.classifier.stored import ARRAYS, CARD, ModelError, Weights, read_model, write_card, write_model
from silofrei.schemas.config import Thresholds

NOW = datetime(2026, 11, 24, 9, tzinfo=UTC)
PACKAGED = load_classifier(Thresholds()).model
TEXT = [TextInput("Mein Zug ist ausgefallen, ich will eine Erstattung")]


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    return Registry(tmp_path / "models")


Add = Callable[..., Path]


@pytest.fixture(scope="module")
def packed(turned_weights: Callable[[int], Weights], tmp_path_factory: pytest.TempPathFactory) -> Callable[[int], Path]:
    """A model whose labels are turned round by so many places; packing its arrays takes the longest."""

    @cache
    def pack(turn: int) -> Path:
        folder = tmp_path_factory.mktemp("packed")
        write_model(folder, turned_weights(turn), {"name": "packed"})
        return folder

    return pack


@pytest.fixture
def add(registry: Registry, packed: Callable[[int], Path]) -> Add:
    """Adds a model of this name, whose labels are turned round by so many places."""

    def make(name: str, turn: int = 0) -> Path:
        folder = shutil.copytree(packed(turn), registry.folder / name)
        write_card(folder, {**json.loads((folder / CARD).read_text()), "name": f"linear-{name}"})
        return folder

    return make


def test_without_a_folder_the_packaged_model_is_active(registry: Registry) -> None:
    assert registry.names() == []
    assert registry.pointer() == Pointer(active="packaged")
    assert registry.load("packaged", Thresholds()).model == PACKAGED
    assert not registry.folder.exists(), "to look makes no folder"


def test_a_model_becomes_active_and_a_rollback_goes_back_step_by_step(registry: Registry, add: Add) -> None:
    add("a")
    add("b")
    registry.activate("a", NOW)
    assert registry.activate("a", NOW + timedelta(minutes=5)).history == registry.pointer().history, "twice is once"
    pointer = registry.activate("b", NOW + timedelta(hours=1))
    assert [(one.model, one.until) for one in pointer.history] == [("packaged", NOW), ("a", NOW + timedelta(hours=1))]
    assert registry.pointer() == pointer
    assert registry.rollback(NOW).active == "a"
    assert registry.rollback(NOW).active == "packaged"
    with pytest.raises(NothingBefore, match="before 'packaged'"):
        registry.rollback(NOW)
    assert registry.pointer().active == "packaged"


def test_the_history_has_an_end(registry: Registry, add: Add) -> None:
    add("a")
    past = [{"model": ("a", "packaged")[number % 2], "until": NOW.isoformat()} for number in range(HISTORY - 1)]
    registry.pointer_path.write_text(json.dumps({"active": "packaged", "since": NOW.isoformat(), "history": past}))
    for number in range(3):
        pointer = registry.activate(("a", "packaged")[number % 2], NOW + timedelta(hours=1))
    assert len(registry.pointer().history) == HISTORY
    assert [one.until for one in pointer.history[-4:]] == [NOW, *[NOW + timedelta(hours=1)] * 3], "the oldest went"


@pytest.mark.parametrize("name", ["gone", "../a", "", "/etc", "active.json", ".new-1"])
def test_a_model_that_is_not_there_cannot_become_active(registry: Registry, add: Add, name: str) -> None:
    add("a")
    registry.activate("a", NOW)
    with pytest.raises(NoSuchModel, match="use one of packaged, a"):
        registry.activate(name, NOW)
    assert registry.pointer().active == "a"


def test_a_damaged_model_cannot_become_active_nor_be_gone_back_to(registry: Registry, add: Add) -> None:
    add("a")
    add("b")
    registry.activate("a", NOW)
    registry.activate("b", NOW)
    (registry.folder / "a" / ARRAYS).write_bytes(b"no arrays")
    with pytest.raises(ModelError, match="checksum"):
        registry.rollback(NOW)
    with pytest.raises(ModelError, match="checksum"):
        registry.activate("a", NOW)
    assert registry.pointer().active == "b"


@pytest.mark.parametrize("text", ["", "{", "[]", '{"active": 1}', '{"v": 2, "active": "a"}', '{"active": "a", "x": 1}'])
def test_a_damaged_pointer_is_named_and_choosing_mends_it(registry: Registry, add: Add, text: str) -> None:
    add("a")
    registry.pointer_path.write_text(text)
    with pytest.raises(ModelError, match=r"active\.json: cannot be read .*silofrei model use NAME"):
        registry.pointer()
    assert registry.activate("a", NOW).active == "a"
    assert registry.pointer().active == "a"


def test_a_reader_never_sees_half_a_pointer(registry: Registry, add: Add) -> None:
    add("a")
    registry.activate("a", NOW)
    stop, wrong = threading.Event(), list[BaseException]()

    def read() -> None:
        while not stop.is_set():
            try:
                assert registry.pointer().active in ("a", "packaged")
            except BaseException as error:
                wrong.append(error)
                return

    reader = threading.Thread(target=read)
    reader.start()
    for number in range(30):
        registry.activate(("packaged", "a")[number % 2], NOW)
    stop.set()
    reader.join()
    assert wrong == []
    assert sorted(path.name for path in registry.folder.iterdir()) == ["a", "active.json"], "nothing is left over"


def test_a_crash_while_the_pointer_is_written_leaves_the_old_one(
    registry: Registry, add: Add, monkeypatch: pytest.MonkeyPatch
) -> None:
    add("a")
    registry.activate("a", NOW)

    def fail(handle: int) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(ModelError, match=r"active\.json: cannot be written \(disk full\)"):
        registry.activate("packaged", NOW)
    assert registry.pointer().active == "a"
    assert sorted(path.name for path in registry.folder.iterdir()) == ["a", "active.json"]


@pytest.mark.parametrize("name", ["packaged", "active.json", "A", "a b", "../a", "", "-a", "x" * 61])
def test_names_that_no_new_model_may_have(registry: Registry, name: str) -> None:
    with pytest.raises(ModelError, match="--name"):
        registry.check_new(name)


def test_a_model_in_the_making_is_no_model_and_is_gone_when_it_fails(registry: Registry) -> None:
    def fail(made: Path) -> None:
        write_model(made, read_model().weights, {"name": "x"})
        assert registry.names() == []
        raise RuntimeError

    with pytest.raises(RuntimeError), registry.workshop() as made:
        fail(made)
    assert list(registry.folder.iterdir()) == []
    with registry.workshop() as made:
        write_model(made, read_model().weights, {"name": "x"})
        registry.keep(made, "x")
    assert registry.names() == ["x"]
    with pytest.raises(ModelError, match="already"):
        registry.check_new("x")


def test_the_list_shows_what_is_wrong_and_never_fails(registry: Registry, add: Add) -> None:
    add("a")
    card = json.loads((add("b") / CARD).read_text())
    write_card(registry.folder / "b", {**card, "corrections": 12, "held_out": {"all": {"macro_f1": 0.71}}})
    (registry.folder / "a" / CARD).unlink()
    registry.activate("b", NOW)
    found = overview(registry)
    assert [(one.name, one.active, one.corrections, one.macro_f1) for one in found.models[1:]] == [
        ("a", False, 0, None),
        ("b", True, 12, 0.71),
    ]
    assert "cannot read model.json" in found.models[1].problem
    assert found.models[0].model == PACKAGED
    assert found.before == ("packaged",)
    registry.pointer_path.write_text("{")
    assert "cannot be read" in overview(registry).problem
    registry.pointer_path.write_text('{"active": "gone"}')
    assert "'gone' is gone" in overview(registry).problem


# --- What a running worker makes of it


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_a_running_classifier_takes_a_new_model_at_most_once_a_second(registry: Registry, add: Add) -> None:
    add("a", turn=1)
    clock = Clock()
    classifier = ActiveClassifier(registry, Thresholds(), clock)
    (before,) = classifier.classify(TEXT)
    assert (before.model, before.label) == (PACKAGED, "service")
    registry.activate("a", NOW)
    clock.now += 0.9
    assert classifier.classify(TEXT)[0].model == PACKAGED
    clock.now += 0.2
    (after,) = classifier.classify(TEXT)
    assert (after.model, after.label) == (registry.load("a", Thresholds()).model, "sales")
    assert classifier.model == after.model
    registry.rollback(NOW)
    clock.now += 1
    assert classifier.classify(TEXT)[0] == before


def test_a_pointer_that_did_not_change_is_not_read_again(
    registry: Registry, add: Add, monkeypatch: pytest.MonkeyPatch
) -> None:
    add("a")
    registry.activate("a", NOW)
    clock, read = Clock(), list[int]()
    classifier = ActiveClassifier(registry, Thresholds(), clock)
    monkeypatch.setattr(registry, "pointer", lambda: read.append(1))
    for _ in range(5):
        clock.now += 2
        classifier.classify(TEXT)
    assert read == []


@pytest.mark.parametrize("damage", ["arrays", "card", "folder", "pointer"])
def test_what_cannot_be_used_leaves_the_running_model_and_is_told_once(
    registry: Registry, add: Add, caplog: pytest.LogCaptureFixture, damage: str
) -> None:
    add("a")
    add("b", turn=1)
    registry.activate("a", NOW)
    clock = Clock()
    classifier = ActiveClassifier(registry, Thresholds(), clock)
    running = classifier.model
    whole = (registry.folder / "b" / ARRAYS).read_bytes()
    registry.activate("b", NOW)
    good = registry.pointer_path.read_text()
    if damage == "arrays":
        (registry.folder / "b" / ARRAYS).write_bytes(whole[:-100])
    elif damage == "card":
        (registry.folder / "b" / CARD).write_text("{")
    elif damage == "folder":
        (registry.folder / "b").rename(registry.folder / "c")
    else:
        registry.pointer_path.write_text("{")
    for _ in range(4):
        clock.now += 2
        assert classifier.classify(TEXT)[0].model == running
    told = [one.getMessage() for one in caplog.records if one.levelname == "ERROR"]
    assert len(told) == 1
    assert told[0].startswith(f"The active model cannot be used, so {running} answers: ")
    if damage == "arrays":
        (registry.folder / "b" / ARRAYS).write_bytes(whole)  # repaired in its place, the pointer stays as it is
    elif damage == "pointer":
        registry.pointer_path.write_text(good)
    else:
        return
    clock.now += 2
    assert classifier.classify(TEXT)[0].model.startswith("linear-b-")


@pytest.mark.parametrize("error", [PermissionError(13, "Permission denied"), RuntimeError("no"), MemoryError()])
def test_no_failure_of_a_model_reaches_the_mentions(
    registry: Registry, add: Add, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, error: Exception
) -> None:
    add("a")
    clock = Clock()
    classifier = ActiveClassifier(registry, Thresholds(), clock)
    registry.activate("a", NOW)

    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr(registry, "load", fail)
    clock.now += 2
    assert classifier.classify(TEXT)[0].model == PACKAGED
    assert type(error).__name__ in caplog.text


def test_at_the_start_the_packaged_model_stands_in(
    registry: Registry, add: Add, caplog: pytest.LogCaptureFixture
) -> None:
    (add("a") / ARRAYS).unlink()
    registry.pointer_path.write_text('{"active": "a"}')
    assert ActiveClassifier(registry, Thresholds()).classify(TEXT)[0].model == PACKAGED
    assert "so the packaged one answers" in caplog.text


def test_a_pointer_that_is_taken_away_means_the_packaged_model(registry: Registry, add: Add) -> None:
    add("a")
    registry.activate("a", NOW)
    clock = Clock()
    classifier = ActiveClassifier(registry, Thresholds(), clock)
    assert (classifier.name, classifier.model.startswith("linear-a-")) == ("a", True)
    registry.pointer_path.unlink()
    clock.now += 1
    assert classifier.classify(TEXT)[0].model == PACKAGED
