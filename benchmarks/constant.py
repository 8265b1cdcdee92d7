"""A classifier that always says the same, so that a benchmark shows the stream and not the model."""

from collections.abc import Sequence

from silofrei.routing.classifier.model import Classifier, TextInput, load_classifier
from silofrei.schemas.classification import Classification, Scores
from silofrei.schemas.config import Config
from silofrei.schemas.names import Label, Language

REAL, CONSTANT = "real", "constant"

_ANSWER = Classification(
    label=Label.SERVICE,
    scores=Scores(service=0.96, sales=0.01, hr=0.01, pr=0.01, none=0.01),
    language=Language.GERMAN,
    abstained=False,
    model="constant",
)


class ConstantClassifier:
    """Answers that every text is for the service."""

    model = "constant"

    def classify(self, inputs: Sequence[TextInput], *, explain: bool = True) -> list[Classification]:
        """The same answer for each text."""
        return [_ANSWER] * len(inputs)


def classifier_named(name: str, config: Config) -> Classifier:
    """The classifier that a case asks for, `real` or `constant`."""
    return ConstantClassifier() if name == CONSTANT else load_classifier(config.thresholds)
