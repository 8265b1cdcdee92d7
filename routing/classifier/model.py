"""The classifier: a linear model over hashed n-grams and the hint lexicon, in numpy alone.

Owns: loading a stored model and answering. Refuses: training (train.py) and routing decisions (policy.py). A stored
model is arrays (npz, no pickle) and a JSON file with their SHA-256 and the figures that it reached.
"""

import hashlib
import io
import json
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from silofrei.routing.classifier.explain import evidence
from silofrei.routing.classifier.features import BITS, DENSE, DENSE_SCALE, Features, extract, per_text
from silofrei.routing.classifier.hashing import Words
from silofrei.routing.classifier.language import LanguageModel
from silofrei.routing.classifier.lexicon import LABELS, load_lexicon
from silofrei.routing.classifier.text import Batch, batch, fold
from silofrei.schemas.classification import Classification, Scores
from silofrei.schemas.config import Thresholds
from silofrei.schemas.names import Label, Language
from silofrei.schemas.settings import ConfigurationError

FORMAT = 1
ARRAYS = "model.npz"
CARD = "model.json"
PACKAGED = "trained"

Logits = NDArray[np.float32]


class ModelError(ConfigurationError):
    """A stored model cannot be used; the message says why and what to do."""


class TextInput(NamedTuple):
    """One text and the language its channel declares, if any."""

    text: str
    language: str | None = None


class Classifier(Protocol):
    """What the worker needs of a classifier."""

    @property
    def model(self) -> str:
        """Name and version of the model, on every classification."""

    def classify(self, inputs: Sequence[TextInput], *, explain: bool = True) -> list[Classification]:
        """One answer per text, in order."""


@dataclass(frozen=True, slots=True)
class Weights:
    """The arrays of a model.

    Attributes:
        sparse: (buckets, labels) weights, rarity included; row 0 is zero.
        rarity: (buckets,) squared rarity of each bucket; 0 in bucket 0.
        dense: (lexicon figures, labels) weights.
        bias: (labels,).
        temperature: divides the logits; fitted so that probabilities are frequencies.
        language: word odds.
    """

    sparse: NDArray[np.float32]
    rarity: NDArray[np.float32]
    dense: NDArray[np.float32]
    bias: NDArray[np.float32]
    temperature: float
    language: LanguageModel


class LinearClassifier:
    """Answers with calibrated scores; see `load_classifier`."""

    def __init__(self, weights: Weights, model: str, thresholds: Thresholds) -> None:
        self._weights = weights
        self._model = model
        self._thresholds = thresholds
        self._lexicon = load_lexicon()

    @property
    def model(self) -> str:
        """Name and version of the model, with the begin of its checksum."""
        return self._model

    def classify(self, inputs: Sequence[TextInput], *, explain: bool = True) -> list[Classification]:
        """One answer per text, in order.

        Args:
            inputs: the texts; any text is taken, and an unknown one is abstained from.
            explain: whether to say which words decided.
        """
        if not inputs:
            return []
        folded = [fold(one.text) for one in inputs]
        texts = batch([one.text for one in folded])
        features = extract(texts, self._lexicon)
        logits, parts = self._logits(texts, features)
        probabilities = softmax(logits / self._weights.temperature)
        languages = self._weights.language.detect(
            texts, Words(texts).hashes, [one.text for one in inputs], [one.language for one in inputs]
        )
        best = probabilities.argmax(axis=1)
        why = evidence(texts, folded, [one.text for one in inputs], parts, best) if explain else [()] * len(inputs)
        return [
            self._answer(row, int(label), language, spans)
            for row, label, language, spans in zip(probabilities.tolist(), best, languages, why, strict=True)
        ]

    def probabilities(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """(texts, labels) calibrated probabilities, in the order of `Label`."""
        found = batch([fold(text).text for text in texts])
        return softmax(self._logits(found, extract(found, self._lexicon))[0] / self._weights.temperature)

    def _logits(self, texts: Batch, features: Features) -> tuple[Logits, Logits]:
        """(texts, labels) logits, and (words, labels) what each word gives to them."""
        weights = self._weights
        size = texts.size
        at = weights.sparse[features.grams[0]]
        rarity = weights.rarity[features.grams[0]]
        for grams in features.grams[1:]:
            at += weights.sparse[grams]
            rarity += weights.rarity[grams]
        words = weights.sparse[features.words] + weights.sparse[features.pairs]
        word_rarity = weights.rarity[features.words] + weights.rarity[features.pairs]
        # Each text runs from its start to the border behind it, so no slice is empty.
        sums = np.add.reduceat(at, texts.starts) + per_text(texts.token_text, words, size)
        lengths = np.add.reduceat(rarity, texts.starts) + np.bincount(texts.token_text, word_rarity, size)
        lengths = np.sqrt(np.maximum(lengths, 1e-6)).astype(np.float32)
        logits = sums / lengths[:, None] + features.dense @ weights.dense + weights.bias

        running = np.zeros((len(at) + 1, len(LABELS)), dtype=np.float32)
        np.cumsum(at, axis=0, out=running[1:])
        # An n-gram that begins with the border before a word belongs to the word.
        own = running[texts.token_ends] - running[texts.token_starts - 1] + words
        own /= lengths[texts.token_text][:, None]
        hinted = np.zeros_like(own)
        np.add.at(hinted, features.hits.token, features.hits.hints)
        counts = np.sqrt(np.maximum(np.bincount(texts.token_text, minlength=size), 1)).astype(np.float32)
        own += DENSE_SCALE * hinted @ weights.dense[: len(LABELS)] / counts[texts.token_text][:, None]
        return logits.astype(np.float32), own

    def _answer(self, row: list[float], best: int, language: Language, spans: tuple[Any, ...]) -> Classification:
        label = LABELS[best]
        told = language in (Language.GERMAN, Language.ENGLISH)
        total = sum(row)
        scores = [value / total for value in row]
        return Classification(
            label=label,
            scores=Scores(service=scores[0], sales=scores[1], hr=scores[2], pr=scores[3], none=scores[4]),
            secondary=tuple(
                other
                for other, score in zip(LABELS, scores, strict=True)
                if other not in (label, Label.NONE) and score >= self._thresholds.secondary
            ),
            language=language,
            abstained=not told or scores[best] < self._thresholds.of(label),
            evidence=spans,
            model=self._model,
        )


def softmax(logits: Logits) -> Logits:
    """Probabilities of each row."""
    shifted: Logits = np.exp(logits - logits.max(axis=1, keepdims=True))
    shifted /= shifted.sum(axis=1, keepdims=True)
    return shifted


def load_classifier(thresholds: Thresholds, folder: Path | None = None) -> LinearClassifier:
    """The classifier of a stored model.

    Args:
        thresholds: below which it abstains, per label.
        folder: where the model lies; the packaged one by default.

    Raises:
        ModelError: a file is missing, damaged, or of another format.
    """
    place: Traversable = folder if folder else files("silofrei.routing.classifier") / PACKAGED
    try:
        card = json.loads((place / CARD).read_text(encoding="utf-8"))
        stored = (place / ARRAYS).read_bytes()
    except (OSError, ValueError) as error:
        raise ModelError(f"model {place}: {error}; name a folder with {CARD} and {ARRAYS}") from None
    if not isinstance(card, dict) or card.get("format") != FORMAT or card.get("bits") != BITS:
        raise ModelError(f"model {place}: {CARD} is of another format than this version reads; train it anew")
    if hashlib.sha256(stored).hexdigest() != card.get("sha256"):
        raise ModelError(f"model {place}: {ARRAYS} does not have the checksum of {CARD}; it was damaged or changed")
    with np.load(io.BytesIO(stored), allow_pickle=False) as arrays:
        weights = _weights(arrays, float(card["temperature"]))
    return LinearClassifier(weights, f"{card['name']}-{card['sha256'][:8]}", thresholds)


def _weights(arrays: Any, temperature: float) -> Weights:
    sparse = np.zeros((1 << BITS, len(LABELS)), dtype=np.float32)
    used = arrays["used"]
    sparse[used] = arrays["sparse"].astype(np.float32) * arrays["scale"]
    rarity = np.full(1 << BITS, arrays["rarest"], dtype=np.float32)
    rarity[used] = arrays["rarity"].astype(np.float32)
    rarity[0] = 0
    dense = arrays["dense"].astype(np.float32)
    if dense.shape != (DENSE, len(LABELS)):
        raise ModelError(f"the model has {dense.shape[0]} lexicon figures, this version has {DENSE}; train it anew")
    language = LanguageModel(arrays["language_hashes"], arrays["language_odds"].astype(np.float32))
    return Weights(sparse, rarity, dense, arrays["bias"].astype(np.float32), temperature, language)
