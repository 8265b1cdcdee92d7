"""All models of a company at a glance, also those that cannot be used."""

from datetime import datetime

from pydantic import BaseModel, ConfigDict

from silofrei.routing.classifier.encoder.files import find_files
from silofrei.routing.classifier.encoder.stage import read_stage
from silofrei.routing.classifier.registry import PACKAGED_NAME, Registry
from silofrei.routing.classifier.stored import ModelError, read_model


class ModelEntry(BaseModel):
    """One model; `problem` says why it cannot be used, and what its card would say is then left out."""

    model_config = ConfigDict(frozen=True)
    name: str
    active: bool
    model: str = ""
    trained_at: datetime | None = None
    corrections: int = 0
    macro_f1: float | None = None
    problem: str = ""


class Overview(BaseModel):
    """The models, the packaged one first; `before` are those a rollback goes to, the next one first."""

    model_config = ConfigDict(frozen=True)
    models: tuple[ModelEntry, ...]
    before: tuple[str, ...]
    problem: str = ""


def overview(registry: Registry) -> Overview:
    """What `silofrei model list` shows; it never fails over a damaged file."""
    active, problem = "", ""
    before: tuple[str, ...] = ()
    try:
        pointer = registry.pointer()
        active, before = pointer.active, tuple(past.model for past in reversed(pointer.history))
    except ModelError as error:
        problem = str(error)
    names = [PACKAGED_NAME, *registry.names()]
    if active and active not in names:
        problem = f"the active model '{active}' is gone; choose one with `silofrei model use NAME`"
    return Overview(
        models=tuple(_entry(registry, name, name == active) for name in names), before=before, problem=problem
    )


def _entry(registry: Registry, name: str, active: bool) -> ModelEntry:
    try:
        model = read_model(registry.place(name)).name
        stage = read_stage(registry.source(name))
        if stage:
            find_files(stage.folder(registry.data))
        card = registry.card(name)
        reached = card.get("held_out") or {}
        return ModelEntry(
            name=name,
            active=active,
            model=f"{model}+{stage.name}" if stage else model,
            trained_at=card.get("trained_at"),
            corrections=card.get("corrections") or 0,
            macro_f1=(reached.get("all") or {}).get("macro_f1"),
        )
    except ModelError as error:
        return ModelEntry(name=name, active=active, problem=str(error))
