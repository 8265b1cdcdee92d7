"""A ticket as text for a terminal, in German or English."""

from datetime import UTC, datetime

from babel.dates import format_timedelta

from silofrei.desk.words import Words
from silofrei.schemas.config import Config
from silofrei.schemas.names import TicketStatus
from silofrei.schemas.ticket import Ticket

_SAYS = {
    "en": {
        "due": "due in {time}",
        "overdue": "overdue by {time}",
        "resolved": "resolved: {outcome}",
        "held": "with {holder}, token {token}",
        "why": "Why here",
        "deleted": "(deleted by its author)",
        "waiting": "waiting",
        "attempts": "{count} expired leases",
        "by": "by {holder}",
    },
    "de": {
        "due": "fällig in {time}",
        "overdue": "überfällig seit {time}",
        "resolved": "erledigt: {outcome}",
        "held": "bei {holder}, Marke {token}",
        "why": "Warum hier",
        "deleted": "(vom Verfasser gelöscht)",
        "waiting": "wartet",
        "attempts": "{count} abgelaufene Reservierungen",
        "by": "von {holder}",
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
    says, words = _SAYS[language], Words(language, UTC)
    left = ticket.due_at - now
    time = format_timedelta(abs(left), locale=language, threshold=1.2)
    if ticket.status is TicketStatus.RESOLVED and ticket.outcome:
        state = says["resolved"].format(outcome=ticket.outcome.value)
        if ticket.resolved_by:
            state += f" · {says['by'].format(holder=_printable(ticket.resolved_by))}"
    else:
        state = says["due" if left.total_seconds() >= 0 else "overdue"].format(time=time)
        held = ticket.lease and says["held"].format(holder=_printable(ticket.lease.holder), token=ticket.lease.token)
        state += f" · {held or says['waiting']}"
    lines = [f"{ticket.id}  {words.department(company, ticket.department)} · {ticket.priority.name.lower()} · {state}"]
    if ticket.collaborators:
        names = ", ".join(words.department(company, name) for name in ticket.collaborators)
        lines.append(f"  {words('ticket.also', department=names)}")
    if ticket.attempts:
        lines.append("  " + says["attempts"].format(count=ticket.attempts))
    for step in reversed(ticket.handovers):
        source = words("ticket.from", department=words.department(company, step.from_department))
        wrong = f" · {words('ticket.misrouted')}" if step.misrouted else ""
        lines.append(f"  {source} · {_printable(step.holder)} · {step.at:%Y-%m-%d %H:%M} UTC{wrong}")
        lines += _indented(step.reason)
    if ticket.note:
        lines += [f"  {words('act.note')}:", *_indented(ticket.note)]
    for entry in ticket.mentions:
        mention = entry.mention
        author = _printable(mention.author.name or mention.author.handle or mention.author.id)
        lines += [
            "",
            f"  {author} · {mention.channel.value} {mention.kind.value} · {mention.created_at:%Y-%m-%d %H:%M} UTC",
        ]
        text = says["deleted"] if entry.deleted_at else mention.text
        lines += _indented(text) or [""]
        if mention.permalink:
            lines.append(f"    {_printable(mention.permalink)}")
    if ticket.classification:
        scores = ticket.classification.scores.model_dump()
        ranked = sorted(scores.items(), key=lambda pair: -pair[1])[:3]
        terms = ", ".join(dict.fromkeys(_printable(evidence.text) for evidence in ticket.classification.evidence[:5]))
        lines += [
            "",
            f"  {says['why']}: {ticket.rule} · "
            + ", ".join(f"{label} {score:.0%}" for label, score in ranked)
            + (f" · «{terms}»" if terms else ""),
        ]
    return "\n".join(lines)


def _indented(text: str) -> list[str]:
    return [f"    {line}" for line in _printable(text).splitlines()]


def _printable(text: str) -> str:
    """Without control characters: a mention must not steer the reader's terminal."""
    return "".join(character for character in text if character in "\n\t" or character.isprintable())
