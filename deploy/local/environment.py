"""Hands settings to a child through its environment: what the child reads is what we have, secrets included."""

from enum import Enum
from pathlib import Path

from pydantic import SecretStr

from silofrei.schemas.settings import PREFIX, Settings


def environment_of(settings: Settings) -> dict[str, str]:
    """The `SILOFREI_...` variables that give another process these settings.

    Args:
        settings: all of them; a secret that is not set is given as empty, so that none from elsewhere takes its place.
    """
    variables = {}
    for name, field in Settings.model_fields.items():
        value = getattr(settings, name)
        if value is None:
            if "SecretStr" not in str(field.annotation):
                continue
            value = ""
        variables[f"{PREFIX}{name.upper()}"] = _text(value)
    return variables


def _text(value: object) -> str:
    if isinstance(value, SecretStr):
        return value.get_secret_value()
    if isinstance(value, Path):
        return str(value.absolute())
    if isinstance(value, Enum):
        return str(value.value)
    return str(value)
