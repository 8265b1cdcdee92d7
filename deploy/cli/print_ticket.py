"""A ticket as text for a terminal, in German or English."""

from datetime import datetime

from babel.dates import format_timedelta

from silofrei.routing.opinion.mixing import took_part
from silofrei.schemas.config import Config
from silofrei.schemas.names import TicketStatus
from silofrei.schemas.ticket import Ticket

_WORDS = {
    "en": {
        "due": "due in {time}",
        "overdue": "overdue by {time}",
        "resolved": "resolved: {outcome}",
        "held": "with {holder}, token {token}",
        "why": "Why here",
        "second": "with a second opinion",
        "deleted": "(deleted by its author)",
        "also": "also for",
        "waiting": "waiting",
        "attempts": "{count} expired leases",
        "by": "by {holder}",
        "from": "from {department}",
        "misrouted": "wrongly routed",
        "note": "Note",
    },
    "de": {
        "due": "fällig in {time}",
        "overdue": "überfällig seit {time}",
        "resolved": "erledigt: {outcome}",
        "held": "bei {holder}, Marke {token}",
        "why": "Warum hier",
        "second": "mit zweiter Meinung",
        "deleted": "(vom Verfasser gelöscht)",
        "also": "auch für",
        "waiting": "wartet",
        "attempts": "{count} abgelaufene Reservierungen",
        "by": "von {holder}",
        "from": "von {department}",
        "misrouted": "falsch zugeordnet",
        "note": "Notiz",
    },
}


def ticket_as_text(ticket: Ticket, company: Config, language: str, now: datetime) -> str:
    """Several lines: head, state, who handed it over and why, each mention, and why the ticket is where it is.

    Args:
        ticket: the ticket.
        company: names of the departments.
        language: `de` or `en`.
        now: the moment from which time left is counted.
    """
    words = _WORDS[language]

    def title(name: str) -> str:
        try:
            return str(getattr(company.department(name).title, language))
        except KeyError:  # a ticket may outlive a department
            return name

    left = ticket.due_at - now
    time = format_timedelta(abs(left), locale=language, threshold=1.2)
    if ticket.status is TicketStatus.RESOLVED and ticket.outcome:
        state = words["resolved"].format(outcome=ticket.outcome.value)
        if ticket.resolved_by:
            state += f" · {words['by'].format(holder=_printable(ticket.resolved_by))}"
    else:
        state = words["due" if left.total_seconds() >= 0 else "overdue"].format(time=time)
        held = ticket.lease and words["held"].format(holder=_printable(ticket.lease.holder), token=ticket.lease.token)
        state += f" · {held or words['waiting']}"
    lines = [f"{ticket.id}  {title(ticket.department)} · {ticket.priority.name.lower()} · {state}"]
    if ticket.collaborators:
        lines.append(f"  {words['also']} {', '.join(title(name) for name in ticket.collaborators)}")
    if ticket.attempts:
        lines.append("  " + words["attempts"].format(count=ticket.attempts))
    for step in reversed(ticket.handovers):
        source = words["from"].format(department=title(step.from_department))
        wrong = f" · {words['misrouted']}" if step.misrouted else ""
        lines.append(f"  {source} · {_printable(step.holder)} · {step.at:%Y-%m-%d %H:%M} UTC{wrong}")
        lines += _indented(step.reason)
    if ticket.note:
        lines += [f"  {words['note']}:", *_indented(ticket.note)]
    for entry in ticket.mentions:
        mention = entry.mention
        author = _printable(mention.author.name or mention.author.handle or mention.author.id)
        lines += [
            "",
            f"  {author} · {mention.channel.value} {mention.kind.value} · {mention.created_at:%Y-%m-%d %H:%M} UTC",
        ]
        text = words["deleted"] if entry.deleted_at else mention.text
        lines += _indented(text) or [""]
        if mention.permalink:
            lines.append(f"    {_printable(mention.permalink)}")
    if ticket.classification:
        scores = ticket.classification.scores.model_dump()
        ranked = sorted(scores.items(), key=lambda pair: -pair[1])[:3]
        terms = ", ".join(dict.fromkeys(_printable(evidence.text) for evidence in ticket.classification.evidence[:5]))
        lines += [
            "",
            f"  {words['why']}: {ticket.rule} · "
            + ", ".join(f"{label} {score:.0%}" for label, score in ranked)
            + (f" · «{terms}»" if terms else "")
            + (f" · {words['second']}" if took_part(ticket.classification) else ""),
        ]
    return "\n".join(lines)


def _indented(text: str) -> list[str]:
    return [f"    {line}" for line in _printable(text).splitlines()]


def _printable(text: str) -> str:
    """Without control characters: a mention must not steer the reader's terminal."""
    return "".join(character for character in text if character in "\n\t" or character.isprintable())
