"""The models of a company for a command: by its settings, its own words and its thresholds."""

from typing import TYPE_CHECKING

from silofrei.schemas.config import Config
from silofrei.schemas.settings import Settings

if TYPE_CHECKING:
    from silofrei.routing.classifier.encoder.opened import Loaded
    from silofrei.routing.classifier.registry import Registry


def company_registry(settings: Settings, company: Config) -> "Registry":
    """The models of the company; whichever is loaded goes by its own words."""
    from silofrei.routing.classifier.registry import Registry

    return Registry(settings.models_folder, company.words, settings.encoder_threads)


def load_model(settings: Settings, company: Config, name: str | None = None) -> "Loaded":
    """The company's model of this name, the active one by default.

    Raises:
        ModelError: there is none of this name, the pointer is damaged, or the model cannot be used.
    """
    registry = company_registry(settings, company)
    return registry.load(registry.pointer().active if name is None else name, company.thresholds)
