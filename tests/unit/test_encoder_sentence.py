"""An encoder's files and what it makes of a text: layouts, graphs of several kinds, and what is wrong, readably."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from silofrei.routing.classifier.encoder import files as encoder_files
from silofrei.routing.classifier.encoder.files import EncoderError, read_files
from silofrei.routing.classifier.encoder.sentence import MAX_TOKENS, SentenceEncoder
from silofrei.routing.classifier.stored import ModelError

Make = Callable[..., Path]
TEXTS = ["hello there", "the train is late late late", "zug spät", "nobody knows this word", "price " * 300, "job"]


def opened(folder: Path) -> SentenceEncoder:
    return SentenceEncoder(read_files(folder))


@pytest.mark.parametrize("model", ["model.onnx", "onnx/model.onnx"])
def test_both_layouts_are_read(make_encoder: Make, model: str) -> None:
    encoder = opened(make_encoder(model=model))
    vector = encoder.embed("the train is late")
    assert (vector.shape, vector.dtype) == ((encoder.dimension,), np.float32)
    assert np.linalg.norm(vector) == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize("output", ["last_hidden_state", "sentence_embedding", "token_embeddings", "something"])
@pytest.mark.parametrize(
    "inputs", [("input_ids",), ("input_ids", "attention_mask"), ("input_ids", "attention_mask", "token_type_ids")]
)
def test_a_vector_is_the_mean_of_its_tokens_whatever_the_graph_asks_and_gives(
    make_encoder: Make, inputs: tuple[str, ...], output: str
) -> None:
    vectors = np.random.default_rng(1).normal(size=(13, 8)).astype(np.float32)
    encoder = opened(make_encoder(inputs=inputs, output=output, vectors=vectors))
    mean = vectors[[12, 2, 11, 3]].mean(axis=0)
    assert encoder.embed("the train is late") == pytest.approx(mean / np.linalg.norm(mean), abs=1e-6)


def test_small_integers_are_given_where_the_graph_asks_for_them(make_encoder: Make) -> None:
    onnx = pytest.importorskip("onnx")
    small = opened(make_encoder(kind=onnx.TensorProto.INT32)).embed("the train is late")
    assert small == pytest.approx(opened(make_encoder()).embed("the train is late"))


def test_a_text_has_the_same_vector_whatever_was_asked_before(make_encoder: Make) -> None:
    encoder = opened(make_encoder())
    first = [encoder.embed(text) for text in TEXTS]
    for order in (TEXTS[::-1], TEXTS[2:4] + TEXTS):
        for text in order:
            assert (encoder.embed(text) == first[TEXTS.index(text)]).all()


def test_long_empty_and_broken_texts_have_vectors(make_encoder: Make) -> None:
    encoder = opened(make_encoder())
    assert (encoder.embed("") == 0).all()
    assert (encoder.embed(" \n\t ") == 0).all()
    long = encoder.embed("late " * 20_000)
    assert (long == encoder.embed("late " * MAX_TOKENS)).all()
    assert (encoder.embed("late " * MAX_TOKENS + "job " * 50) == long).all(), "what comes after is not read"
    for text in ("\ud800", "a\0b", "🚆" * 5000, "x" * 100_000):
        assert np.linalg.norm(encoder.embed(text)) == pytest.approx(1, abs=1e-5)


# --- What is wrong


def test_a_folder_without_the_files_is_told_with_what_makes_one(tmp_path: Path, make_encoder: Make) -> None:
    with pytest.raises(EncoderError, match=r"nowhere: there is no model\.onnx or onnx/model\.onnx; .*model fetch"):
        read_files(tmp_path / "nowhere")
    folder = make_encoder()
    (folder / "tokenizer.json").unlink()
    with pytest.raises(EncoderError, match=r"there is no tokenizer\.json"):
        read_files(folder)
    (folder / "tokenizer.json").mkdir()
    with pytest.raises(EncoderError, match=r"tokenizer\.json: cannot be read: Is a directory"):
        read_files(folder)
    (tmp_path / "file").write_text("x")
    with pytest.raises(ModelError, match=r"there is no model\.onnx"):
        read_files(tmp_path / "file")


@pytest.mark.parametrize("name", ["model.onnx", "tokenizer.json"])
@pytest.mark.parametrize("damage", [b"", b"{}", b"\xff\xfe no such thing", None])
def test_a_damaged_file_is_named(make_encoder: Make, name: str, damage: bytes | None) -> None:
    folder = make_encoder()
    whole = (folder / name).read_bytes()
    (folder / name).write_bytes(whole[: len(whole) // 2] if damage is None else damage)
    with pytest.raises(EncoderError, match=rf"{name} cannot be loaded: .*; fetch it anew") as told:
        opened(folder)
    assert "\n" not in str(told.value)


@pytest.mark.parametrize("name", ["model.onnx", "tokenizer.json"])
def test_a_changed_file_is_named_with_the_fix(make_encoder: Make, name: str) -> None:
    folder = make_encoder()
    checksums = read_files(folder).checksums()
    assert read_files(folder, checksums).checksums() == checksums
    (folder / name).write_bytes((folder / name).read_bytes() + b" ")
    with pytest.raises(EncoderError, match=rf"{name} has changed .*silofrei model use"):
        read_files(folder, checksums)


def test_too_large_a_file_is_not_read(make_encoder: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = make_encoder()
    monkeypatch.setitem(encoder_files.LARGEST, "tokenizer.json", 10)
    with pytest.raises(EncoderError, match=r"tokenizer\.json: has \d+ bytes, more than the 10"):
        read_files(folder)


@pytest.mark.parametrize("inputs", [("pixels",), ("input_ids", "position_ids")])
def test_a_graph_that_asks_for_something_else_is_refused(make_encoder: Make, inputs: tuple[str, ...]) -> None:
    folder = make_encoder(inputs=inputs)
    with pytest.raises(
        EncoderError, match=rf"asks for .*{inputs[-1]}.*a sentence encoder asks for integers, input_ids"
    ):
        opened(folder)


def test_a_graph_that_asks_for_fractions_is_refused(make_encoder: Make) -> None:
    onnx = pytest.importorskip("onnx")
    from onnx import helper

    folder = make_encoder()
    kind = onnx.TensorProto.FLOAT
    given = [helper.make_tensor_value_info("input_ids", kind, ["a", "b"])]
    told = [helper.make_tensor_value_info("out", kind, ["a", "b"])]
    graph = helper.make_graph([helper.make_node("Identity", ["input_ids"], ["out"])], "g", given, told)
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    (folder / "model.onnx").write_bytes(made.SerializeToString())
    with pytest.raises(EncoderError, match="asks for integers"):
        opened(folder)


def test_weights_in_a_second_file_are_not_taken_wherever_the_process_runs(
    make_encoder: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    onnx = pytest.importorskip("onnx")
    folder = make_encoder()
    whole = onnx.load(folder / "model.onnx")
    onnx.save_model(
        whole, folder / "model.onnx", save_as_external_data=True, location="model.onnx_data", size_threshold=100
    )
    assert (folder / "model.onnx_data").exists()
    monkeypatch.chdir(folder)
    with pytest.raises(EncoderError, match="weights in a second file"):
        opened(folder)


@pytest.mark.parametrize("value", [np.nan, np.inf, 0.0])
def test_a_graph_that_gives_no_vector_is_refused(make_encoder: Make, value: float) -> None:
    folder = make_encoder(vectors=np.full((13, 8), value, dtype=np.float32))
    with pytest.raises(EncoderError, match="and no vector"):
        opened(folder)


def test_a_tokenizer_of_another_model_is_told(make_encoder: Make) -> None:
    folder = make_encoder()
    tokenizer = json.loads((folder / "tokenizer.json").read_text())
    tokenizer["model"]["vocab"]["late"] = 5000
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer))
    encoder = opened(folder)
    with pytest.raises(EncoderError, match=r"model\.onnx cannot encode 1 tokens of this tokenizer\.json"):
        encoder.embed("late")


@pytest.mark.parametrize("package", ["onnxruntime", "tokenizers"])
def test_a_missing_package_is_told_with_the_extra(
    make_encoder: Make, monkeypatch: pytest.MonkeyPatch, package: str
) -> None:
    folder = make_encoder()
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(EncoderError, match=r"pip install 'silofrei\[encoder\]'"):
        opened(folder)


def test_nothing_of_it_is_imported_where_no_encoder_is_used() -> None:
    code = (
        "import sys; from pathlib import Path; from silofrei.routing.classifier.registry import Registry; "
        "from silofrei.schemas.config import Thresholds; Registry(Path('nowhere')).load('packaged', Thresholds()); "
        "print({'onnxruntime', 'tokenizers', 'sklearn'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"
