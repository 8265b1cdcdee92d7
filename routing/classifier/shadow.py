"""A candidate beside the active model: what it would have routed elsewhere, live and offline.

Owns: comparing two classifiers on the same texts. Refuses: any effect; what the candidate says becomes a figure.
"""

import logging
from collections import Counter
from collections.abc import Iterable, Sequence

from pydantic import BaseModel, ConfigDict

from silofrei.routing.classifier.model import Classifier, TextInput
from silofrei.routing.metrics import SHADOW_DECISIONS
from silofrei.schemas.classification import Classification
from silofrei.schemas.names import TRIAGE

log = logging.getLogger(__name__)

EXAMPLES = 20
"""Texts that moved and are shown."""


def destination(answer: Classification) -> str:
    """Where the model alone would send a text: the label's name, or `triage` where it abstains."""
    return TRIAGE if answer.abstained else answer.label.value


class ShadowedClassifier:
    """Answers as the active model does and counts, for each batch, what the candidate would have said.

    A candidate that fails is logged and asked no more; it never touches an answer.

    Args:
        active: whose answers count.
        candidate: who is watched.
    """

    def __init__(self, active: Classifier, candidate: Classifier) -> None:
        self._active = active
        self._candidate: Classifier | None = candidate

    @property
    def model(self) -> str:
        """Name and version of the model that answers."""
        return self._active.model

    def classify(self, inputs: Sequence[TextInput], *, explain: bool = True) -> list[Classification]:
        """The active model's answers."""
        answers = self._active.classify(inputs, explain=explain)
        if self._candidate is None:
            return answers
        try:
            others = self._candidate.classify(inputs, explain=False)
        except Exception:
            log.exception("The shadow model %s failed; it is asked no more until a restart", self._candidate.model)
            self._candidate = None
            return answers
        pairs = ((destination(one), destination(other)) for one, other in zip(answers, others, strict=True))
        for (active, candidate), number in Counter(pairs).items():
            SHADOW_DECISIONS.labels(active, candidate).inc(number)
        return answers


class _Figures(BaseModel):
    model_config = ConfigDict(frozen=True)


class Move(_Figures):
    """So many texts would have gone elsewhere."""

    active: str
    candidate: str
    count: int


class Example(_Figures):
    """One of them; `score` is the candidate's for its own label."""

    text: str
    active: str
    candidate: str
    score: float


class Comparison(_Figures):
    """Two models on the same texts: `moves` has the pairs that differ, the commonest first."""

    active_model: str
    candidate_model: str
    texts: int
    agreed: int
    moves: tuple[Move, ...]
    examples: tuple[Example, ...]


def compare(active: Classifier, candidate: Classifier, inputs: Iterable[Sequence[TextInput]]) -> Comparison:
    """What would have moved.

    Args:
        active: the model that decides today.
        candidate: the one that might.
        inputs: texts, in batches.
    """
    texts, counts, examples = 0, Counter[tuple[str, str]](), list[Example]()
    for batch in inputs:
        texts += len(batch)
        ours, theirs = active.classify(batch, explain=False), candidate.classify(batch, explain=False)
        for one, our, their in zip(batch, ours, theirs, strict=True):
            pair = destination(our), destination(their)
            counts[pair] += 1
            if pair[0] != pair[1] and len(examples) < EXAMPLES:
                score = round(their.scores.of(their.label), 4)
                examples.append(Example(text=one.text, active=pair[0], candidate=pair[1], score=score))
    moves = [Move(active=one, candidate=other, count=n) for (one, other), n in counts.most_common() if one != other]
    return Comparison(
        active_model=active.model,
        candidate_model=candidate.model,
        texts=texts,
        agreed=texts - sum(move.count for move in moves),
        moves=tuple(moves),
        examples=tuple(examples),
    )
