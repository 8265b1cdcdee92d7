"""Classification: what the classifier says of one text, and why."""

from typing import Annotated, Literal

from pydantic import Field

from silofrei.schemas.base import Contract
from silofrei.schemas.names import Label, Language

Probability = Annotated[float, Field(ge=0, le=1)]


class Scores(Contract):
    """Calibrated probabilities, one per label; they sum to 1."""

    service: Probability
    sales: Probability
    hr: Probability
    pr: Probability
    none: Probability

    def of(self, label: Label) -> float:
        """The probability of `label`."""
        return float(getattr(self, label.value))


class Evidence(Contract):
    """A stretch of the text that spoke for a label: characters `start` to `end` (exclusive), weight in log odds."""

    start: Annotated[int, Field(ge=0)]
    end: Annotated[int, Field(ge=0)]
    text: str
    label: Label
    weight: float


class Classification(Contract):
    """The classifier's answer for one text.

    `label` is the best class even where `abstained` is true; `secondary` lists other departments that should see it.
    """

    v: Literal[1] = 1
    label: Label
    scores: Scores
    secondary: tuple[Label, ...] = ()
    language: Language
    abstained: bool
    evidence: tuple[Evidence, ...] = ()
    model: str
