"""A model of the corpus and a company's corrections, compared with the active one on texts that neither has seen.

Owns: what is trained on and what is held out, the comparison, storing. Refuses: the algorithm (train.py) and the
verdict (gate.py). Needs the extra `train`.

A tenth of the corpus and a fifth of the corrections are never trained on. Which ones hangs on the texts alone, so it is
the same in every training, and an active model that learned from earlier corrections has not seen these either. An
encoder behind the active model stands behind the new one, too: its head hangs on the corpus alone.
"""

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

from threadpoolctl import threadpool_limits

from silofrei.routing.classifier.assess import assess
from silofrei.routing.classifier.corpus_rows import Row, load_corpus
from silofrei.routing.classifier.encoder.opened import Loaded
from silofrei.routing.classifier.encoder.stage import carry
from silofrei.routing.classifier.evaluate import by_language
from silofrei.routing.classifier.gate import Verdict, judge
from silofrei.routing.classifier.labelled import Labelled, labelled
from silofrei.routing.classifier.lexicon import Lexicon, packaged_lexicon
from silofrei.routing.classifier.model import TextInput
from silofrei.routing.classifier.registry import Registry
from silofrei.routing.classifier.retrained import Trained
from silofrei.routing.classifier.stored import Weights, read_card, write_card, write_model
from silofrei.routing.classifier.train import train
from silofrei.schemas.config import Thresholds
from silofrei.schemas.names import Language

WEIGHT = 2.0
"""How much a correction counts beside a text of the corpus (decision 12 has what other weights give)."""
HELD_OUT = 5
"""One correction in so many is held out."""
CORPUS, CORRECTIONS = "corpus", "corrections"

_LEARNED = (Language.GERMAN, Language.ENGLISH)

Trainer = Callable[[Sequence[Row], Lexicon, Sequence[float], int], Weights]


class Parts(NamedTuple):
    """What training makes of the corpus and the corrections.

    Attributes:
        seen: rows to train on, corrections last.
        weights: of each.
        held_out: by set, the texts to compare on.
        learned: corrections among `seen`.
        other_language: corrections in neither German nor English, which are left out.
    """

    seen: list[Row]
    weights: list[float]
    held_out: dict[str, list[Labelled]]
    learned: int
    other_language: int


def held_out(text: str) -> bool:
    """Whether training never sees this correction."""
    # Another byte than the corpus' own choice, so that one says nothing about the other.
    return hashlib.sha256(text.encode()).digest()[1] % HELD_OUT == 0


def split(corpus: Sequence[Row], corrections: Sequence[Labelled], weight: float = WEIGHT) -> Parts:
    """What is trained on, and what is held out; of corrections with the same text, the last one counts."""
    tests = [row for row in corpus if row.held_out]
    tested = {row.text for row in tests}
    last = {one.text: one for one in corrections if one.text not in tested}
    told = [one for one in last.values() if one.lang in _LEARNED]
    own = [_row(one) for one in told if not held_out(one.text)]
    corrected = {row.text for row in own}
    seen = [row for row in corpus if not row.held_out and row.text not in last]
    sets = {CORPUS: [labelled(row) for row in tests], CORRECTIONS: [one for one in told if one.text not in corrected]}
    return Parts(
        seen=seen + own,
        weights=[1.0] * len(seen) + [weight] * len(own),
        held_out={name: rows for name, rows in sets.items() if rows},
        learned=len(own),
        other_language=len(last) - len(told),
    )


def retrain(
    registry: Registry,
    corrections: Sequence[Labelled],
    *,
    name: str,
    tolerance: float,
    at: datetime,
    weight: float = WEIGHT,
    dry_run: bool = False,
    corpus: Sequence[Row] | None = None,
    trainer: Trainer = train,
) -> Trained:
    """Train, compare, store, and activate what is not worse.

    Args:
        registry: the company's models.
        corrections: all of them, the oldest first.
        name: of the new model.
        tolerance: how much a figure may fall.
        at: now.
        weight: how much a correction counts.
        dry_run: store and activate nothing.
        corpus: the packaged one by default.
        trainer: makes weights of rows.

    Raises:
        ModelError: the name is taken or no name, or the active model cannot be used.
    """
    registry.check_new(name)
    thresholds = Thresholds()
    before = registry.pointer().active
    active = registry.load(before, thresholds)
    parts = split(load_corpus() if corpus is None else corpus, _spoken(corrections, active), weight)
    with threadpool_limits(1):  # as train.py does: the same texts give the same model
        weights = trainer(parts.seen, packaged_lexicon(), parts.weights, parts.learned)
    with _throwaway() if dry_run else registry.workshop() as made:
        write_model(made, weights, {"name": f"linear-{name}"})
        carry(registry.source(before), made)
        candidate = registry.load_from(made, thresholds)
        sets = {one: (assess(active, rows), assess(candidate, rows)) for one, rows in parts.held_out.items()}
        verdict = judge(sets, tolerance)
        card = _card(candidate, active, parts, tolerance, verdict, at)
        write_card(made, {**read_card(made), **card})
        if not dry_run:
            registry.keep(made, name)
    activated = verdict.passed and not dry_run
    if activated:
        registry.activate(name, at)
    return Trained(
        model=candidate.model,
        stored=None if dry_run else name,
        activated=activated,
        trained_on=len(parts.seen),
        corrections=parts.learned,
        other_language=parts.other_language,
        verdict=verdict,
    )


@contextmanager
def _throwaway() -> Iterator[Path]:
    with TemporaryDirectory() as folder:
        yield Path(folder)


def _spoken(corrections: Sequence[Labelled], active: Loaded) -> list[Labelled]:
    """The corrections with their languages, as the active model tells them where nobody did."""
    silent = [one for one in corrections if one.lang is None]
    told = iter(active.classify([TextInput(one.text) for one in silent], explain=False))
    return [one if one.lang else one.model_copy(update={"lang": next(told).language}) for one in corrections]


def _row(one: Labelled) -> Row:
    return Row(one.text, one.label, one.secondary or (), one.lang or Language.UNDETERMINED)


def _card(
    candidate: Loaded,
    active: Loaded,
    parts: Parts,
    tolerance: float,
    verdict: Verdict,
    at: datetime,
) -> Mapping[str, Any]:
    return {
        "trained_at": at.isoformat(timespec="seconds"),
        "trained_on": len(parts.seen),
        "corrections": parts.learned,
        "corrections_held_out": len(parts.held_out.get(CORRECTIONS, ())),
        "correction_weight": parts.weights[-1] if parts.learned else None,
        "held_out": by_language(candidate, [_row(one) for one in parts.held_out.get(CORPUS, ())]),
        "compared_with": active.model,
        "tolerance": tolerance,
        "passed": verdict.passed,
    }
