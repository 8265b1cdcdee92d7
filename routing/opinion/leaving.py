"""Which texts may leave the company.

Owns: that choice, by the settings. Refuses: what is blanked in those that leave (blanking.py).

Only what the local model alone would leave to a person may: a text that a rule of the company sends somewhere needs no
second opinion, and where a rule knows it for a matter of, say, a confidential department of the company's own, it
shall not leave either.
"""

from collections.abc import Collection
from datetime import datetime
from typing import Protocol

from silofrei.schemas.classification import Classification
from silofrei.schemas.decision import Decision, RoutingDecision
from silofrei.schemas.mention import Mention
from silofrei.schemas.names import TRIAGE, Label, MentionKind


class Deciding(Protocol):
    """What is needed of the policy."""

    def decide(self, mention: Mention, classification: Classification, now: datetime) -> Decision:
        """The decision for one mention."""


class Leaving:
    """The company's choice.

    Args:
        policy: see `Deciding`.
        hr_from: scores for HR from which a text counts as one for HR, as does one that HR should see too.
        hr: whether such texts may leave.
        messages: whether direct messages may.
        brands: whose texts may; empty is all.
    """

    def __init__(
        self,
        policy: Deciding,
        *,
        hr_from: float,
        hr: bool = False,
        messages: bool = False,
        brands: Collection[str] = (),
    ) -> None:
        self._policy = policy
        self._hr_from = hr_from
        self._hr = hr
        self._messages = messages
        self._brands = frozenset(brands)

    def text_may(self, answer: Classification) -> bool:
        """Whether a text that was classified so may leave, for all that is known of it."""
        if not answer.abstained:
            return False
        for_hr = answer.label is Label.HR or Label.HR in answer.secondary or answer.scores.hr >= self._hr_from
        return self._hr or not for_hr

    def mention_may(self, mention: Mention, answer: Classification, now: datetime) -> bool:
        """Whether the text of this mention may leave."""
        if not self.text_may(answer) or (self._brands and mention.brand not in self._brands):
            return False
        if mention.kind is MentionKind.MESSAGE and not self._messages:
            return False
        decision = self._policy.decide(mention, answer, now)
        return isinstance(decision, RoutingDecision) and decision.department == TRIAGE
