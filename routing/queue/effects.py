"""What one mention change shall do to the queue, and what became of it."""

from dataclasses import dataclass
from datetime import datetime

from silofrei.routing.queue.codes import ApplyCode
from silofrei.schemas.classification import Classification
from silofrei.schemas.decision import Decision
from silofrei.schemas.mention import MentionChange


@dataclass(frozen=True, slots=True)
class Effect:
    """One change with what the classifier and the policy made of it; both are None for deletions alone."""

    change: MentionChange
    classification: Classification | None = None
    decision: Decision | None = None


@dataclass(frozen=True, slots=True)
class Applied:
    """What became of one effect.

    Attributes:
        code: see `ApplyCode`.
        ticket_id: ticket that holds the mention; None where none does.
        department: the ticket's department; None where there is no ticket.
        at: when the queue applied it, by the clock of Redis.
    """

    code: ApplyCode
    ticket_id: str | None
    department: str | None
    at: datetime
