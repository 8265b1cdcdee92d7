"""The classifier: a linear model over hashed n-grams, the lexicon, the style and the words of a text, in numpy alone.

Owns: answering. Refuses: storage (stored.py), training (train.py) and what follows from an answer (routing/policy.py).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray
from pydantic import TypeAdapter

from silofrei.routing.classifier.aspects import MOOD, MOODS, OTHERS, SEES, URGENT
from silofrei.routing.classifier.explain import Given, evidence
from silofrei.routing.classifier.features import Features, bayes, extract
from silofrei.routing.classifier.hashing import Words
from silofrei.routing.classifier.language import decide
from silofrei.routing.classifier.lexicon import LABELS, Hits
from silofrei.routing.classifier.own_words import pull, vocabulary
from silofrei.routing.classifier.stored import ModelError, Stored, read_model
from silofrei.routing.classifier.text import MAX_CHARS, Batch, Folded, batch, fold
from silofrei.schemas.classification import Classification
from silofrei.schemas.config import OwnWords, Thresholds
from silofrei.schemas.names import Label, Language

__all__ = ["Classifier", "LinearClassifier", "ModelError", "TextInput", "load_classifier"]

CHUNK_TEXTS = 512
CHUNK_CHARS = 100_000
"""Texts are answered in chunks of about this many characters, which fit the processor's cache."""

NOTHING = np.where([label is Label.NONE for label in LABELS], 0.24, 0.19)
"""Scores of a text without words: as good as even."""

Logits = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class _Judged:
    """A chunk of texts, what was seen of them and what the model makes of it."""

    folded: list[Folded]
    texts: Batch
    features: Features
    positions: list[NDArray[np.float32]]
    lengths: NDArray[np.float64]
    languages: list[Language]
    chances: Logits
    aspects: Logits
    own: Hits | None


_NAMES = tuple(label.value for label in LABELS)
_MOODS = tuple(sentiment.value for sentiment in MOODS)
_ANSWERS: TypeAdapter[list[Classification]] = TypeAdapter(list[Classification])


class TextInput(NamedTuple):
    """One text and the BCP 47 tag that its channel declares, if any."""

    text: str
    language: str | None = None


class Classifier(Protocol):
    """What the worker needs of a classifier."""

    @property
    def model(self) -> str:
        """Name and version of the model, on every classification."""

    def classify(self, inputs: Sequence[TextInput], *, explain: bool = True) -> list[Classification]:
        """One answer per text, in order."""


class LinearClassifier:
    """Answers with calibrated scores; see `load_classifier`."""

    def __init__(self, stored: Stored, thresholds: Thresholds, words: OwnWords | None = None) -> None:
        self._weights = stored.weights
        self._own = vocabulary(words or OwnWords())
        self._lexicon = stored.weights.lexicon.with_names(self._own.names)
        self._model = stored.name
        self._floor = np.array([thresholds.of(label) for label in LABELS])
        self._least = [thresholds.secondary.of(label) for label in OTHERS]
        # One contiguous row per label: a gather of single numbers is what costs.
        self._sparse = np.ascontiguousarray(stored.weights.sparse.T)
        self._dense = np.ascontiguousarray(stored.weights.dense.T)

    @property
    def model(self) -> str:
        """Name and version of the model, with the begin of its checksum."""
        return self._model

    def classify(self, inputs: Sequence[TextInput], *, explain: bool = True) -> list[Classification]:
        """One answer per text, in order.

        Args:
            inputs: the texts; any string is taken, and one that says nothing is abstained from.
            explain: whether to say which words decided.
        """
        answers: list[Classification] = []
        for chunk in _chunks(inputs):
            answers += _ANSWERS.validate_python(self._answer(chunk, explain))
        return answers

    def probabilities(self, inputs: Sequence[TextInput]) -> Logits:
        """(texts, labels) calibrated probabilities, in the order of `Label`."""
        parts = [self._judge(chunk).chances for chunk in _chunks(inputs)]
        return np.concatenate(parts) if parts else np.zeros((0, len(LABELS)))

    def _judge(self, inputs: Sequence[TextInput]) -> _Judged:
        weights = self._weights
        folded = [fold(one.text) for one in inputs]
        texts = batch([one.text for one in folded])
        words = Words(texts)
        declared = [one.language for one in inputs]
        spoken = weights.language.scores(texts, words, declared)
        english = spoken[:, 1] > spoken[:, 0]
        features = extract(texts, words, self._lexicon, english)

        # Each text runs from the space before it to the space before the next one.
        begins = texts.starts - 1
        squares = np.add.reduceat(_at_positions(weights.rarity, texts, features), begins)
        lengths = np.sqrt(np.maximum(squares, 1e-6)).astype(np.float64)
        positions = [_at_positions(row, texts, features) for row in self._sparse]
        sums = np.stack([np.add.reduceat(column, begins) for column in positions], axis=1)
        # A matrix product would add up in another order in a batch of another size.
        logits = sums / lengths[:, None] + (np.einsum("tf,lf->tl", features.dense, self._dense) + weights.bias)
        logits += bayes(weights.words, texts, features)
        own = self._own.hits(texts, words, english)
        if own is not None:
            logits += pull(texts, own)
        shifted = np.exp((logits - logits.max(axis=1, keepdims=True)) / weights.temperature)
        chances = shifted / shifted.sum(axis=1, keepdims=True)
        chances[np.bincount(texts.token_text, minlength=texts.size) == 0] = NOTHING
        aspects = weights.aspects.probabilities(texts, features, chances)
        languages = decide(spoken, texts, declared)
        return _Judged(folded, texts, features, positions, lengths, languages, chances, aspects, own)

    def _answer(self, inputs: Sequence[TextInput], explain: bool) -> list[dict[str, Any]]:
        judged = self._judge(inputs)
        best = judged.chances.argmax(axis=1)
        unsure = judged.chances[np.arange(len(best)), best] < self._floor[best]
        why: Sequence[tuple[dict[str, Any], ...]] = [()] * len(inputs)
        if explain:
            given = Given(
                judged.texts, judged.features, judged.positions, judged.lengths, self._weights, best, judged.own
            )
            why = evidence(given, judged.folded, [one.text for one in inputs])
        told = (Language.GERMAN, Language.ENGLISH)
        sees = judged.aspects[:, SEES]
        several: list[bool] = np.any(sees >= self._least, axis=1).tolist()
        return [
            {
                "label": LABELS[label],
                "scores": dict(zip(_NAMES, row, strict=True)),
                "secondary": self._others(label, seen) if more else (),
                "mood": dict(zip(_MOODS, mood, strict=True)) if language in told else None,
                "urgency": urgent if language in told else None,
                "language": language,
                "abstained": low or language not in told,
                "evidence": spans,
                "model": self._model,
            }
            for label, row, more, seen, mood, urgent, language, low, spans in zip(
                best.tolist(),
                judged.chances.tolist(),
                several,
                sees.tolist(),
                judged.aspects[:, MOOD].tolist(),
                judged.aspects[:, URGENT].tolist(),
                judged.languages,
                unsure.tolist(),
                why,
                strict=True,
            )
        ]

    def _others(self, best: int, sees: list[float]) -> tuple[Label, ...]:
        """Departments that should see it too, the likelier first."""
        found = [
            (score, label)
            for label, score, least in zip(OTHERS, sees, self._least, strict=True)
            if score >= least and label is not LABELS[best]
        ]
        return tuple(label for _, label in sorted(found, key=lambda pair: -pair[0]))


def _at_positions(table: NDArray[np.float32], texts: Batch, features: Features) -> NDArray[np.float32]:
    """What the n-grams that start at each position of the batch have in `table`, a word counted at its start."""
    values = table[features.grams[0]]
    for grams in features.grams[1:]:
        values += table[grams]
    values[texts.token_starts] += table[features.words]
    return values


def _chunks(inputs: Sequence[TextInput]) -> Iterator[Sequence[TextInput]]:
    start, chars = 0, 0
    for number, one in enumerate(inputs):
        size = min(len(one.text), MAX_CHARS)
        if number > start and (chars + size > CHUNK_CHARS or number - start == CHUNK_TEXTS):
            yield inputs[start:number]
            start, chars = number, 0
        chars += size
    if start < len(inputs):
        yield inputs[start:]


def load_classifier(
    thresholds: Thresholds, folder: Path | None = None, words: OwnWords | None = None
) -> LinearClassifier:
    """The classifier of a stored model.

    Args:
        thresholds: below which it abstains, per label.
        folder: where the model lies; the packaged one by default.
        words: what the company says of its own words.

    Raises:
        ModelError: a file is missing, damaged, changed or of another format.
        ConfigurationError: one of the words is no word, or a phrase is too long.
    """
    return LinearClassifier(read_model(folder), thresholds, words)
