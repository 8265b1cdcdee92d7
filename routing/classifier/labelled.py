"""Labelled texts from JSON lines that people write: a mistake is named by line and field, and costs that line alone."""

from collections.abc import Callable, Iterable, Iterator
from typing import Annotated, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from silofrei.routing.classifier.corpus_rows import Row
from silofrei.schemas.names import Label, Language, Sentiment

Text = Annotated[str, Field(min_length=1)]


class PlainText(BaseModel):
    """A text, and the BCP 47 tag of its language where it is known; what else the line says is left alone."""

    model_config = ConfigDict(frozen=True)
    text: Text
    lang: str | None = None


class Labelled(BaseModel):
    """A text with the department that must act first.

    `secondary` is None where nobody said who else should see it, which is not the same as nobody; `lang` None where it
    is not known. What else the line says (id, moment, reason) is left alone.
    """

    model_config = ConfigDict(frozen=True)
    text: Text
    label: Label
    secondary: tuple[Label, ...] | None = None
    mood: Sentiment | None = None
    urgent: bool | None = None
    lang: Language | None = None


def labelled(row: Row) -> Labelled:
    """A text of the corpus."""
    return Labelled(
        text=row.text,
        label=row.label,
        secondary=None if row.mood is None else row.secondary,
        lang=row.language,
        mood=row.mood,
        urgent=row.urgent,
    )


Kind = TypeVar("Kind", bound=BaseModel)


def read_lines(lines: Iterable[bytes], kind: type[Kind], complain: Callable[[str], None]) -> Iterator[Kind]:
    """What each line says; empty lines are passed over.

    Args:
        lines: JSON objects.
        kind: what they are.
        complain: told of each line that is none: its number, the field and what is wrong with it.
    """
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            yield kind.model_validate_json(line)
        except ValidationError as error:
            problem = error.errors()[0]
            where = ".".join(str(part) for part in problem["loc"]) or "line"
            complain(f"line {number}: {where}: {problem['msg']}; the line was left out")
