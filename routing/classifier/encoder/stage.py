"""What stands behind the linear model: heads over an encoder's vectors, and how much they say beside the linear model.

    DATA/models/<name>/encoder.npz     weights of the heads, one for each language; no pickle
    DATA/models/<name>/encoder.json    their checksum, where the encoder lies, the checksums of its files

Owns: the arithmetic of both together, and these two files. Refuses: encoding (sentence.py), when to ask (cascade.py).
"""

import hashlib
import io
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Annotated, Any, Literal
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from silofrei.routing.classifier.encoder.files import MODEL, TOKENIZER, EncoderError
from silofrei.routing.classifier.lexicon import LABELS
from silofrei.schemas.names import Language

STAGE_ARRAYS, STAGE_CARD = "encoder.npz", "encoder.json"
LEAST = 1e-9
"""A probability below it counts as this much."""

Checksum = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Temperature = Annotated[float, Field(gt=0, le=100, allow_inf_nan=False)]
Chances = NDArray[np.float64]


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Mix(_Record):
    """How both models speak together in one language.

    Attributes:
        share: of the head, in the mean of both log probabilities.
        temperature: divides that mean.
        head_temperature: divides the head's own logits before.
    """

    share: Annotated[float, Field(ge=0, le=1)]
    temperature: Temperature
    head_temperature: Temperature = 1.0


class StageCard(_Record):
    """What is known of a stage.

    Attributes:
        path: the encoder's folder; one that is not absolute begins at DATA.
        files: SHA-256 of the encoder's files, by name.
        dimension: numbers in a vector.
        below: texts whose best score is lower are asked about, as are those from which the linear model abstains.
        languages: those in which a head has something to say.
        sha256: of the arrays.
        figures: macro-F1 and more of the linear model, the heads and both, on texts that none has seen.
    """

    format: Literal[1] = 1
    path: str
    files: dict[str, Checksum]
    dimension: Annotated[int, Field(ge=1)]
    below: Annotated[float, Field(ge=0, le=1)]
    languages: dict[Language, Mix]
    sha256: str = ""
    figures: dict[str, Any] = {}


@dataclass(frozen=True, slots=True)
class Head:
    """A linear model over vectors of texts of one language.

    Attributes:
        weights: (dimension, labels).
        bias: (labels,).
    """

    weights: NDArray[np.float32]
    bias: NDArray[np.float32]

    def chances(self, vectors: NDArray[np.float32], temperature: float) -> Chances:
        """(texts, labels) what it says of texts with these vectors."""
        # A matrix product would add up in another order for another number of texts.
        logits = np.einsum("td,dl->tl", vectors, self.weights) + self.bias
        return softmax(logits.astype(np.float64) / temperature)


@dataclass(frozen=True, slots=True)
class Stage:
    """The heads, one for each of the card's languages, and the card."""

    heads: Mapping[Language, Head]
    card: StageCard

    @property
    def name(self) -> str:
        """What stands behind the linear model's name where the encoder took part, such as `encoder-1a2b3c4d`."""
        return f"encoder-{self.card.sha256[:8]}"

    def folder(self, data: Path) -> Path:
        """Where the encoder lies.

        Args:
            data: the folder at which a path that is not absolute begins.
        """
        return data / self.card.path

    def both(self, language: Language, local: Chances, vectors: NDArray[np.float32]) -> Chances:
        """(texts, labels) what both say together of texts in one of `card.languages`.

        Args:
            language: of all the texts.
            local: (texts, labels) what the linear model says.
            vectors: (texts, dimension).
        """
        mix = self.card.languages[language]
        return mixed(local, self.heads[language].chances(vectors, mix.head_temperature), mix)


def softmax(logits: Chances) -> Chances:
    """(texts, labels) probabilities."""
    raised = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(raised / raised.sum(axis=1, keepdims=True))


def mixed(local: Chances, head: Chances, mix: Mix) -> Chances:
    """(texts, labels) the weighted mean of both log probabilities, as probabilities."""
    ours, theirs = np.log(np.maximum(local, LEAST)), np.log(np.maximum(head, LEAST))
    return softmax(((1 - mix.share) * ours + mix.share * theirs) / mix.temperature)


def write_stage(folder: Path, stage: Stage) -> Stage:
    """Write arrays and card beside a model; the same stage gives the same bytes.

    Returns:
        The stage, its card with the checksum.
    """
    buffer = io.BytesIO()
    arrays: dict[str, Any] = {f"weights_{code.value}": head.weights for code, head in stage.heads.items()}
    arrays |= {f"bias_{code.value}": head.bias for code, head in stage.heads.items()}
    np.savez_compressed(buffer, **arrays)
    card = stage.card.model_copy(update={"sha256": hashlib.sha256(buffer.getvalue()).hexdigest()})
    (folder / STAGE_ARRAYS).write_bytes(buffer.getvalue())
    write_stage_card(folder, card)
    return Stage(stage.heads, card)


def write_stage_card(folder: Path, card: StageCard) -> None:
    """Write the card alone."""
    (folder / STAGE_CARD).write_text(card.model_dump_json(indent=2) + "\n", encoding="utf-8")


def read_stage(place: Traversable) -> Stage | None:
    """The stage beside a model; None where it has none.

    Raises:
        EncoderError: a file is missing, damaged or changed.
    """
    fix = "use another model, or take the encoder into use anew: `silofrei model use FOLDER`"
    try:
        card = StageCard.model_validate_json((place / STAGE_CARD).read_bytes())
        stored = (place / STAGE_ARRAYS).read_bytes()
    except FileNotFoundError as error:
        if not (place / STAGE_CARD).is_file() and not (place / STAGE_ARRAYS).is_file():
            return None
        raise EncoderError(f"model {place}: {Path(str(error.filename)).name} is missing; {fix}") from None
    except OSError as error:
        raise EncoderError(f"model {place}: cannot read the encoder's part: {error.strerror}; {fix}") from None
    except ValidationError as error:
        problem = error.errors()[0]
        where = ".".join(str(part) for part in problem["loc"])
        raise EncoderError(f"model {place}: {STAGE_CARD}: {where}: {problem['msg']}; {fix}") from None
    if hashlib.sha256(stored).hexdigest() != card.sha256:
        raise EncoderError(f"model {place}: {STAGE_ARRAYS} was damaged or changed: its checksum is another; {fix}")
    try:
        with np.load(io.BytesIO(stored), allow_pickle=False) as arrays:
            heads = {
                code: Head(arrays[f"weights_{code.value}"], arrays[f"bias_{code.value}"]) for code in card.languages
            }
        stage = Stage(heads, card)
        _check(stage)
    except (KeyError, ValueError, TypeError, EOFError, BadZipFile, zlib.error) as error:
        raise EncoderError(f"model {place}: {STAGE_ARRAYS} cannot be used ({error}); {fix}") from None
    return stage


def carry(source: Traversable, folder: Path) -> None:
    """Put the stage of one model, where it has one, behind another.

    Args:
        source: where the one lies.
        folder: of the other.
    """
    for name in (STAGE_ARRAYS, STAGE_CARD):
        if (source / name).is_file():
            (folder / name).write_bytes((source / name).read_bytes())


def _check(stage: Stage) -> None:
    """Refuse what would fail, or answer nonsense, only when a text comes."""
    labels = len(LABELS)
    for name, array, shape in (
        *(("weights", head.weights, (stage.card.dimension, labels)) for head in stage.heads.values()),
        *(("bias", head.bias, (labels,)) for head in stage.heads.values()),
    ):
        if array.shape != shape or array.dtype != np.float32:
            raise ValueError(f"{name} are {array.dtype}{array.shape}, not float32{shape}")
        if not np.isfinite(array).all():
            raise ValueError(f"{name} has values that are no numbers")
    if set(stage.card.files) != {MODEL, TOKENIZER}:
        raise ValueError(f"the checksums are not those of {MODEL} and {TOKENIZER}")
