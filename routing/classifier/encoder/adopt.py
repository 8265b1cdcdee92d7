"""Takes an encoder into use behind the active model: trains a head, compares, stores, activates what is not worse.

Owns: the order of it, and what is compared with what. Refuses: the algorithm (fit.py) and the verdict (gate.py). Needs
the extras `encoder` and `train`.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict
from datetime import datetime
from importlib.resources.abc import Traversable
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from silofrei.routing.classifier.assess import assess
from silofrei.routing.classifier.corpus_rows import Row, load_corpus
from silofrei.routing.classifier.encoder.adopted import BOTH, HEAD, LOCAL, Adopted
from silofrei.routing.classifier.encoder.cascade import CascadedClassifier
from silofrei.routing.classifier.encoder.files import read_files
from silofrei.routing.classifier.encoder.fit import Voice, fit_voices
from silofrei.routing.classifier.encoder.sentence import SentenceEncoder
from silofrei.routing.classifier.encoder.stage import (
    Chances,
    Stage,
    StageCard,
    read_stage,
    softmax,
    write_stage,
    write_stage_card,
)
from silofrei.routing.classifier.evaluate import Evaluation, figures_by_language
from silofrei.routing.classifier.gate import judge
from silofrei.routing.classifier.labelled import labelled
from silofrei.routing.classifier.lexicon import LABELS, Lexicon, packaged_lexicon
from silofrei.routing.classifier.model import TextInput
from silofrei.routing.classifier.registry import Registry
from silofrei.routing.classifier.stored import ARRAYS, CARD, read_card, write_card
from silofrei.routing.classifier.train import Fitted, train_apart
from silofrei.schemas.config import Thresholds
from silofrei.schemas.names import Language

BELOW = 0.7
"""The encoder is asked about texts whose best score is lower (decision 15 has what other bounds give)."""
CORPUS = "corpus"

Trainer = Callable[[Sequence[Row], Lexicon], Fitted]
Progress = Callable[[int, int], None]
"""Told how many texts of all were encoded."""


def adopt(
    registry: Registry,
    folder: Path,
    *,
    name: str,
    tolerance: float,
    clock: Callable[[], datetime],
    dry_run: bool = False,
    corpus: Sequence[Row] | None = None,
    trainer: Trainer = train_apart,
    progress: Progress = lambda done, of: None,
) -> Adopted:
    """Train, compare, store, and activate what is not worse.

    Args:
        registry: the company's models.
        folder: where the encoder lies, and stays.
        name: of the new model, which is the active one with the encoder behind it.
        tolerance: how much a figure may fall.
        clock: gives the moment, which at the end is minutes later than at the beginning.
        dry_run: store and activate nothing.
        corpus: the packaged one by default.
        trainer: trains linear models that have not seen a part each.
        progress: is told of it.

    Raises:
        EncoderError: the encoder cannot be used.
        ModelError: the name is taken or no name, or the active model cannot be used.
    """
    registry.check_new(name)
    files = read_files(folder.resolve())
    encoder = SentenceEncoder(files, registry.encoder_threads)
    base, thresholds = registry.pointer().active, Thresholds()
    local = registry.load_linear(base, thresholds)
    rows = load_corpus() if corpus is None else corpus
    seen, tests = [row for row in rows if not row.held_out], [row for row in rows if row.held_out]

    vectors = _encode(encoder, seen, progress)
    with threadpool_limits(1):  # as train.py does: the same texts give the same heads
        ours = trainer(seen, packaged_lexicon())
        voices = fit_voices(seen, vectors, softmax(ours.apart / ours.weights.temperature), BELOW)
    mixes = {language: voice.mix for language, voice in voices.items() if voice.mix}
    card = StageCard(
        path=_path(folder.resolve(), registry.data.resolve()),
        files=files.checksums(),
        dimension=encoder.dimension,
        below=BELOW,
        languages=mixes,
    )
    stage = Stage({language: voices[language].fitted.head for language in mixes}, card)

    began = perf_counter()
    found = {HEAD: figures_by_language(tests, _alone(voices, tests, _encode(encoder, tests)))}
    milliseconds = (perf_counter() - began) / len(tests) * 1000
    inputs = [TextInput(row.text) for row in tests]
    found[LOCAL] = figures_by_language(tests, local.probabilities(inputs))
    if not mixes:
        return Adopted(local.model, None, False, len(seen), mixes, 0.0, milliseconds, found, None)
    with _workshop(registry, dry_run) as place:
        made = Path(place)
        _copy(registry.source(base), made)
        both = CascadedClassifier(local, write_stage(made, stage), encoder, thresholds)
        found[BOTH] = figures_by_language(tests, both.probabilities(inputs))
        asked = float(np.mean([both.asks(answer) for answer in local.classify(inputs, explain=False)]))
        sets = [labelled(row) for row in tests]
        verdict = judge({CORPUS: (assess(local, sets), assess(both, sets))}, tolerance)
        judged = {"compared_with": local.model, "tolerance": tolerance, "passed": verdict.passed}
        _tell(made, {"trained_at": clock().isoformat(timespec="seconds"), **judged}, found)
        if not dry_run:
            registry.keep(made, name)
    activated = verdict.passed and not dry_run
    if activated:
        registry.activate(name, clock())
    stored = None if dry_run else name
    return Adopted(both.model, stored, activated, len(seen), mixes, asked, milliseconds, found, verdict)


def _alone(voices: Mapping[Language, Voice], rows: Sequence[Row], vectors: NDArray[np.float32]) -> Chances:
    """(rows, labels) what the heads alone say, each of the texts of its language."""
    chances = np.full((len(rows), len(LABELS)), 1 / len(LABELS))
    for language, voice in voices.items():
        here = [number for number, row in enumerate(rows) if row.language is language]
        if here:
            chances[here] = voice.fitted.head.chances(vectors[here], voice.fitted.temperature)
    return chances


def _tell(made: Path, judged: Mapping[str, Any], found: Mapping[str, Mapping[str, Evaluation]]) -> None:
    """Write into the cards what all three reach and what follows."""
    reached = {which: {kept: asdict(one) for kept, one in own.items()} for which, own in found.items()}
    stage = read_stage(made)
    if stage is not None:
        write_stage_card(made, stage.card.model_copy(update={"figures": reached}))
    write_card(made, {**read_card(made), **judged, "held_out": reached[BOTH]})


def _encode(encoder: SentenceEncoder, rows: Sequence[Row], progress: Progress | None = None) -> NDArray[np.float32]:
    vectors = np.zeros((len(rows), encoder.dimension), dtype=np.float32)
    for number, row in enumerate(rows):
        vectors[number] = encoder.embed(row.text)
        if progress is not None:
            progress(number + 1, len(rows))
    return vectors


def _path(folder: Path, data: Path) -> str:
    """The encoder's folder as the card has it: DATA may stand elsewhere on another machine."""
    return str(folder.relative_to(data) if folder.is_relative_to(data) else folder)


def _workshop(registry: Registry, dry_run: bool) -> AbstractContextManager[Path | str]:
    return TemporaryDirectory() if dry_run else registry.workshop()


def _copy(source: Traversable, made: Path) -> None:
    for name in (ARRAYS, CARD):
        (made / name).write_bytes((source / name).read_bytes())
