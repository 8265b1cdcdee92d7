"""Ticket: the live state of one piece of work, as the queue holds it."""

from typing import Annotated, Literal

from pydantic import Field

from silofrei.schemas.base import BrandName, Contract, DepartmentName, Identifier, Moment
from silofrei.schemas.classification import Classification
from silofrei.schemas.decision import RuleName
from silofrei.schemas.mention import Mention
from silofrei.schemas.names import Channel, Outcome, Priority, TicketStatus


class Lease(Contract):
    """Who works on a ticket, until when, and the fencing token that every later step must present."""

    holder: Annotated[str, Field(min_length=1, max_length=120)]
    token: Annotated[int, Field(ge=1)]
    until: Moment


class TicketMention(Contract):
    """A mention as it belongs to a ticket; a deleted one has lost its text."""

    mention: Mention
    revision: str | None = None
    deleted_at: Moment | None = None


class Ticket(Contract):
    """One piece of work in one department's queue.

    `attempts` counts the leases that ran out; `due_at` is the customer's deadline and never moves with a transfer;
    `department_since` is the current department's own clock.
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
    lease: Lease | None = None
    outcome: Outcome | None = None
    resolved_at: Moment | None = None
