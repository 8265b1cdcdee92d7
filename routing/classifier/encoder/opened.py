"""Opening what stands behind a stored model, or doing without it.

Owns: from the files of a stage and of its encoder to a classifier. Refuses: choosing the model (registry.py).
"""

import logging
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import TypeAlias

from silofrei.routing.classifier.encoder.cascade import CascadedClassifier
from silofrei.routing.classifier.encoder.files import MODEL, EncoderError, read_files
from silofrei.routing.classifier.encoder.sentence import SentenceEncoder
from silofrei.routing.classifier.encoder.stage import Stage, read_stage
from silofrei.routing.classifier.model import LinearClassifier
from silofrei.schemas.config import Thresholds

log = logging.getLogger(__name__)

Loaded: TypeAlias = LinearClassifier | CascadedClassifier


LIVE_SECONDS = 5.0
"""Longest that the encoder may take for one batch of a worker: while it works, no heartbeat goes to Kafka, which takes
a worker for gone after 15 seconds, and an encoder in the shadow may take as long."""


def live(loaded: Loaded) -> Loaded:
    """A classifier as a worker may use it, whose encoder never keeps it too long."""
    return loaded.within(LIVE_SECONDS) if isinstance(loaded, CascadedClassifier) else loaded


def open_stage(place: Traversable, data: Path, threads: int) -> tuple[Stage, SentenceEncoder] | None:
    """The stage beside a model and its encoder; None where the model has none.

    Args:
        place: where the model lies.
        data: the folder at which the encoder's path begins where it is not absolute.
        threads: of the processor, for one text.

    Raises:
        EncoderError: the encoder's files are missing or changed, or cannot be used here.
    """
    stage = read_stage(place)
    if stage is None:
        return None
    encoder = SentenceEncoder(read_files(stage.folder(data), stage.card.files), threads)
    if encoder.dimension != stage.card.dimension:
        raise EncoderError(
            f"model {place}: its heads are for vectors of {stage.card.dimension} numbers, but {MODEL} gives "
            f"{encoder.dimension}; take the encoder into use anew: `silofrei model use FOLDER`"
        )
    return stage, encoder


def behind(linear: LinearClassifier, place: Path, data: Path, thresholds: Thresholds, threads: int) -> Loaded:
    """The linear model with the encoder behind it that its stage names; alone where there is none or it cannot be used.

    Args:
        linear: the model at `place`.
        place: where it lies.
        data: as for `open_stage`.
        thresholds: below which both together abstain.
        threads: as for `open_stage`.
    """
    try:
        opened = open_stage(place, data, threads)
    except Exception as error:
        # Mentions that wait for the repair of what only makes some answers better help nobody.
        reason = str(error) if isinstance(error, EncoderError) else f"{type(error).__name__}: {error}"
        log.error(  # noqa: TRY400  # one readable line; the reason names the file and the fix
            "The encoder behind '%s' cannot be used, so %s answers alone until `silofrei model use %s`: %s",
            place.name, linear.model, place.name, reason,
        )  # fmt: skip
        return linear
    return linear if opened is None else CascadedClassifier(linear, *opened, thresholds)
