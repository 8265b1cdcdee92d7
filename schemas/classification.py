"""Classification: what the classifier says of one text, and why."""

from typing import Annotated, Literal

from pydantic import Field

from silofrei.schemas.base import Contract
from silofrei.schemas.names import Label, Language, Sentiment

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


class Mood(Contract):
    """Calibrated probabilities of the sentiments; they sum to 1."""

    negative: Probability
    neutral: Probability
    positive: Probability

    @property
    def likeliest(self) -> Sentiment:
        """The sentiment with the highest probability, the first one of equals."""
        return max(Sentiment, key=self.of)

    def of(self, sentiment: Sentiment) -> float:
        """The probability of `sentiment`."""
        return float(getattr(self, sentiment.value))


class Evidence(Contract):
    """A stretch of the text that spoke for a label: characters `start` to `end` (exclusive), weight in log odds."""

    start: Annotated[int, Field(ge=0)]
    end: Annotated[int, Field(ge=0)]
    text: str
    label: Label
    weight: float


class Classification(Contract):
    """The classifier's answer for one text.

    `label` is the best class even where `abstained` is true; `secondary` lists other departments that should see it,
    the likelier first. `urgency` is the probability that somebody has to look today. It and `mood` are None where
    nothing can be said: no words, or neither German nor English.
    """

    v: Literal[1] = 1
    label: Label
    scores: Scores
    secondary: tuple[Label, ...] = ()
    mood: Mood | None = None
    urgency: Probability | None = None
    language: Language
    abstained: bool
    evidence: tuple[Evidence, ...] = ()
    model: str
