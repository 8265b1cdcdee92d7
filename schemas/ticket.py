"""Ticket: the live state of one piece of work, as the queue holds it."""

from typing import Annotated, Literal

from pydantic import Field

from silofrei.schemas.base import BrandName, Contract, DepartmentName, Identifier, Moment
from silofrei.schemas.classification import Classification
from silofrei.schemas.decision import RuleName
from silofrei.schemas.mention import Mention
from silofrei.schemas.names import Channel, Outcome, Priority, TicketStatus

HANDOVERS_KEPT = 20
"""Hand-overs that a ticket remembers, the latest ones; the events have them all."""

REASON_LIMIT = 500
"""Longest reason for giving a ticket back or handing it over, in characters."""

NOTE_LIMIT = 2000
"""Longest note on a resolved ticket, in characters."""

Holder = Annotated[str, Field(min_length=1, max_length=120)]
"""Who works on a ticket, by the name under which they claimed it."""


class Lease(Contract):
    """Who works on a ticket, until when, and the fencing token that every later step must present."""

    holder: Holder
    token: Annotated[int, Field(ge=1)]
    until: Moment


class Handover(Contract):
    """One step of a ticket from department to department: who made it, when and why.

    `misrouted` says that the ticket should never have come to the former department.
    """

    from_department: DepartmentName
    to_department: DepartmentName
    holder: Holder
    reason: Annotated[str, Field(max_length=REASON_LIMIT)]
    at: Moment
    misrouted: bool = False


class TicketMention(Contract):
    """A mention as it belongs to a ticket; a deleted one has lost its text."""

    mention: Mention
    revision: str | None = None
    deleted_at: Moment | None = None


class Ticket(Contract):
    """One piece of work in one department's queue.

    `attempts` counts the leases that ran out; `due_at` is the customer's deadline and never moves with a transfer;
    `department_since` is the current department's own clock. `handovers` are in order, the latest last; `transfers`
    counts also those that are no longer kept. `resolved_by` is None where nobody held the ticket when it ended.
    """

    v: Literal[1] = 1
    id: Identifier
    brand: BrandName
    department: DepartmentName
    collaborators: tuple[DepartmentName, ...] = ()
    status: TicketStatus
    priority: Priority
    due_at: Moment
    opened_at: Moment
    department_since: Moment
    rule: RuleName
    channel: Channel
    thread_id: Identifier
    classification: Classification | None = None
    mentions: tuple[TicketMention, ...] = ()
    mention_count: Annotated[int, Field(ge=0)] = 0
    attempts: Annotated[int, Field(ge=0)] = 0
    transfers: Annotated[int, Field(ge=0)] = 0
    handovers: Annotated[tuple[Handover, ...], Field(max_length=HANDOVERS_KEPT)] = ()
    lease: Lease | None = None
    outcome: Outcome | None = None
    resolved_at: Moment | None = None
    resolved_by: Holder | None = None
    note: Annotated[str, Field(max_length=NOTE_LIMIT)] = ""
