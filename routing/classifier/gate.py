"""Whether a new model may take the place of the active one.

Owns: the comparison, and what counts as worse. Refuses: training and storing (retrain.py).
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from silofrei.routing.classifier.assess import Assessment
from silofrei.schemas.names import Label

FEWEST = 10
"""With fewer texts one answer moves an F1 by more than any sensible tolerance: it is shown, not judged."""


class Figure(NamedTuple):
    """One figure of both models on one set; `judged` is False where it stands on too few texts."""

    held_out: str
    label: Label | None
    texts: int
    active: float
    candidate: float
    judged: bool

    def worse(self, tolerance: float) -> bool:
        """Whether the candidate may not take the place for this figure."""
        # Figures have four digits; half of the last keeps a difference of exactly the tolerance allowed. Asked this way
        # round, a tolerance that is no number lets nothing pass.
        return self.judged and not self.active - self.candidate <= tolerance + 0.00005


class Verdict(NamedTuple):
    """All figures, and those that speak against the candidate."""

    figures: tuple[Figure, ...]
    against: tuple[Figure, ...]

    @property
    def passed(self) -> bool:
        """Whether the candidate may become active."""
        return not self.against


def judge(sets: Mapping[str, tuple[Assessment, Assessment]], tolerance: float) -> Verdict:
    """The verdict over macro-F1 and each label's F1 on each set.

    Args:
        sets: by name, what the active model and what the candidate reach on the same texts.
        tolerance: how much each figure may fall.
    """
    figures: list[Figure] = []
    for name, (active, candidate) in sets.items():
        enough = active.texts >= FEWEST
        figures.append(Figure(name, None, active.texts, _macro(active), _macro(candidate), enough))
        figures += _per_label(name, active, candidate)
    return Verdict(tuple(figures), tuple(one for one in figures if one.worse(tolerance)))


def _macro(found: Assessment) -> float:
    """Macro-F1 over the labels of the texts: with those of the answers, two models would stand on different means."""
    own = [one.f1 for one in found.classes if one.texts]
    return round(sum(own) / len(own), 4)


def _per_label(name: str, active: Assessment, candidate: Assessment) -> Sequence[Figure]:
    return [
        Figure(name, ours.label, ours.texts, ours.f1, theirs.f1, ours.texts >= FEWEST)
        for ours, theirs in zip(active.classes, candidate.classes, strict=True)
    ]
