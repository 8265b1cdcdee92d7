"""Stored models: what is on the card, and how a missing, damaged or foreign file is told."""

import hashlib
import json
import shutil
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from silofrei.routing.classifier.corpus_rows import Row
from silofrei.routing.classifier.evaluate import evaluate
from silofrei.routing.classifier.model import ModelError, load_classifier
from silofrei.routing.classifier.stored import ARRAYS, CARD, FORMAT, PACKAGED, read_model, write_model
from silofrei.schemas.config import Thresholds
from silofrei.schemas.names import Language
from silofrei.schemas.settings import ConfigurationError

FLOOR = 0.70
"""A little below what the packaged model reaches on texts it never saw."""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    with as_file(files("silofrei.routing.classifier") / PACKAGED) as packaged:
        return Path(shutil.copytree(packaged, tmp_path / "model"))


def rewrite(folder: Path, change: Callable[[dict[str, Any]], None]) -> None:
    card = json.loads((folder / CARD).read_text())
    change(card)
    (folder / CARD).write_text(json.dumps(card))


def test_the_packaged_model_holds_its_floor_and_its_card_is_true(corpus: Sequence[Row]) -> None:
    held = [row for row in corpus if row.held_out]
    found = evaluate(load_classifier(Thresholds()), held)
    card = json.loads((files("silofrei.routing.classifier") / PACKAGED / CARD).read_text())
    assert found.macro_f1 >= FLOOR
    assert min(found.f1.values()) >= 0.60
    assert found.surest_half >= 0.87
    assert found.calibration_error <= 0.07
    for name, rows in {
        "all": held,
        "de": [row for row in held if row.language is Language.GERMAN],
        "en": [row for row in held if row.language is Language.ENGLISH],
    }.items():
        told, reached = card["held_out"][name], asdict(evaluate(load_classifier(Thresholds()), rows))
        for figure in ("texts", "accuracy", "macro_f1", "f1", "surest_half", "calibration_error"):
            assert told[figure] == pytest.approx(reached[figure], abs=0.01), (name, figure)
    assert card["trained_on"] == len(corpus) - len(held)


def test_a_model_in_a_folder_is_the_packaged_one(folder: Path) -> None:
    assert load_classifier(Thresholds(), folder).model == load_classifier(Thresholds()).model


def test_the_package_stays_small(folder: Path) -> None:
    assert sum(path.stat().st_size for path in folder.iterdir()) < 4_000_000


def test_a_changed_array_is_refused(folder: Path) -> None:
    stored = bytearray((folder / ARRAYS).read_bytes())
    stored[len(stored) // 2] ^= 1
    (folder / ARRAYS).write_bytes(stored)
    with pytest.raises(ModelError, match=r"does not have the checksum that model\.json states"):
        load_classifier(Thresholds(), folder)


def test_a_model_error_is_a_configuration_error() -> None:
    assert issubclass(ModelError, ConfigurationError)


@pytest.mark.parametrize("name", [ARRAYS, CARD])
def test_a_missing_file_is_named(folder: Path, name: str) -> None:
    (folder / name).unlink()
    with pytest.raises(ModelError, match=f"cannot read {name}"):
        load_classifier(Thresholds(), folder)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"format": 1}', "not json", '"x"'])
def test_a_card_of_something_else_is_refused(folder: Path, text: str) -> None:
    (folder / CARD).write_text(text)
    with pytest.raises(ModelError, match=r"model .*model\.json"):
        load_classifier(Thresholds(), folder)


def test_a_truncated_file_with_a_fitting_checksum_is_refused(folder: Path) -> None:
    stored = (folder / ARRAYS).read_bytes()[:5000]
    (folder / ARRAYS).write_bytes(stored)
    rewrite(folder, lambda card: card.update(sha256=hashlib.sha256(stored).hexdigest()))
    with pytest.raises(ModelError, match="train the model anew"):
        load_classifier(Thresholds(), folder)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"\x93NUMPY", b"not arrays at all"])
def test_a_file_of_something_else_with_a_fitting_checksum_is_refused(folder: Path, content: bytes) -> None:
    (folder / ARRAYS).write_bytes(content)
    rewrite(folder, lambda card: card.update(sha256=hashlib.sha256(content).hexdigest()))
    with pytest.raises(ModelError, match="train the model anew"):
        load_classifier(Thresholds(), folder)


def test_damage_within_the_packed_arrays_is_told_wherever_it_is(folder: Path) -> None:
    packed = (folder / ARRAYS).read_bytes()
    for place in range(0, len(packed), len(packed) // 25):
        damaged = bytearray(packed)
        damaged[place] ^= 0xFF
        (folder / ARRAYS).write_bytes(damaged)
        digest = hashlib.sha256(damaged).hexdigest()
        rewrite(folder, lambda card, digest=digest: card.update(sha256=digest))
        with suppress(ModelError):  # some bytes of a zip say nothing; no other error may come
            load_classifier(Thresholds(), folder)


@pytest.mark.parametrize(
    ("name", "change", "told"),
    [
        ("dense", lambda array: np.array([{"a": 1}], dtype=object), "allow_pickle"),
        ("dense", lambda array: array[:-1], "dense has shape"),
        ("bias", lambda array: array[:-1], "bias has shape"),
        ("language_odds", lambda array: array[:, :2], "language_odds has shape"),
        ("lexicon_hints", lambda array: array[1:], "lexicon_hints has shape"),
        ("dense", lambda array: array * np.nan, "dense has values that are no numbers"),
        ("lexicon_hashes", lambda array: array[::-1], "lexicon_hashes are not sorted"),
        ("language_hashes", lambda array: array.astype(np.int64), "language_hashes are not sorted"),
        ("scale", None, "scale"),
    ],
)
def test_arrays_that_would_fail_later_are_refused_at_once(
    folder: Path, name: str, change: Callable[[Any], Any] | None, told: str
) -> None:
    with np.load(folder / ARRAYS) as arrays:
        content = dict(arrays)
    if change is None:
        del content[name]
    else:
        content[name] = change(content[name])
    np.savez(folder / ARRAYS, **content)
    digest = hashlib.sha256((folder / ARRAYS).read_bytes()).hexdigest()
    rewrite(folder, lambda card: card.update(sha256=digest))
    with pytest.raises(ModelError, match=told):
        load_classifier(Thresholds(), folder)


@pytest.mark.parametrize("value", [0, -1, "warm", None, float("nan"), float("inf")])
def test_a_temperature_that_divides_nothing_is_refused(folder: Path, value: object) -> None:
    rewrite(folder, lambda card: card.update(temperature=value))
    with pytest.raises(ModelError, match="train the model anew"):
        load_classifier(Thresholds(), folder)


def test_a_model_that_is_written_again_has_the_same_checksum(folder: Path, tmp_path: Path) -> None:
    stored = read_model(folder)
    for name in ("once", "twice"):
        write_model(tmp_path / name, stored.weights, {"name": "linear-test"})
    assert (tmp_path / "once" / ARRAYS).read_bytes() == (tmp_path / "twice" / ARRAYS).read_bytes()
    again = read_model(tmp_path / "once")
    assert again.name.startswith("linear-test-")
    assert json.loads((tmp_path / "once" / CARD).read_text())["format"] == FORMAT
    assert again.weights.temperature == pytest.approx(stored.weights.temperature)
