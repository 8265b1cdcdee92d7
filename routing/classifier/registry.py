"""The models of a company on disk: which there are, which one is active, and which was before.

    DATA/models/<name>/model.npz, model.json     as stored.py writes them
    DATA/models/<name>/encoder.npz, .json        where an encoder stands behind it, as encoder/stage.py writes them
    DATA/models/active.json                      the pointer: the active model and those before it

Owns: names, the pointer and its history. Refuses: answering (model.py) and training (retrain.py). The packaged model
has the name `packaged`; it is active where there is no pointer.
"""

import json
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from silofrei.routing.classifier.encoder.opened import Loaded, behind, open_stage
from silofrei.routing.classifier.model import LinearClassifier, load_classifier
from silofrei.routing.classifier.stored import PACKAGED, ModelError, read_card, read_model
from silofrei.schemas.base import Moment
from silofrei.schemas.config import OwnWords, Thresholds

PACKAGED_NAME = "packaged"
POINTER = "active.json"
HISTORY = 50
"""Models before the active one that the pointer remembers."""

_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,59}")


class NoSuchModel(ModelError):  # noqa: N818  # it says what a name met
    """There is no model of this name."""


class NothingBefore(Exception):  # noqa: N818  # it says what a rollback met
    """No model was active before the present one."""


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Past(_Record):
    """A model that was active, and until when."""

    model: str
    until: Moment


class Pointer(_Record):
    """The active model, since when, and those before it, the latest last."""

    v: Literal[1] = 1
    active: str = PACKAGED_NAME
    since: Moment | None = None
    history: tuple[Past, ...] = ()


class Registry:
    """The models in one folder, which need not exist.

    Args:
        folder: where they are.
        words: what the company says of its own words; whichever model is loaded goes by them.
        encoder_threads: of the processor, for one text, where an encoder stands behind a model.
    """

    def __init__(self, folder: Path, words: OwnWords | None = None, encoder_threads: int = 1) -> None:
        self.folder = folder
        self.encoder_threads = encoder_threads
        self._words = words or OwnWords()

    @property
    def data(self) -> Path:
        """DATA, at which the path of an encoder begins that lies there."""
        return self.folder.parent

    @property
    def pointer_path(self) -> Path:
        """Where the pointer lies."""
        return self.folder / POINTER

    def names(self) -> list[str]:
        """The models that were trained here, in order of their names."""
        if not self.folder.is_dir():
            return []
        return sorted(path.name for path in self.folder.iterdir() if _NAME.fullmatch(path.name) and path.is_dir())

    def place(self, name: str) -> Path | None:
        """The folder of a model; None for the packaged one.

        Raises:
            NoSuchModel: there is none of this name.
        """
        if name == PACKAGED_NAME:
            return None
        if name not in self.names():
            known = ", ".join([PACKAGED_NAME, *self.names()])
            raise NoSuchModel(f"there is no model '{name}' in {self.folder}; use one of {known}")
        return self.folder / name

    def source(self, name: str) -> Traversable:
        """Where the files of a model lie, the packaged one's too.

        Raises:
            NoSuchModel: there is none of this name.
        """
        return self.place(name) or files("silofrei.routing.classifier") / PACKAGED

    def load(self, name: str, thresholds: Thresholds) -> Loaded:
        """The classifier of a model; an encoder behind it that cannot be used is logged and left out.

        Raises:
            ModelError: there is none of this name, or it cannot be used.
        """
        place = self.place(name)
        return self.load_linear(name, thresholds) if place is None else self.load_from(place, thresholds)

    def load_linear(self, name: str, thresholds: Thresholds) -> LinearClassifier:
        """The classifier of a model without what stands behind it.

        Raises:
            ModelError: there is none of this name, or it cannot be used.
        """
        return load_classifier(thresholds, self.place(name), self._words)

    def load_from(self, place: Path, thresholds: Thresholds) -> Loaded:
        """As `load`, from a folder: one of these models, or one in the making.

        Raises:
            ModelError: it cannot be used.
        """
        linear = load_classifier(thresholds, place, self._words)
        return behind(linear, place, self.data, thresholds, self.encoder_threads)

    def card(self, name: str) -> dict[str, Any]:
        """The card of a model: when it was trained, on what, and what it reached.

        Raises:
            ModelError: there is none of this name, or its card cannot be read.
        """
        return read_card(self.source(name))

    def pointer(self) -> Pointer:
        """What is active.

        Raises:
            ModelError: the pointer is damaged.
        """
        try:
            return Pointer.model_validate_json(self.pointer_path.read_bytes())
        except FileNotFoundError:
            return Pointer()
        except (OSError, ValidationError) as error:
            what = error.strerror if isinstance(error, OSError) else error.errors()[0]["msg"]
            raise ModelError(
                f"{self.pointer_path}: cannot be read ({what}); choose a model with `silofrei model use NAME`"
            ) from None

    def activate(self, name: str, at: datetime) -> Pointer:
        """Make a model the active one, after a look at whether it can be used.

        Args:
            name: of a model here, or `packaged`.
            at: now.

        Raises:
            ModelError: there is no such model, it cannot be used, or the pointer cannot be written; nothing changed.
        """
        self.check(name)
        try:
            before = self.pointer()
        except ModelError:
            before = Pointer()  # the way out of a damaged pointer is to choose
        if name == before.active:
            pointer = Pointer(active=name, since=before.since or at, history=before.history)
        else:
            history = (*before.history, Past(model=before.active, until=at))[-HISTORY:]
            pointer = Pointer(active=name, since=at, history=history)
        self._write(pointer)
        return pointer

    def rollback(self, at: datetime) -> Pointer:
        """Go back to the model before the active one; once more goes further back.

        Raises:
            NothingBefore: there was none.
            ModelError: the pointer is damaged, or the model before cannot be used; nothing was changed.
        """
        now = self.pointer()
        if not now.history:
            raise NothingBefore(f"no model was active before '{now.active}'; `silofrei model list` shows all")
        name = now.history[-1].model
        # An encoder behind it that is gone is logged and does not stand in the way: its linear model answers.
        self.load(name, Thresholds())
        pointer = Pointer(active=name, since=at, history=now.history[:-1])
        self._write(pointer)
        return pointer

    def check(self, name: str) -> None:
        """See that a model can be used, and the encoder where one stands behind it.

        Raises:
            ModelError: one of them cannot.
        """
        read_model(self.place(name))
        open_stage(self.source(name), self.data, self.encoder_threads)

    def check_new(self, name: str) -> None:
        """See that a new model may have this name.

        Raises:
            ModelError: it may not, or it is taken.
        """
        if not _NAME.fullmatch(name) or name in (PACKAGED_NAME, POINTER):
            raise ModelError(
                f"--name {name}: use up to 60 small letters, digits, dots, hyphens and underscores; "
                f"'{PACKAGED_NAME}' is taken"
            )
        if (self.folder / name).exists():
            raise ModelError(f"--name {name}: there is such a model already; choose another name")

    @contextmanager
    def workshop(self) -> Iterator[Path]:
        """A folder of its own beside the models, for one in the making; it is gone at the end unless kept."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            made = Path(tempfile.mkdtemp(prefix=".new-", dir=self.folder))
        except OSError as error:
            raise ModelError(f"{self.folder}: {error.strerror}; choose a folder with --data or SILOFREI_DATA") from None
        try:
            yield made
        finally:
            shutil.rmtree(made, ignore_errors=True)

    def keep(self, made: Path, name: str) -> None:
        """Give a model from the workshop its name; it is there as a whole or not at all.

        Raises:
            ModelError: the name is taken by now.
        """
        self.check_new(name)
        made.chmod(0o755)
        made.rename(self.folder / name)
        _sync(self.folder)

    def _write(self, pointer: Pointer) -> None:
        try:
            self._replace(json.dumps(pointer.model_dump(mode="json"), indent=2) + "\n")
        except OSError as error:
            raise ModelError(
                f"{self.pointer_path}: cannot be written ({error}); the model that was active still is"
            ) from None

    def _replace(self, text: str) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        handle, part = tempfile.mkstemp(prefix=".active-", dir=self.folder)
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            Path(part).chmod(0o644)
            Path(part).replace(self.pointer_path)
        except BaseException:
            Path(part).unlink(missing_ok=True)
            raise
        _sync(self.folder)


def _sync(folder: Path) -> None:
    """Make a rename in `folder` outlive a loss of power."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
