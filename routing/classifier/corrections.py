"""Corrections: what people said about wrong routings, gathered from the events of tickets.

A hand-over with `misrouted` says where a ticket should have gone at once. The texts are those that the person had
before them, as they read today: an author's edit counts, a withdrawn mention is left out.

Owns: which events make a correction, and its form as a JSON line. Refuses: Kafka (streams/corrections.py) and learning
from them (retrain.py).
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter
from pydantic_core import from_json

from silofrei.schemas.base import Moment
from silofrei.schemas.names import Label, Language, Outcome

_SEPARATOR = "\n\n"
_LABELS = frozenset(Label)
_LANGUAGES = frozenset(Language)


class Correction(BaseModel):
    """What a ticket's texts should have been labelled, by whom it matters: when, which ticket and in which words.

    `secondary` is None: nobody was asked who else should see it. `reason` is what the person wrote.
    """

    model_config = ConfigDict(frozen=True)
    text: Annotated[str, Field(min_length=1)]
    label: Label
    secondary: tuple[Label, ...] | None = None
    lang: Language
    at: Moment
    ticket_id: str
    reason: str


class Skipped(StrEnum):
    """Why a ticket that was corrected gives no correction."""

    NO_LABEL = "no_label"
    """It went to a department that the classifier does not know: triage, or one of the company's own."""
    NO_TEXT = "no_text"
    """All of its mentions were withdrawn, or had no text."""


@dataclass(frozen=True, slots=True)
class Collected:
    """The corrections, the oldest first, and how many tickets were left out."""

    corrections: tuple[Correction, ...]
    skipped: dict[Skipped, int]


@dataclass(slots=True)
class _Texts:
    """What the events say of one ticket."""

    seen: set[str] = field(default_factory=set)
    texts: dict[str, str] = field(default_factory=dict)
    language: Language = Language.UNDETERMINED
    department: str = ""
    at: str = ""
    reason: str = ""
    judged: tuple[str, ...] = ()
    """Mentions that were there when the ticket was last corrected."""


Events = Callable[[], Iterable[bytes | None]]
"""Reads `tickets.events` from its beginning, the events of one ticket in their order; called twice."""


def collect(events: Events, *, no_action: bool = False) -> Collected:
    """The last correction of each ticket.

    Args:
        events: see `Events`; what repeats there counts once, what is no event of ours is passed over.
        no_action: also take tickets that were resolved with `no_action`, as `none`. Not by default: people choose it
            for repeats and for what is settled already, too, and a text labelled `none` may be discarded next time.
    """
    # Two passes, so that the texts of the corrected tickets alone are in memory.
    corrected = {event["ticket_id"] for event in _parsed(events()) if _corrects(event, no_action)}
    tickets: dict[str, _Texts] = {}
    for event in _parsed(events()):
        if event.get("ticket_id") in corrected:
            _follow(tickets.setdefault(event["ticket_id"], _Texts()), event, no_action)
    found, skipped = list[Correction](), dict.fromkeys(Skipped, 0)
    for ticket_id, one in tickets.items():
        text = _SEPARATOR.join(one.texts[mention] for mention in one.judged if one.texts.get(mention))
        if not one.department:
            continue  # the events that corrected it went between the passes
        if one.department not in _LABELS:
            skipped[Skipped.NO_LABEL] += 1
        elif not text:
            skipped[Skipped.NO_TEXT] += 1
        else:
            found.append(_MADE.validate_python(_correction(ticket_id, one, text)))
    return Collected(tuple(sorted(found, key=lambda one: (one.at, one.ticket_id))), skipped)


_MADE = TypeAdapter(Correction)


def _correction(ticket_id: str, one: _Texts, text: str) -> dict[str, object]:
    return {
        "text": text,
        "label": one.department,
        "lang": one.language,
        "at": one.at,
        "ticket_id": ticket_id,
        "reason": one.reason,
    }


def _parsed(values: Iterable[bytes | None]) -> Iterable[dict[str, Any]]:
    for value in values:
        try:
            event = from_json(value or b"")
        except ValueError:
            continue  # somebody else's record
        if isinstance(event, dict) and "type" in event:
            yield event


def _corrects(event: dict[str, Any], no_action: bool) -> bool:
    if event["type"] == "ticket.transferred":
        return event.get("misrouted") is True
    return no_action and event["type"] == "ticket.resolved" and event.get("outcome") == Outcome.NO_ACTION


def _follow(ticket: _Texts, event: dict[str, Any], no_action: bool) -> None:
    if event["event_id"] in ticket.seen:
        return
    ticket.seen.add(event["event_id"])
    match event["type"]:
        case "ticket.opened" | "mention.appended" | "mention.edited":
            mention = event["mention"]
            ticket.texts[mention["id"]] = mention["text"].strip()
            spoken = (event.get("classification") or {}).get("language")
            if event["type"] == "ticket.opened" and spoken in _LANGUAGES:
                ticket.language = Language(spoken)
        case "mention.deleted":
            ticket.texts[event["mention_id"]] = ""
    if _corrects(event, no_action):
        resolved = event["type"] == "ticket.resolved"
        ticket.department = Label.NONE if resolved else event["department"]
        ticket.at, ticket.reason = event["at"], event["note" if resolved else "reason"]
        ticket.judged = tuple(ticket.texts)
