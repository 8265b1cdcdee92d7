"""What came of taking an encoder into use, for those who show it; it needs nothing of what training needs."""

from collections.abc import Mapping
from typing import NamedTuple

from silofrei.routing.classifier.encoder.stage import Mix
from silofrei.routing.classifier.evaluate import Evaluation
from silofrei.routing.classifier.gate import Verdict
from silofrei.schemas.names import Language

LOCAL, HEAD, BOTH = "local", "head", "both"


class Adopted(NamedTuple):
    """A model with an encoder behind it, beside the same one without.

    Attributes:
        model: names of both, as on classifications; the linear model's alone where the encoder helps nowhere.
        stored: its name in the registry; None in a dry run and where the encoder helps nowhere.
        activated: whether it is the active model now.
        trained_on: texts.
        mixes: the languages in which the encoder is asked, and how much it says there.
        asked: share of the held-out texts about which it is asked.
        milliseconds: of one held-out text in the encoder, the mean.
        held_out: figures of the linear model, of the head alone and of both, for all texts and by language.
        verdict: of both against the linear model; None where the encoder helps nowhere.
    """

    model: str
    stored: str | None
    activated: bool
    trained_on: int
    mixes: Mapping[Language, Mix]
    asked: float
    milliseconds: float
    held_out: Mapping[str, Mapping[str, Evaluation]]
    verdict: Verdict | None
