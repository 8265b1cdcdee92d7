"""A model on disk: arrays (npz, no pickle) and a card, JSON with their SHA-256 and the figures that it reached."""

import hashlib
import io
import json
import math
import zlib
from dataclasses import dataclass
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from silofrei.routing.classifier.aspects import ASPECTS, Aspects
from silofrei.routing.classifier.concepts import CONCEPTS, MOST_CONCEPTS
from silofrei.routing.classifier.features import BITS, DENSE, ORDERS, WORD_BITS
from silofrei.routing.classifier.language import LANGUAGES, LanguageModel
from silofrei.routing.classifier.lexicon import LABELS, Lexicon
from silofrei.schemas.settings import ConfigurationError

FORMAT = 4
"""Changes with every change of the features, so that an older model is refused instead of misread."""
ARRAYS = "model.npz"
CARD = "model.json"
PACKAGED = "trained"


class ModelError(ConfigurationError):
    """A stored model cannot be used; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class Weights:
    """What a model has learned.

    Attributes:
        sparse: (buckets, labels) weights of n-grams and words, rarity included; row 0 is zero.
        rarity: (buckets,) squared rarity; 0 in bucket 0.
        words: (word buckets, labels) log odds of naive Bayes; zeros where training saw no word.
        dense: (dense figures, labels) weights.
        bias: (labels,).
        temperature: divides the logits, so that probabilities are frequencies.
        language: words of the languages.
        lexicon: the terms that it was trained with.
        aspects: mood, urgency and who else should see it.
    """

    sparse: NDArray[np.float32]
    rarity: NDArray[np.float32]
    words: NDArray[np.float32]
    dense: NDArray[np.float32]
    bias: NDArray[np.float32]
    temperature: float
    language: LanguageModel
    lexicon: Lexicon
    aspects: Aspects


@dataclass(frozen=True, slots=True)
class Stored:
    """A model and its name, such as `linear-2026.11-1a2b3c4d` (the end is of the checksum)."""

    name: str
    weights: Weights


def write_model(folder: Path, weights: Weights, card: dict[str, Any]) -> None:
    """Write arrays and card; the same weights give the same bytes.

    Args:
        folder: is created where it is missing.
        weights: as trained.
        card: what else the card says, at least `name`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    sparse, scale = _as_bytes(weights.sparse)
    words, words_scale = _as_bytes(weights.words)
    tones, tones_scale = _as_bytes(weights.aspects.words)
    buffer = io.BytesIO()
    np.savez_compressed(
        buffer,
        sparse=sparse,
        scale=scale,
        words=words,
        words_scale=words_scale,
        rarity=weights.rarity.astype(np.float16),
        dense=weights.dense,
        bias=weights.bias,
        language_hashes=weights.language.hashes,
        language_odds=weights.language.odds.astype(np.float16),
        names=weights.lexicon.names,
        lexicon_hashes=weights.lexicon.hashes,
        lexicon_hints=weights.lexicon.hints.astype(np.int8),
        lexicon_concepts=weights.lexicon.concepts,
        aspect_words=tones,
        aspect_scale=tones_scale,
        aspect_dense=weights.aspects.dense,
        aspect_chances=weights.aspects.chances,
        aspect_bias=weights.aspects.bias,
    )
    (folder / ARRAYS).write_bytes(buffer.getvalue())
    write_card(
        folder,
        {
            **card,
            "format": FORMAT,
            "bits": BITS,
            "orders": list(ORDERS),
            "temperature": round(weights.temperature, 4),
            "sha256": hashlib.sha256(buffer.getvalue()).hexdigest(),
        },
    )


def _as_bytes(weights: NDArray[np.float32]) -> tuple[NDArray[np.int8], np.float32]:
    scale = np.float32(max(float(np.abs(weights).max()), 1e-6) / 127)
    return np.round(weights / scale).astype(np.int8), scale


def write_card(folder: Path, card: dict[str, Any]) -> None:
    """Write the card alone."""
    (folder / CARD).write_text(json.dumps(card, indent=2, sort_keys=True) + "\n", encoding="utf-8")


def read_card(place: Traversable) -> dict[str, Any]:
    """The card of the model at `place`, checked for its format.

    Raises:
        ModelError: it is missing, no JSON, or of another format.
    """
    try:
        card = json.loads((place / CARD).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ModelError(
            f"model {place}: cannot read {CARD}: {error}; name a folder with {CARD} and {ARRAYS}"
        ) from None
    if not isinstance(card, dict) or card.get("format") != FORMAT:
        raise ModelError(
            f"model {place}: {CARD} is not of format {FORMAT}, which this version reads; train the model anew"
        )
    return card


def read_model(folder: Path | None = None) -> Stored:
    """The model in `folder`, or the packaged one.

    Raises:
        ModelError: a file is missing, damaged, changed or of another format.
    """
    place: Traversable = folder if folder else files("silofrei.routing.classifier") / PACKAGED
    card = read_card(place)
    try:
        stored = (place / ARRAYS).read_bytes()
    except OSError as error:
        raise ModelError(f"model {place}: cannot read {ARRAYS}: {error}; name a folder with both files") from None
    if hashlib.sha256(stored).hexdigest() != card.get("sha256"):
        raise ModelError(
            f"model {place}: {ARRAYS} does not have the checksum that {CARD} states: it was damaged or changed; "
            f"restore both files, or train the model anew"
        )
    try:
        with np.load(io.BytesIO(stored), allow_pickle=False) as arrays:
            weights = _weights(arrays, float(card["temperature"]))
        name = f"{card['name']}-{card['sha256'][:8]}"
    except (KeyError, ValueError, TypeError, EOFError, BadZipFile, zlib.error) as error:
        raise ModelError(f"model {place}: {ARRAYS} and {CARD} cannot be used ({error}); train the model anew") from None
    return Stored(name, weights)


def _weights(arrays: Any, temperature: float) -> Weights:
    weights = Weights(
        sparse=arrays["sparse"].astype(np.float32) * arrays["scale"],
        rarity=arrays["rarity"].astype(np.float32),
        words=arrays["words"].astype(np.float32) * arrays["words_scale"],
        dense=arrays["dense"],
        bias=arrays["bias"],
        temperature=temperature,
        language=LanguageModel(arrays["language_hashes"], arrays["language_odds"].astype(np.float64)),
        lexicon=Lexicon(
            arrays["lexicon_hashes"],
            arrays["lexicon_hints"].astype(np.float32),
            arrays["lexicon_concepts"],
            arrays["names"],
        ),
        aspects=Aspects(
            arrays["aspect_words"].astype(np.float32) * arrays["aspect_scale"],
            arrays["aspect_dense"],
            arrays["aspect_chances"],
            arrays["aspect_bias"],
        ),
    )
    _check(weights)
    return weights


def _check(weights: Weights) -> None:
    """Refuse what would fail, or answer nonsense, only when a text comes."""
    if not (math.isfinite(weights.temperature) and weights.temperature > 0):
        raise ValueError(f"temperature is {weights.temperature}, not above 0")
    language, lexicon, aspects = weights.language, weights.lexicon, weights.aspects
    expected: dict[str, tuple[NDArray[Any], tuple[int, ...]]] = {
        "sparse": (weights.sparse, (1 << BITS, len(LABELS))),
        "rarity": (weights.rarity, (1 << BITS,)),
        "words": (weights.words, (1 << WORD_BITS, len(LABELS))),
        "dense": (weights.dense, (DENSE, len(LABELS))),
        "bias": (weights.bias, (len(LABELS),)),
        "language_odds": (language.odds, (len(language.hashes), len(LANGUAGES))),
        "lexicon_hints": (lexicon.hints, (len(lexicon.hashes), len(LABELS))),
        "lexicon_concepts": (lexicon.concepts, (len(lexicon.hashes), MOST_CONCEPTS)),
        "aspect_words": (aspects.words, (1 << WORD_BITS, ASPECTS)),
        "aspect_dense": (aspects.dense, (DENSE, ASPECTS)),
        "aspect_chances": (aspects.chances, (len(LABELS), ASPECTS)),
        "aspect_bias": (aspects.bias, (ASPECTS,)),
    }
    for name, (array, shape) in expected.items():
        if array.shape != shape:
            raise ValueError(f"{name} has shape {array.shape}, not {shape}")
        if not np.isfinite(array).all():
            raise ValueError(f"{name} has values that are no numbers")
    if lexicon.concepts.dtype != np.uint8 or lexicon.concepts.max(initial=0) > len(CONCEPTS):
        raise ValueError(f"lexicon_concepts names concepts that do not exist; there are {len(CONCEPTS)}")
    for name, hashes in (
        ("language_hashes", language.hashes),
        ("lexicon_hashes", lexicon.hashes),
        ("names", lexicon.names),
    ):
        if hashes.dtype != np.uint64 or hashes.ndim != 1 or (hashes[1:] <= hashes[:-1]).any():
            raise ValueError(f"{name} are not sorted hashes")
    if not len(language.hashes) or not len(lexicon.hashes):
        raise ValueError("there is no language or no lexicon")
