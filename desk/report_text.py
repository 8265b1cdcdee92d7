"""The report for a terminal, in German or English."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from io import StringIO

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from silofrei.desk.report_figures import Figures, Report, Share, Spread
from silofrei.desk.words import Words
from silofrei.schemas.config import Config
from silofrei.schemas.names import DiscardReason

_WIDTH = 100

_SAYS = {
    "en": {
        "title": "Report for {brand}, tickets opened {period}",
        "always": "at any time",
        "since": "from {since}",
        "until": "until {until}",
        "between": "from {since} until {until}",
        "nothing": "Nothing of this period is on record yet.",
        "fresh": "Newest event on record: {moment}.",
        "lost": "{number} records were deleted by Kafka before the ledger read them; these figures lack them.",
        "department": "Department",
        "total": "Total",
        "tickets": "Tickets",
        "mentions": "Mentions",
        "open": "Open",
        "overdue": "Overdue",
        "resolved": "Resolved",
        "withdrawn": "Withdrawn",
        "in": "Handed in",
        "out": "Handed out",
        "claim": "First taken after",
        "resolution": "Resolved after",
        "spread": "median / p90",
        "deadlines": "Deadlines met",
        "first_touch": "Right first time",
        "matrix": "Hand-overs from (row) to (column)",
        "ping_pong": "Came back to a department that had handed it over: {number}",
        "outcomes": "Outcomes",
        "discarded": "Discarded",
    },
    "de": {
        "title": "Bericht für {brand}, Tickets eröffnet {period}",
        "always": "seit Beginn",
        "since": "ab {since}",
        "until": "bis {until}",
        "between": "von {since} bis {until}",
        "nothing": "Zu diesem Zeitraum ist noch nichts aufgezeichnet.",
        "fresh": "Jüngstes aufgezeichnetes Ereignis: {moment}.",
        "lost": "{number} Datensätze hat Kafka gelöscht, bevor sie gelesen wurden; sie fehlen in diesen Zahlen.",
        "department": "Abteilung",
        "total": "Gesamt",
        "tickets": "Tickets",
        "mentions": "Erwähnungen",
        "open": "Offen",
        "overdue": "Überfällig",
        "resolved": "Erledigt",
        "withdrawn": "Gelöscht",
        "in": "Erhalten",
        "out": "Übergeben",
        "claim": "Übernommen nach",
        "resolution": "Erledigt nach",
        "spread": "Median / p90",
        "deadlines": "Fristen gehalten",
        "first_touch": "Gleich richtig",
        "matrix": "Übergaben von (Zeile) an (Spalte)",
        "ping_pong": "Zurück bei einer Abteilung, die schon übergeben hatte: {number}",
        "outcomes": "Ergebnisse",
        "discarded": "Aussortiert",
    },
}
"""Wording of the terminal alone; names of outcomes and departments are those of the pages."""

_DISCARDED = {
    "en": {
        DiscardReason.NOT_ACTIONABLE: "nobody has to act",
        DiscardReason.RULE: "by a rule",
        DiscardReason.DELETED_FIRST: "deleted before it arrived",
    },
    "de": {
        DiscardReason.NOT_ACTIONABLE: "niemand muss handeln",
        DiscardReason.RULE: "durch eine Regel",
        DiscardReason.DELETED_FIRST: "vor der Ankunft gelöscht",
    },
}


def report_as_text(report: Report, language: str, config: Config) -> str:
    """The report as plain text, up to 100 characters wide; moments in UTC.

    Args:
        report: the figures.
        language: `de` or `en`.
        config: names of the departments.
    """
    words = Words(language, UTC)
    says = _SAYS[language]
    lines: list[Table | str] = [says["title"].format(brand=report.brand, period=_period(report, words, says)), ""]
    if report.total.opened or report.discarded:
        rows = [(words.department(config, line.department), line.figures) for line in report.departments]
        rows.append((says["total"], report.total))
        lines += [_volume(rows, words, says), "", _times(rows, words, says), ""]
        if report.handovers:
            lines += [says["matrix"], _matrix(report, words, config), ""]
        if report.total.ping_pong:
            lines.append(says["ping_pong"].format(number=words.number(report.total.ping_pong)))
        lines += _counts(report, words, says, language)
    else:
        lines.append(says["nothing"])
    if report.lost:
        lines.append(says["lost"].format(number=words.number(report.lost)))
    if report.last_event_at is not None:
        lines.append(says["fresh"].format(moment=_moment(words, report.last_event_at)))
    return _plain(lines)


def _counts(report: Report, words: Words, says: dict[str, str], language: str) -> list[str]:
    outcomes = [f"{words.name(outcome, 'outcome')} {words.number(n)}" for outcome, n in report.total.outcomes.items()]
    discarded = [f"{_DISCARDED[language][reason]} {words.number(n)}" for reason, n in report.discarded.items()]
    return [
        f"{says[key]}: {', '.join(found)}" for key, found in (("outcomes", outcomes), ("discarded", discarded)) if found
    ]


Rows = Sequence[tuple[str, Figures]]


def _volume(rows: Rows, words: Words, says: dict[str, str]) -> Table:
    columns: dict[str, Callable[[Figures], int]] = {
        "tickets": lambda figures: figures.opened,
        "mentions": lambda figures: figures.mentions,
        "open": lambda figures: figures.open_now,
        "overdue": lambda figures: figures.overdue_now,
        "resolved": lambda figures: figures.resolved,
        "withdrawn": lambda figures: figures.withdrawn,
        "in": lambda figures: figures.handed_in,
        "out": lambda figures: figures.handed_out,
    }
    table = _table(says["department"], [says[name] for name in columns])
    for name, figures in rows:
        table.add_row(Text(name), *(words.number(of(figures)) for of in columns.values()))
    return table


def _times(rows: Rows, words: Words, says: dict[str, str]) -> Table:
    headings = [f"{says[name]}\n{says['spread']}" for name in ("claim", "resolution")]
    table = _table(says["department"], [*headings, says["deadlines"], says["first_touch"]])
    for name, figures in rows:
        spreads = (figures.first_claim, figures.resolution)
        shares = (figures.deadlines, figures.first_touch)
        table.add_row(
            Text(name),
            *(_spread(words, spread) for spread in spreads),
            *(_share(words, share) for share in shares),
        )
    return table


def _matrix(report: Report, words: Words, config: Config) -> Table:
    counts = {(pair.from_department, pair.to_department): pair.count for pair in report.handovers}
    order = [line.department for line in report.departments]
    sources = [name for name in order if any(source == name for source, _ in counts)]
    targets = [name for name in order if any(target == name for _, target in counts)]
    table = _table("", [words.department(config, name) for name in targets])
    for source in sources:
        cells = (counts.get((source, target)) for target in targets)
        table.add_row(Text(words.department(config, source)), *("" if n is None else words.number(n) for n in cells))
    return table


def _table(first: str, others: Sequence[str]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    table.add_column(Text(first), no_wrap=True)
    for heading in others:
        table.add_column(Text(heading), justify="right")
    return table


def _period(report: Report, words: Words, says: dict[str, str]) -> str:
    key = {(False, False): "always", (True, False): "since", (False, True): "until", (True, True): "between"}[
        report.since is not None, report.until is not None
    ]
    since = _moment(words, report.since) if report.since else ""
    until = _moment(words, report.until) if report.until else ""
    return says[key].format(since=since, until=until)


def _moment(words: Words, moment: datetime) -> str:
    return f"{words.moment(moment)} UTC"


def _spread(words: Words, spread: Spread) -> str:
    if spread.median is None or spread.p90 is None:
        return "–"
    median, p90 = (words.span(timedelta(seconds=seconds)) for seconds in (spread.median, spread.p90))
    return f"{median} / {p90}"


def _share(words: Words, share: Share) -> str:
    if share.share is None:
        return "–"
    return f"{words.percent(share.share)} ({words.number(share.part)}/{words.number(share.whole)})"


def _plain(lines: Sequence[Table | str]) -> str:
    out = StringIO()
    console = Console(file=out, width=_WIDTH, color_system=None, highlight=False, markup=False, emoji=False)
    for line in lines:
        console.print(line, soft_wrap=isinstance(line, str))
    # Terminals copy a non-breaking space as one, which nobody wants to paste.
    text = out.getvalue().replace("\u00a0", " ").replace("\u202f", " ")
    return "\n".join(line.rstrip() for line in text.rstrip().splitlines())
