"""What every test may ask for: settings of its own, and real services that start when the first test needs them.

A service that cannot be had here skips the test with the reason; where CI=true it fails it.
"""

import os
import re
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import fields, replace
from pathlib import Path
from typing import NoReturn

import numpy as np
import pytest
import redis
from hypothesis import settings as hypothesis_settings
from numpy.typing import NDArray

from silofrei.deploy.local.child import LocalError
from silofrei.deploy.local.jars import cache_folder, fetch, read_lock
from silofrei.deploy.local.java import java_missing
from silofrei.deploy.local.kafka import LocalKafka
from silofrei.deploy.local.memory_kafka import MemoryKafka, memory_kafka_missing
from silofrei.deploy.local.redis import LocalRedis, redis_missing
from silofrei.routing.classifier.corpus_rows import Row, load_corpus
from silofrei.routing.classifier.stored import Weights, read_model
from silofrei.schemas.names import Label
from silofrei.schemas.settings import PREFIX, Settings, load_settings

hypothesis_settings.register_profile("quick", max_examples=25)
"""For `make unit`; `make test` tries four times as many."""

JARS_WITHIN = 90.0
"""Longest wait for Kafka's jars, seconds; below the time limit of a test."""

MakeSettings = Callable[..., Settings]


def unavailable(reason: str) -> NoReturn:
    """Skips the test, or fails it where CI=true: there, everything must be there."""
    if os.environ.get("CI") == "true":
        pytest.fail(f"CI must have all services: {reason}")
    pytest.skip(reason)


@pytest.fixture
def make_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> MakeSettings:
    """Settings from the keywords alone: no environment, no `.env`, data under this test's folder."""
    for name in [name for name in os.environ if name.startswith(PREFIX)]:
        monkeypatch.delenv(name)

    def make(**values: object) -> Settings:
        return load_settings(**{"data": tmp_path / "data", "_env_file": os.devnull, **values})

    return make


@pytest.fixture(scope="session")
def corpus() -> tuple[Row, ...]:
    """All texts of the corpus, read once."""
    return tuple(load_corpus())


@pytest.fixture(scope="session")
def turned_weights() -> Callable[[int], Weights]:
    """The packaged weights with all labels turned round by so many places: a model that is wrong in a known way."""

    def turn(places: int) -> Weights:
        weights = read_model().weights
        arrays = {field.name: getattr(weights, field.name) for field in fields(weights)}
        per_label = {
            name: np.roll(array, places, axis=-1)
            for name, array in arrays.items()
            if isinstance(array, np.ndarray) and array.shape[-1] == len(Label)
        }
        return replace(weights, **per_label)

    return turn


MakeEncoder = Callable[..., Path]
WORDS = ("[PAD]", "[UNK]", "train", "late", "job", "price", "zug", "spät", "lohn", "hello", "there", "is", "the")
DIMENSION = 8


@pytest.fixture
def make_encoder(tmp_path: Path) -> MakeEncoder:
    """Makes a tiny encoder in a folder: `model.onnx`, one vector per word, beside a `tokenizer.json` of words."""
    pytest.importorskip("onnxruntime", reason="an encoder needs the extra `encoder`")
    onnx = pytest.importorskip("onnx", reason="builds the tiny encoder")
    from onnx import TensorProto, helper, numpy_helper
    from tokenizers import Tokenizer
    from tokenizers.models import WordLevel
    from tokenizers.pre_tokenizers import Whitespace

    def make(
        folder: Path | None = None,
        *,
        model: str = "model.onnx",
        inputs: Sequence[str] = ("input_ids", "attention_mask"),
        output: str = "last_hidden_state",
        kind: int = TensorProto.INT64,
        vectors: NDArray[np.float32] | None = None,
        words: Sequence[str] = WORDS,
        seed: int = 0,
    ) -> Path:
        if vectors is None:
            vectors = np.random.default_rng(seed).normal(size=(len(words), DIMENSION)).astype(np.float32)
        given = [helper.make_tensor_value_info(name, kind, ["batch", "sequence"]) for name in inputs]
        pooled = output == "sentence_embedding"
        shape = ["batch", DIMENSION] if pooled else ["batch", "sequence", DIMENSION]
        nodes = [helper.make_node("Gather", ["vectors", inputs[0]], ["found"])]
        if "attention_mask" in inputs:
            nodes += [
                helper.make_node("Cast", ["attention_mask"], ["mask"], to=TensorProto.FLOAT),
                helper.make_node("Unsqueeze", ["mask", "last"], ["wide"]),
                helper.make_node("Mul", ["found", "wide"], ["masked"]),
            ]
        last = nodes[-1].output[0]
        nodes.append(
            helper.make_node("ReduceMean", [last], [output], axes=[1], keepdims=0)
            if pooled
            else helper.make_node("Identity", [last], [output])
        )
        graph = helper.make_graph(
            nodes,
            "tiny",
            given,
            [helper.make_tensor_value_info(output, TensorProto.FLOAT, shape)],
            [numpy_helper.from_array(vectors, "vectors"), numpy_helper.from_array(np.array([2]), "last")],
        )
        made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
        onnx.checker.check_model(made)
        tokenizer = Tokenizer(WordLevel({word: number for number, word in enumerate(words)}, unk_token="[UNK]"))
        tokenizer.pre_tokenizer = Whitespace()
        place = folder or tmp_path / "tiny"
        (place / model).parent.mkdir(parents=True, exist_ok=True)
        (place / model).write_bytes(made.SerializeToString())
        tokenizer.save(str(place / "tokenizer.json"))
        return place

    return make


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalRedis]:
    """A real Valkey with an append-only file for the whole run. Do not stop it; start a LocalRedis of your own."""
    missing = redis_missing()
    if missing:
        unavailable(missing)
    server = LocalRedis(tmp_path_factory.mktemp("redis"))
    server.start()
    yield server
    server.stop()


@pytest.fixture
def redis_url(redis_server: LocalRedis) -> str:
    """The address of a Redis that is empty at the start of the test."""
    with redis.Redis.from_url(redis_server.url) as client:
        client.config_set("maxmemory", 0)
        client.flushall()
        client.script_flush()
    return redis_server.url


@pytest.fixture(scope="session")
def memory_kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """HOST:PORT of a Kafka in memory for the whole run; use topics of your own, see `topic_prefix`."""
    missing = memory_kafka_missing()
    if missing:
        unavailable(missing)
    broker = MemoryKafka(tmp_path_factory.mktemp("memory-kafka"))
    broker.start()
    yield broker.bootstrap
    broker.stop()


@pytest.fixture(scope="session")
def kafka_jars() -> Path:
    """The folder with the jars of Apache Kafka, fetched where they are missing."""
    missing = java_missing()
    if missing:
        unavailable(missing)
    lock = read_lock()
    try:
        return fetch(lock, cache_folder(lock.version), within=JARS_WITHIN)
    except LocalError as error:
        unavailable(str(error))


@pytest.fixture(scope="session")
def local_kafka(kafka_jars: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """HOST:PORT of a real Apache Kafka for the whole run; use topics of your own, see `topic_prefix`.

    Topics are not made by use: call `provision(settings, config)`. To stop one, start a LocalKafka of your own.
    """
    broker = LocalKafka(tmp_path_factory.mktemp("kafka"), jars=kafka_jars)
    broker.start()
    yield broker.bootstrap
    broker.stop()


@pytest.fixture
def topic_prefix() -> str:
    """A prefix for topics and groups that no other test has."""
    return f"t{uuid.uuid4().hex[:12]}."


class DeskProcess:
    """`silofrei desk` as its own process, on a free port unless told otherwise."""

    def __init__(self, folder: Path, redis_url: str, **settings: str) -> None:
        folder.mkdir()
        self.log = folder / "desk.log"
        self.data = folder / "data"
        environment = {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)}
        values = {"REDIS": redis_url, "DATA": str(self.data), "DESK_PORT": "0", "REDIS_TIMEOUT": "2"} | settings
        environment |= {"TZ": "Europe/Berlin"} | {PREFIX + name: value for name, value in values.items()}
        with self.log.open("ab") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "silofrei.deploy.cli.main", "desk"],
                cwd=folder,
                env=environment,
                stdout=output,
                stderr=output,
            )

    def address(self) -> str:
        """Where it answers, as soon as it says so."""
        end = time.monotonic() + 30
        while time.monotonic() < end:
            if found := re.search(r"http://\S+:\d+", self.log.read_text()):
                return found[0]
            assert self.process.poll() is None, self.log.read_text()
            time.sleep(0.05)
        raise AssertionError(f"the desk did not start: {self.log.read_text()}")

    def ended(self) -> tuple[int, str]:
        """Exit code and what it wrote, once it has ended."""
        return self.process.wait(20), self.log.read_text()

    def stop(self, number: int = signal.SIGTERM) -> tuple[int, str]:
        """End it as a supervisor does."""
        self.process.send_signal(number)
        return self.ended()


StartDesk = Callable[..., DeskProcess]


@contextmanager
def _desks(folders: pytest.TempPathFactory) -> Iterator[StartDesk]:
    desks: list[DeskProcess] = []

    def start(redis_url: str, **settings: str) -> DeskProcess:
        desks.append(DeskProcess(folders.mktemp("desk") / "run", redis_url, **settings))
        return desks[-1]

    try:
        yield start
    finally:
        codes = [desk.stop()[0] for desk in desks if desk.process.poll() is None]
    assert codes == [0] * len(codes)
    for desk in desks:
        assert "Traceback" not in desk.log.read_text(), desk.log.read_text()


@pytest.fixture
def start_desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StartDesk]:
    """Starts desks over a Redis; they are stopped after the test, and no log may hold a traceback."""
    with _desks(tmp_path_factory) as start:
        yield start


@pytest.fixture(scope="session")
def start_lasting_desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StartDesk]:
    """As `start_desk`, for desks that serve the whole run."""
    with _desks(tmp_path_factory) as start:
        yield start
