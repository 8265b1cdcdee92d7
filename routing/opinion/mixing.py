"""Both views of a text together: the local probabilities and the other model's opinion.

Owns: the weight and the rule. Refuses: asking (asking.py) and what follows (routing/policy.py).

score = 0.6 * local + 0.4 * opinion, where the opinion gives its confidence to its label and the rest evenly to the
others. With the default thresholds an opinion alone, however sure, reaches no department (0.4 < 0.45), and a discard
needs a local model that leaned to `none` already.
"""

from silofrei.routing.opinion.answer import Opinion
from silofrei.schemas.classification import Classification, Scores
from silofrei.schemas.config import Thresholds
from silofrei.schemas.names import Label, Language

WEIGHT = 0.4
"""Of the opinion."""
JOINED = "+"
"""Between the local model's name and the other's, in `Classification.model`."""


def took_part(classification: Classification) -> bool:
    """Whether a second opinion is part of it."""
    return JOINED in classification.model


def mix(local: Classification, opinion: Opinion, thresholds: Thresholds, model: str) -> Classification:
    """The classification that both make together; it still abstains where the best score is below its threshold.

    In a language that the local model does not know it has no view, so its part is even. Mood, urgency and who else
    should see the text stay the local model's; the other one is not asked about them.

    Args:
        local: the local model's answer; its evidence and language stay.
        opinion: what the other one says.
        thresholds: least score to decide, per label.
        model: the other one's name; joins the local model's.
    """
    knows = local.language in (Language.GERMAN, Language.ENGLISH)
    others = (1 - opinion.confidence) / (len(Label) - 1)
    scores = {
        label: (1 - WEIGHT) * (local.scores.of(label) if knows else 1 / len(Label))
        + WEIGHT * (opinion.confidence if label is opinion.label else others)
        for label in Label
    }
    best = max(Label, key=lambda label: scores[label])
    return local.model_copy(
        update={
            "label": best,
            "scores": Scores(**{label.value: scores[label] for label in Label}),
            "secondary": tuple(label for label in local.secondary if label is not best) if knows else (),
            "abstained": scores[best] < thresholds.of(best),
            "model": f"{local.model}{JOINED}{model}",
        }
    )
