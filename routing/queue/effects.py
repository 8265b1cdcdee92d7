"""What one mention change shall do to the queue, and what became of it.

Owns the arguments of lua/open_or_append.lua: Python writes every JSON that the script passes on, so that the script
reads and writes none.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from hashlib import blake2b

from pydantic_core import to_json

from silofrei.routing.queue.codes import ApplyCode, RefusalCode, Refused
from silofrei.routing.queue.moments import from_microseconds, to_milliseconds
from silofrei.routing.queue.scripts import Argument
from silofrei.schemas.classification import Classification
from silofrei.schemas.decision import Decision, RoutingDecision
from silofrei.schemas.mention import Mention, MentionChange, MentionDeleted, MentionEdited
from silofrei.schemas.names import Channel, Priority

_LETTERS = "abcdefghijklmnopqrstuvwxyz234567"
_PAIRS = tuple(one + two for one in _LETTERS for two in _LETTERS)
_CODES: Mapping[bytes | int, ApplyCode] = {code.value: code for code in ApplyCode}


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


def arguments(brand: str, effects: Sequence[Effect]) -> list[Argument]:
    """The flat arguments of all effects, eleven for each, in the order that lua/open_or_append.lua names.

    Raises:
        Refused: an effect belongs to another brand or lacks its decision; the message has its index.
    """
    # These two in loops of their own: in turns with the rest, each would push the others' code out of the processor's
    # caches, and all would take half as long again.
    mentions = [b"" if isinstance(one.change, MentionDeleted) else to_json(one.change.mention) for one in effects]
    classifications = [b"" if one.classification is None else to_json(one.classification) for one in effects]
    flat: list[Argument] = []
    for index, effect in enumerate(effects):
        change = effect.change
        if isinstance(change, MentionDeleted):
            _check(index, change.brand, brand)
            flat += ("d", change.mention_id, "", "", "", "", "", "", "", to_json(change.deleted_at), "")
            continue
        mention = change.mention
        _check(index, mention.brand, brand)
        if effect.decision is None:
            raise _refused(index, "has no decision; only deletions go without")
        op, revision, revision_json, revision_rank = "c", "", b"", ""
        if isinstance(change, MentionEdited):
            op, revision = "e", change.revision
            revision_json, revision_rank = to_json(revision), rank(revision)
        department, due, meta = _decided(effect.decision, mention)
        flat += (
            op,
            mention.id,
            mention.thread_id,
            cause(brand, mention.id, revision),
            department,
            due,
            mentions[index],
            classifications[index],
            meta,
            revision_json,
            revision_rank,
        )
    return flat


def applied(reply: Sequence[bytes | int]) -> list[Applied]:
    """The script's answers after its leading 0: the moment, then code, ticket and department of each effect."""
    at = from_microseconds(reply[1])
    answers = zip(reply[2::3], reply[3::3], reply[4::3], strict=True)
    return [Applied(_CODES[code], _text(ticket), _text(department), at) for code, ticket, department in answers]


def cause(brand: str, mention_id: str, revision: str) -> str:
    """Sixteen characters that only this version of this mention of this brand has, the same on every replay."""
    digest = blake2b(f"{brand}\0{mention_id}\0{revision}".encode(), digest_size=10).digest()
    # Base32 in small letters; b32encode takes three times as long.
    number = int.from_bytes(digest)
    return "".join([_PAIRS[number >> shift & 0x3FF] for shift in range(70, -1, -10)])


def rank(revision: str) -> str:
    """A key by which older and newer revisions of a mention compare as text; empty where they have no order.

    Numbers compare by value and ISO 8601 times by the moment; of other revisions the one that comes last wins.
    """
    if revision.isascii() and revision.isdigit():
        digits = revision.lstrip("0")
        return f"n{len(digits):03d}{digits}"
    try:
        moment = datetime.fromisoformat(revision)
    except ValueError:
        return ""
    if moment.tzinfo is None:
        return f"l{moment.isoformat(timespec='microseconds')}"
    return f"t{to_milliseconds(moment):020d}{moment.microsecond % 1000:03d}"


def _decided(decision: Decision, mention: Mention) -> tuple[str, int, bytes]:
    """Department (empty: discard), deadline in ms and the members that the event adds to the mention's."""
    if isinstance(decision, RoutingDecision):
        due = to_milliseconds(decision.due_at)
        constant = _opened(mention.channel, decision.collaborators, decision.priority, decision.rule)
        # As the queue knows it: `due` and this both leave out what is less than a millisecond.
        due_at = decision.due_at.isoformat(timespec="milliseconds")
        rest = f',"due_at":"{due_at}","thread_id":'.encode()
        return decision.department, due, b"".join((constant, rest, to_json(mention.thread_id)))
    return "", 0, to_json({"reason": decision.reason, "rule": decision.rule})[1:-1]


@lru_cache(maxsize=1024)
def _opened(channel: Channel, collaborators: tuple[str, ...], priority: Priority, rule: str) -> bytes:
    """What few combinations of a ticket.opened share."""
    return to_json({"channel": channel, "collaborators": collaborators, "priority": priority, "rule": rule})[1:-1]


def _check(index: int, found: str, brand: str) -> None:
    if found != brand:
        raise _refused(index, f"belongs to the brand '{found}', not to '{brand}'")


def _refused(index: int, what: str) -> Refused:
    return Refused(RefusalCode.BAD_ARGUMENT, f"Effect {index} {what}.")


def _text(answer: bytes | int) -> str | None:
    return answer.decode() if isinstance(answer, bytes) and answer else None
