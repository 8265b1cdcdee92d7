"""Commands for departments and leadership: pull a ticket, work on it, read the report."""

import getpass
import socket
from datetime import datetime, timedelta
from typing import Annotated

import typer

from silofrei.deploy.cli.context import (
    REFUSED,
    BrandOption,
    ConfigOption,
    DataOption,
    JsonOption,
    LanguageOption,
    brand_of,
    check_language,
    clean_errors,
    complain,
    configuration,
    fail,
    known_queue,
    now,
    on_queue,
    say,
    settings_for,
)
from silofrei.deploy.cli.print_ticket import ticket_as_text
from silofrei.schemas.config import Config, parse_duration
from silofrei.schemas.names import Outcome
from silofrei.schemas.settings import ConfigurationError, Settings
from silofrei.schemas.ticket import Ticket

TokenOption = Annotated[int, typer.Option("--token", help="The fencing token that `pull` printed.")]


def _holder() -> str:
    return f"{getpass.getuser()}@{socket.gethostname()}"


def _prepare(data: DataOption, config: ConfigOption, brand: str | None) -> tuple[Settings, Config, str]:
    settings = settings_for(data, config)
    company = configuration(settings)
    return settings, company, brand_of(company, brand)


def _print(ticket: Ticket, company: Config, language: str, as_json: bool) -> None:
    say(ticket.model_dump_json() if as_json else ticket_as_text(ticket, company, language, now()))


def _lease(lease: str | None) -> timedelta | None:
    if lease is None:
        return None
    try:
        return parse_duration(lease)
    except ValueError as error:
        raise ConfigurationError(f"--lease {lease}: {error}") from None


def pull(
    department: Annotated[str, typer.Argument(help="service, sales, hr, pr, triage or one of your own.")],
    holder: Annotated[
        str | None, typer.Option("--holder", help="Who takes it; you on this machine by default.")
    ] = None,
    lease: Annotated[str | None, typer.Option("--lease", help="How long it is yours, such as 15m.")] = None,
    brand: BrandOption = None,
    lang: LanguageOption = "en",
    config: ConfigOption = None,
    data: DataOption = None,
    json: JsonOption = False,
) -> None:
    """Take the most urgent ticket of a department; nobody else gets it while your lease lasts."""
    with clean_errors():
        check_language(lang)
        settings, company, brand_name = _prepare(data, config, brand)
        known_queue(company, department)
        duration = _lease(lease)

        ticket = on_queue(
            settings, company, lambda queue: queue.claim(brand_name, department, holder or _holder(), lease=duration)
        )
        if ticket is None:
            fail(f"no ticket is waiting for {department}", REFUSED)
        _print(ticket, company, lang, json)
        if not json and ticket.lease:
            complain(
                f"\nYours until {ticket.lease.until.astimezone():%H:%M}. Next: silofrei resolve {ticket.id} "
                f"--token {ticket.lease.token} --outcome answered   (or extend, release, transfer)"
            )


def show(
    ticket_id: Annotated[str, typer.Argument(metavar="TICKET")],
    brand: BrandOption = None,
    lang: LanguageOption = "en",
    config: ConfigOption = None,
    data: DataOption = None,
    json: JsonOption = False,
) -> None:
    """Show a ticket with its mentions and why it came to its department."""
    with clean_errors():
        check_language(lang)
        settings, company, brand_name = _prepare(data, config, brand)

        ticket = on_queue(settings, company, lambda queue: queue.ticket(brand_name, ticket_id))
        if ticket is None:
            fail(f"there is no ticket {ticket_id} of brand {brand_name}", REFUSED)
        _print(ticket, company, lang, json)


def extend(
    ticket_id: Annotated[str, typer.Argument(metavar="TICKET")],
    token: TokenOption,
    lease: Annotated[str | None, typer.Option("--lease", help="How long from now, such as 30m.")] = None,
    brand: BrandOption = None,
    config: ConfigOption = None,
    data: DataOption = None,
) -> None:
    """Keep a ticket for longer."""
    with clean_errors():
        settings, company, brand_name = _prepare(data, config, brand)
        duration = _lease(lease)

        ticket = on_queue(settings, company, lambda queue: queue.extend(brand_name, ticket_id, token, duration))
        if ticket.lease:
            say(f"{ticket_id} is yours until {ticket.lease.until.astimezone():%Y-%m-%d %H:%M}")


def release(
    ticket_id: Annotated[str, typer.Argument(metavar="TICKET")],
    token: TokenOption,
    reason: Annotated[str, typer.Option("--reason", help="Why you give it back.")] = "",
    brand: BrandOption = None,
    config: ConfigOption = None,
    data: DataOption = None,
) -> None:
    """Give a ticket back to its queue."""
    with clean_errors():
        settings, company, brand_name = _prepare(data, config, brand)

        on_queue(settings, company, lambda queue: queue.release(brand_name, ticket_id, token, reason))
        say(f"{ticket_id} is back in its queue")


def transfer(
    ticket_id: Annotated[str, typer.Argument(metavar="TICKET")],
    department: Annotated[str, typer.Argument(help="The department that shall have it.")],
    token: TokenOption,
    reason: Annotated[str, typer.Option("--reason", help="Why it is theirs.")],
    misrouted: Annotated[
        bool, typer.Option("--misrouted", help="It should never have come to us; the classifier learns from that.")
    ] = False,
    brand: BrandOption = None,
    config: ConfigOption = None,
    data: DataOption = None,
) -> None:
    """Hand a ticket over to another department; the customer's deadline stays."""
    with clean_errors():
        settings, company, brand_name = _prepare(data, config, brand)
        known_queue(company, department)
        if not reason.strip():
            raise ConfigurationError("--reason is empty; say in a few words why the ticket belongs there")

        on_queue(
            settings,
            company,
            lambda queue: queue.transfer(brand_name, ticket_id, token, department, reason.strip(), misrouted=misrouted),
        )
        say(f"{ticket_id} now waits for {department}")


def resolve(
    ticket_id: Annotated[str, typer.Argument(metavar="TICKET")],
    token: TokenOption,
    outcome: Annotated[Outcome, typer.Option("--outcome", help="How it ended.")] = Outcome.ANSWERED,
    note: Annotated[str, typer.Option("--note", help="For those who read it later.")] = "",
    brand: BrandOption = None,
    config: ConfigOption = None,
    data: DataOption = None,
) -> None:
    """Close a ticket with its outcome."""
    with clean_errors():
        settings, company, brand_name = _prepare(data, config, brand)

        on_queue(settings, company, lambda queue: queue.resolve(brand_name, ticket_id, token, outcome, note))
        say(f"{ticket_id} is resolved: {outcome.value}")


def report(
    since: Annotated[datetime | None, typer.Option("--since", help="First day (UTC), such as 2026-11-01.")] = None,
    until: Annotated[datetime | None, typer.Option("--until", help="First day that no longer counts (UTC).")] = None,
    brand: BrandOption = None,
    lang: LanguageOption = "en",
    config: ConfigOption = None,
    data: DataOption = None,
    json: JsonOption = False,
) -> None:
    """Across departments: volume, open, times, deadlines met, hand-overs; from the Parquet ledger."""
    with clean_errors():
        check_language(lang)
        settings, company, brand_name = _prepare(data, config, brand)
        from silofrei.desk.report import build_report, report_as_text

        result = build_report(settings.ledger_folder, brand_name, _utc(since), _utc(until), company, now())
        say(result.model_dump_json() if json else report_as_text(result, lang, company))


def _utc(moment: datetime | None) -> datetime | None:
    return moment.replace(tzinfo=now().tzinfo) if moment and moment.tzinfo is None else moment
