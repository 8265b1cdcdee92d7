"""Refusals of the scripts as sentences for people."""

from collections.abc import Sequence
from typing import Any

from silofrei.routing.queue.codes import RefusalCode, Refused
from silofrei.routing.queue.moments import from_milliseconds


def refusal(reply: Sequence[Any], ticket_id: str) -> Refused:
    """The error for a reply `{code, details...}` about this ticket."""
    code = RefusalCode(int(reply[0]))
    return Refused(code, _sentence(code, ticket_id, reply[1:]))


def unknown_department(name: str, known: Sequence[str]) -> Refused:
    """The error for a department that is not configured."""
    return Refused(RefusalCode.UNKNOWN_DEPARTMENT, f"There is no department '{name}'; use one of {', '.join(known)}.")


def _sentence(code: RefusalCode, ticket_id: str, details: Sequence[Any]) -> str:
    match code:
        case RefusalCode.NOT_FOUND:
            return f"There is no ticket {ticket_id}; it may have been resolved long ago."
        case RefusalCode.NOT_CLAIMED:
            return f"Nobody holds ticket {ticket_id} now; claim it first."
        case RefusalCode.WRONG_TOKEN:
            return f"Ticket {ticket_id} is held by {_held(details)} under another token; yours is no longer valid."
        case RefusalCode.LEASE_EXPIRED:
            return f"Your lease on ticket {ticket_id} ran out and the ticket went back to the queue; claim it again."
        case RefusalCode.ALREADY_RESOLVED:
            return f"Ticket {ticket_id} is already resolved ({details[0].decode()}); there is nothing left to do."
        case RefusalCode.TAKEN:
            return f"Ticket {ticket_id} is held by {_held(details)}; take another one."
        case RefusalCode.OTHER_DEPARTMENT:
            return f"Ticket {ticket_id} is in the queue of '{details[0].decode()}' now; claim it there."
        case RefusalCode.SAME_DEPARTMENT:
            return f"Ticket {ticket_id} is in that department already; release it to give it back to the queue."
        case RefusalCode.BAD_ARGUMENT:
            what, length, most = details
            return f"The {what.decode()} has {length} characters; use at most {most}. Nothing was changed."
        case _:
            return f"Ticket {ticket_id}: {code.name}."


def _held(details: Sequence[Any]) -> str:
    return f"{details[0].decode()} until {from_milliseconds(details[1]):%H:%M:%S} UTC"
