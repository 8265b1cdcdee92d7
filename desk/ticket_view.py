"""A ticket as the pages show it: what is cut, marked, linked and how pressing it looks. Pure; texts stay unescaped."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple
from urllib.parse import urlsplit

from silofrei.desk.handover_view import MayOpen, Step, steps
from silofrei.desk.words import Due, tone
from silofrei.schemas.classification import Classification, Evidence
from silofrei.schemas.mention import Author, Mention
from silofrei.schemas.names import Label, Language, TicketStatus
from silofrei.schemas.ticket import Ticket, TicketMention

EXCERPT = 220
"""Longest excerpt of a mention in a list, in characters."""

REASON_EXCERPT = 90
"""Longest excerpt of a reason in a list, in characters."""


class Segment(NamedTuple):
    """A stretch of a mention's text; with a label where it spoke for one."""

    text: str
    label: Label | None = None
    weight: float = 0.0


class Bar(NamedTuple):
    """One label's score, for a bar."""

    label: Label
    score: float
    best: bool


@dataclass(frozen=True, slots=True)
class Entry:
    """One mention of a ticket's thread."""

    mention: Mention
    author: str
    initial: str
    segments: tuple[Segment, ...]
    link: str | None
    edited: bool
    deleted_at: datetime | None


@dataclass(frozen=True, slots=True)
class Card:
    """A ticket in a list; `handed` is its latest hand-over, with the start of the reason in `reason`."""

    ticket: Ticket
    author: str
    excerpt: str
    handed: Step | None
    reason: str
    language: Language | None
    tone: Due
    overdue_lease: bool


def author_name(author: Author) -> str:
    """How to call an author: name, else handle, else the channel's id."""
    return (author.name or "").strip() or (author.handle or "").strip() or author.id


def safe_link(url: str | None) -> str | None:
    """The address if it may be made clickable: absolute http or https, with a host; else None."""
    if url is None or any(character.isspace() or not character.isprintable() for character in url):
        return None
    try:
        parts = urlsplit(url)
    except ValueError:
        return None
    return url if parts.scheme.lower() in ("http", "https") and parts.hostname else None


def excerpt(text: str, limit: int = EXCERPT) -> str:
    """The start of a text in one line, cut at a word where it is longer than `limit` characters."""
    line = " ".join(text[: limit * 8].split())
    if len(line) <= limit:
        return line
    cut = line[:limit]
    return (cut.rpartition(" ")[0] if " " in cut[limit // 2 :] else cut).rstrip(",;:-–") + " …"


def segments(text: str, evidence: Iterable[Evidence]) -> tuple[Segment, ...]:
    """The text cut where evidence begins and ends; where two overlap, the heavier stays.

    Evidence that no longer fits the text (its author edited it since) is left out.
    """
    kept: list[Evidence] = []
    for piece in sorted(evidence, key=lambda piece: -piece.weight):
        fits = piece.start < piece.end and text[piece.start : piece.end] == piece.text
        if fits and piece.weight > 0 and all(piece.end <= other.start or piece.start >= other.end for other in kept):
            kept.append(piece)
    cut: list[Segment] = []
    position = 0
    for piece in sorted(kept, key=lambda piece: piece.start):
        if piece.start > position:
            cut.append(Segment(text[position : piece.start]))
        cut.append(Segment(text[piece.start : piece.end], piece.label, piece.weight))
        position = piece.end
    if position < len(text):
        cut.append(Segment(text[position:]))
    return tuple(cut)


def bars(classification: Classification) -> tuple[Bar, ...]:
    """All labels with their scores, likeliest first."""
    ranked = sorted(Label, key=lambda label: -classification.scores.of(label))
    return tuple(Bar(label, classification.scores.of(label), label is classification.label) for label in ranked)


def entries(ticket: Ticket) -> tuple[Entry, ...]:
    """The thread's mentions in the order in which they were published."""
    evidence = ticket.classification.evidence if ticket.classification else ()
    ordered = sorted(ticket.mentions, key=lambda entry: (entry.mention.created_at, entry.mention.received_at))
    explained = _explained(ordered, evidence)
    return tuple(
        Entry(
            mention=entry.mention,
            author=author_name(entry.mention.author),
            initial=next((letter.upper() for letter in author_name(entry.mention.author) if letter.isalnum()), "?"),
            segments=segments(entry.mention.text, evidence if entry is explained else ()),
            link=safe_link(entry.mention.permalink),
            edited=entry.revision is not None,
            deleted_at=entry.deleted_at,
        )
        for entry in ordered
    )


def card(ticket: Ticket, now: datetime, may_open: MayOpen) -> Card:
    """A ticket for a list; it shows the newest mention that still has a text.

    Args:
        ticket: the ticket.
        now: the moment from which deadlines are judged.
        may_open: which departments' texts the reader may see.
    """
    ordered = sorted(ticket.mentions, key=lambda entry: (entry.mention.created_at, entry.mention.received_at))
    spoken = [entry.mention for entry in ordered if entry.deleted_at is None and entry.mention.text.strip()]
    shown = spoken[-1] if spoken else ordered[-1].mention if ordered else None
    handed = next(iter(steps(ticket, may_open)), None)
    return Card(
        ticket=ticket,
        author=author_name(shown.author) if shown else "",
        excerpt=excerpt(shown.text) if spoken and shown else "",
        handed=handed,
        reason=excerpt((handed and handed.reason) or "", REASON_EXCERPT),
        language=ticket.classification.language if ticket.classification else None,
        tone=tone(ticket.due_at, ticket.opened_at, now),
        overdue_lease=ticket.lease is not None and ticket.lease.until < now,
    )


def held_by(ticket: Ticket, holder: str) -> bool:
    """Whether this holder works on the ticket."""
    return (
        bool(holder)
        and ticket.status is TicketStatus.CLAIMED
        and ticket.lease is not None
        and ticket.lease.holder == holder
    )


def _explained(ordered: Sequence[TicketMention], evidence: Sequence[Evidence]) -> TicketMention | None:
    """The mention that the classification speaks of: the one in which most of the evidence stands where it says."""
    fitting = {
        index: sum(entry.mention.text[piece.start : piece.end] == piece.text for piece in evidence)
        for index, entry in enumerate(ordered)
    }
    best = max(fitting, key=lambda index: fitting[index], default=None)
    return ordered[best] if best is not None and fitting[best] else None
