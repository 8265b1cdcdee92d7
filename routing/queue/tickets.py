"""Tickets as the scripts answer with them, made into the contract."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pydantic_core import from_json

from silofrei.routing.queue.moments import from_microseconds, from_milliseconds
from silofrei.schemas.classification import Classification
from silofrei.schemas.names import Outcome, TicketStatus
from silofrei.schemas.ticket import Handover, Lease, Ticket, TicketMention


def read_ticket(brand: str, reply: Sequence[Any]) -> Ticket:
    """The ticket in a reply `{0, id, ticket}`, the hash being a flat list; lua/_ticket.lua has its fields."""
    fields = _pairs(reply[2])
    department = fields[b"department"].decode()
    status = TicketStatus(fields.get(b"status", b"waiting").decode())
    meta = from_json(b"{" + fields[b"meta"] + b"}")
    classification = fields[b"classification"]
    mentions = [TicketMention.model_validate_json(text) for name, text in fields.items() if name.startswith(b"m:")]
    mentions.sort(key=lambda one: (one.mention.created_at, one.mention.received_at, one.mention.id))
    return Ticket(
        id=reply[1].decode(),
        brand=brand,
        department=department,
        # After a transfer, a department that was asked to help may own the ticket.
        collaborators=tuple(name for name in meta.pop("collaborators") if name != department),
        status=status,
        opened_at=from_microseconds(fields[b"opened"]),
        department_since=from_microseconds(fields.get(b"since", fields[b"opened"])),
        classification=Classification.model_validate_json(classification) if classification else None,
        mentions=tuple(mentions),
        mention_count=int(fields.get(b"count", 1)),
        attempts=int(fields.get(b"attempts", 0)),
        transfers=int(fields.get(b"transfers", 0)),
        handovers=_handovers(fields),
        lease=_lease(fields) if status is TicketStatus.CLAIMED else None,
        outcome=Outcome(fields[b"outcome"].decode()) if b"outcome" in fields else None,
        resolved_at=from_microseconds(fields[b"resolved"]) if b"resolved" in fields else None,
        resolved_by=fields[b"by"].decode() if b"by" in fields else None,
        note=fields.get(b"note", b"").decode(),
        **meta,
    )


def _lease(fields: Mapping[bytes, bytes]) -> Lease:
    return Lease(
        holder=fields[b"holder"].decode(), token=int(fields[b"token"]), until=from_milliseconds(fields[b"until"])
    )


def _handovers(fields: Mapping[bytes, bytes]) -> tuple[Handover, ...]:
    numbers = sorted(int(name[2:]) for name in fields if name.startswith(b"h:"))
    stored = [from_json(fields[b"h:%d" % number]) for number in numbers]
    return tuple(Handover(**{**handover, "at": from_microseconds(handover["at"])}) for handover in stored)


def _pairs(flat: Iterable[bytes]) -> dict[bytes, bytes]:
    names = iter(flat)
    return dict(zip(names, names, strict=True))
