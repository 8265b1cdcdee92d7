"""What came of a training, for those who show it; it needs nothing of what training needs."""

from typing import NamedTuple

from silofrei.routing.classifier.gate import Verdict


class Trained(NamedTuple):
    """A new model beside the active one.

    Attributes:
        model: name and checksum, as it stands on classifications.
        stored: its name in the registry; None in a dry run.
        activated: whether it is the active model now.
        trained_on: texts, corrections among them.
        corrections: how many of those are corrections.
        other_language: corrections in neither German nor English, which were left out.
        verdict: the figures of both models.
    """

    model: str
    stored: str | None
    activated: bool
    trained_on: int
    corrections: int
    other_language: int
    verdict: Verdict
