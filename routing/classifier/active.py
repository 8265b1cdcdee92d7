"""The active model of a company, also when another one becomes active while a worker runs.

Owns: when to look at the pointer, and what stays when it leads nowhere. Refuses: changing it (registry.py).
"""

import logging
import time
from collections.abc import Callable, Sequence

from silofrei.routing.classifier.encoder.opened import Loaded, live
from silofrei.routing.classifier.model import TextInput
from silofrei.routing.classifier.registry import PACKAGED_NAME, Registry
from silofrei.routing.classifier.stored import ModelError
from silofrei.schemas.classification import Classification
from silofrei.schemas.config import Thresholds

log = logging.getLogger(__name__)

LOOK_SECONDS = 1.0
"""Least time between two looks at the pointer."""

_Signature = tuple[int, int, int] | None


class ActiveClassifier:
    """Answers with the active model; between two batches it takes a new one.

    A pointer or a model that cannot be used leaves the running one in place and is logged once with the reason. At the
    start there is none yet: then the packaged model answers, since mentions that wait for a repair help nobody.

    Args:
        registry: the company's models.
        thresholds: below which a model abstains.
        clock: seconds that only grow.
    """

    def __init__(self, registry: Registry, thresholds: Thresholds, clock: Callable[[], float] = time.monotonic) -> None:
        self._registry = registry
        self._thresholds = thresholds
        self._clock = clock
        self._seen: _Signature | object = object()
        self._told = ""
        self._name = PACKAGED_NAME
        self._current: Loaded | None = None
        self._looked = clock()
        self._look()
        if self._current is None:
            self._current = registry.load(PACKAGED_NAME, thresholds)

    @property
    def model(self) -> str:
        """Name and version of the model that answers."""
        return self._running.model

    @property
    def name(self) -> str:
        """Its name in the registry."""
        return self._name

    def classify(self, inputs: Sequence[TextInput], *, explain: bool = True) -> list[Classification]:
        """One answer per text, in order, all by the same model."""
        now = self._clock()
        if now - self._looked >= LOOK_SECONDS:
            self._looked = now
            self._look()
        return self._running.classify(inputs, explain=explain)

    @property
    def _running(self) -> Loaded:
        if self._current is None:
            raise RuntimeError("no model was loaded")
        return self._current

    def _look(self) -> None:
        signature = self._signature()
        if signature == self._seen:
            return
        try:
            name = self._registry.pointer().active
            # Also where the name is the same: so `silofrei model use NAME` brings back an encoder that was repaired.
            loaded = live(self._registry.load(name, self._thresholds))
            log.info("The model %s ('%s') answers from now on", loaded.model, name)
            self._current, self._name = loaded, name
        except Exception as error:
            # Whatever it is: thrown here, it would make dead letters of the mentions of this batch. Not remembered as
            # seen, so that a model that was repaired in its place is taken at the next look.
            self._tell(str(error) if isinstance(error, ModelError) else f"{type(error).__name__}: {error}")
            return
        self._seen, self._told = signature, ""

    def _tell(self, reason: str) -> None:
        if reason != self._told:
            self._told = reason
            stays = "the packaged one" if self._current is None else self._current.model
            log.error("The active model cannot be used, so %s answers: %s", stays, reason)

    def _signature(self) -> _Signature:
        try:
            found = self._registry.pointer_path.stat()
        except OSError:
            return None
        return found.st_mtime_ns, found.st_size, found.st_ino
