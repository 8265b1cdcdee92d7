"""A running worker with a sentence encoder behind its model: taken without a restart, given back with one command."""

import numpy as np
import pytest

from silofrei.routing.classifier.encoder.files import read_files
from silofrei.routing.classifier.encoder.sentence import SentenceEncoder
from silofrei.routing.classifier.encoder.stage import Head, Mix, Stage, StageCard, write_stage
from silofrei.routing.classifier.lexicon import LABELS
from silofrei.routing.classifier.stored import read_model, write_model
from silofrei.schemas.names import Language

pytestmark = pytest.mark.slow

MIX = Mix(share=0.5, temperature=1.0)


def test_a_running_worker_asks_the_encoder_and_a_rollback_ends_that(surroundings, native, tmp_path, make_encoder):
    data = tmp_path / "own-data"
    files = read_files(make_encoder(data / "encoders" / "tiny"))
    size = SentenceEncoder(files).dimension
    write_model(data / "models" / "own", read_model().weights, {"name": "linear-own"})
    card = StageCard(
        path="encoders/tiny",
        files=files.checksums(),
        dimension=size,
        below=1.0,
        languages={Language.GERMAN: MIX, Language.ENGLISH: MIX},
    )
    head = Head(np.ones((size, len(LABELS)), np.float32), np.zeros(len(LABELS), np.float32))
    write_stage(data / "models" / "own", Stage(dict.fromkeys(card.languages, head), card))
    worker = surroundings.worker(data=data)

    def latest() -> str:
        surroundings.send(native.mention(f"m{len(surroundings.mentions()) + 1}"))
        surroundings.wait_for(lambda: surroundings.lag() == 0, 30, worker)
        return [event["classification"]["model"] for event in surroundings.events() if event.get("classification")][-1]

    assert "+" not in latest()
    assert surroundings.command("model", "use", "own", data=data).returncode == 0
    surroundings.wait_for(lambda: "+encoder-" in latest(), 20, worker)
    counted = [value for name, value in worker.shown().items() if name.startswith("silofrei_encoder_texts_total")]
    assert sum(counted) > 0
    assert surroundings.command("model", "rollback", data=data).stdout == "packaged is active again\n"
    surroundings.wait_for(lambda: "+" not in latest(), 20, worker)

    (data / "encoders" / "tiny" / "model.onnx").unlink()
    refused = surroundings.command("model", "use", "own", data=data)
    assert refused.returncode == 2
    assert "there is no model.onnx" in refused.stderr
    assert worker.stop(10) == 0
