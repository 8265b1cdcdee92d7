"""TicketEvent: everything that happens to tickets and mentions, as `tickets.events` records it.

The events are the system of record: reports recompute their clocks from them. `event_id` is deterministic
(`<subject>:<seq>` or the cause's id), so a reader drops repeats by it; `seq` numbers the events of one ticket from 1.
"""

from typing import Annotated, Literal

from pydantic import Field, TypeAdapter

from silofrei.schemas.base import BrandName, Contract, DepartmentName, Identifier, Moment
from silofrei.schemas.classification import Classification
from silofrei.schemas.decision import RuleName
from silofrei.schemas.mention import Mention
from silofrei.schemas.names import Channel, DiscardReason, Outcome, Priority


class _Event(Contract):
    v: Literal[1] = 1
    event_id: Identifier
    brand: BrandName
    at: Moment
    """When the queue applied it, by the clock of Redis."""


class _TicketEvent(_Event):
    ticket_id: Identifier
    seq: Annotated[int, Field(ge=1)]
    department: DepartmentName
    """The department that owns the ticket after the event."""


class TicketOpened(_TicketEvent):
    """A mention became a new ticket."""

    type: Literal["ticket.opened"] = "ticket.opened"
    channel: Channel
    thread_id: Identifier
    collaborators: tuple[DepartmentName, ...] = ()
    priority: Priority
    due_at: Moment
    rule: RuleName
    mention: Mention
    classification: Classification | None = None


class MentionAppended(_TicketEvent):
    """A further mention joined the open ticket of its thread."""

    type: Literal["mention.appended"] = "mention.appended"
    mention: Mention
    classification: Classification | None = None


class MentionRevised(_TicketEvent):
    """The author edited a mention of the ticket."""

    type: Literal["mention.edited"] = "mention.edited"
    mention: Mention
    revision: str


class MentionWithdrawn(_TicketEvent):
    """A mention of the ticket was deleted; its text is gone from the queue."""

    type: Literal["mention.deleted"] = "mention.deleted"
    mention_id: Identifier


class TicketClaimed(_TicketEvent):
    """Somebody took the ticket."""

    type: Literal["ticket.claimed"] = "ticket.claimed"
    holder: str
    token: int
    lease_until: Moment


class TicketReleased(_TicketEvent):
    """The holder gave the ticket back."""

    type: Literal["ticket.released"] = "ticket.released"
    holder: str
    reason: str


class LeaseExpired(_TicketEvent):
    """The lease ran out and the ticket went back to the queue."""

    type: Literal["lease.expired"] = "lease.expired"
    holder: str
    attempts: int


class TicketTransferred(_TicketEvent):
    """The holder handed the ticket over to another department."""

    type: Literal["ticket.transferred"] = "ticket.transferred"
    holder: str
    from_department: DepartmentName
    reason: str
    misrouted: bool = False
    """Whether the holder said that it should never have come to them: a correction of what was decided."""


class TicketResolved(_TicketEvent):
    """The ticket is done."""

    type: Literal["ticket.resolved"] = "ticket.resolved"
    holder: str | None
    outcome: Outcome
    note: str = ""


class MentionDiscarded(_Event):
    """An accepted mention needed nobody; kept so that the decision can be audited."""

    type: Literal["mention.discarded"] = "mention.discarded"
    reason: DiscardReason
    rule: RuleName
    mention: Mention
    classification: Classification | None = None


TicketEvent = Annotated[
    TicketOpened
    | MentionAppended
    | MentionRevised
    | MentionWithdrawn
    | TicketClaimed
    | TicketReleased
    | LeaseExpired
    | TicketTransferred
    | TicketResolved
    | MentionDiscarded,
    Field(discriminator="type"),
]

TICKET_EVENT: TypeAdapter[TicketEvent] = TypeAdapter(TicketEvent)
