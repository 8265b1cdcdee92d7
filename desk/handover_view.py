"""Hand-overs as a person may see them: who handed a ticket over, from where, and why.

The reason of one from or to a confidential department is for those who work there. The latest was written for the
department that received it, so whoever holds the ticket reads it, too; lists and passers-by never show it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from silofrei.schemas.ticket import Handover, Ticket

MayOpen = Callable[[str], bool]
"""Whether the reader may see a department's texts."""


@dataclass(frozen=True, slots=True)
class Step:
    """One hand-over; `reason` is None where the reader may not see it."""

    from_department: str
    to_department: str
    holder: str
    at: datetime
    reason: str | None
    misrouted: bool = False


def steps(ticket: Ticket, may_open: MayOpen, *, held: bool = False) -> tuple[Step, ...]:
    """The ticket's hand-overs, the latest first.

    Args:
        ticket: the ticket.
        may_open: which departments' texts the reader may see.
        held: whether the reader holds the ticket.
    """
    last = len(ticket.handovers) - 1
    seen = [_step(one, open_to(one, may_open) or (held and n == last)) for n, one in enumerate(ticket.handovers)]
    return tuple(reversed(seen))


def open_to(handover: Handover, may_open: MayOpen) -> bool:
    """Whether neither side of the hand-over is confidential to the reader."""
    return may_open(handover.from_department) and may_open(handover.to_department)


def _step(one: Handover, readable: bool) -> Step:
    reason = one.reason if readable else None
    return Step(one.from_department, one.to_department, one.holder, one.at, reason, one.misrouted)
