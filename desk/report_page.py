"""Leadership's page: what happened across departments in a period, from the ledger."""

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Final, NamedTuple

from fastapi import APIRouter
from starlette.responses import Response

from silofrei.desk.frame import Counts, CurrentView, View
from silofrei.desk.report import HandOver
from silofrei.schemas.settings import ConfigurationError

log = logging.getLogger(__name__)
router = APIRouter(include_in_schema=False)

PERIODS: Final = {"today": 1, "week": 7, "month": 30, "quarter": 90, "all": 0}
"""Periods to choose from: days up to and with today; 0 is everything."""

_DEFAULT = "month"

SHADES = 5
"""Shades of the hand-over matrix."""


@dataclass(frozen=True, slots=True)
class Period:
    """The chosen period.

    Attributes:
        name: one of `PERIODS`, or empty where the person gave days.
        first: first day, None is from the beginning.
        last: last day that counts, None is until now.
        mistake: key of the catalogue where the days make no period.
    """

    name: str
    first: date | None
    last: date | None
    mistake: str = ""


class Cell(NamedTuple):
    """A number of hand-overs, and its shade from 0 (none) to `SHADES` (the most)."""

    number: int
    heat: int


class Row(NamedTuple):
    """The hand-overs of one department to each other."""

    department: str
    cells: tuple[Cell, ...]


@router.get("/report")
async def report_page(view: CurrentView, period: str = "", first: str = "", last: str = "") -> Response:
    """Volume, open, times, deadlines met per department, and the hand-over matrix."""
    chosen = choose_period(period, first, last, view.now.astimezone(view.words.timezone).date())
    # DuckDB blocks, and other people's pages must not wait for it.
    try:
        report = await asyncio.to_thread(
            view.desk.report_source,
            view.visitor.brand,
            _midnight(view, chosen.first),
            _midnight(view, chosen.last + timedelta(days=1) if chosen.last else None),
        )
    except ConfigurationError as error:
        log.error("%s", error)  # noqa: TRY400 - the message says it all, a traceback would hide it
        what = view.words("report.broken")
        return await view.render(
            "problem.html",
            500,
            counts=Counts.IF_THERE,
            what=what,
            remedy=str(error),
            typed="",
            retry=0,
            again="/report",
        )
    order = [line.department for line in report.departments]
    return await view.render(
        "report.html",
        422 if chosen.mistake else 200,
        # The ledger is there even while Redis is not.
        counts=Counts.IF_THERE,
        report=report,
        order=order,
        matrix=matrix(order, report.handovers),
        period=chosen,
        periods=PERIODS,
    )


def matrix(order: Sequence[str], handovers: Sequence[HandOver]) -> list[Row]:
    """The hand-over matrix, departments in the same order both ways; empty where nothing was handed over."""
    counts = {(pair.from_department, pair.to_department): pair.count for pair in handovers}
    most = max(counts.values(), default=0)
    if not most:
        return []
    return [
        Row(source, tuple(Cell(n := counts.get((source, target), 0), -(-SHADES * n // most)) for target in order))
        for source in order
    ]


def choose_period(name: str, first: str, last: str, today: date) -> Period:
    """The period that an address asks for; days win over a name, a mistake falls back to the default.

    Args:
        name: of a period.
        first: first day, YYYY-MM-DD or empty.
        last: last day, YYYY-MM-DD or empty.
        today: in the reader's time zone.
    """
    if first or last:
        try:
            begin, end = _day(first), _day(last)
        except ValueError:
            return _named(_DEFAULT, today, "report.bad_day")
        if begin and end and end < begin:
            return _named(_DEFAULT, today, "report.bad_order")
        return Period("", begin, end)
    return _named(name if name in PERIODS else _DEFAULT, today)


def _day(text: str) -> date | None:
    day = date.fromisoformat(text) if text else None
    # Far-off years are slips of the pen, and the day after the last one has no date.
    if day and not 2000 <= day.year <= 2200:
        raise ValueError(text)
    return day


def _named(name: str, today: date, mistake: str = "") -> Period:
    days = PERIODS[name]
    return Period(name, today - timedelta(days=days - 1) if days else None, None, mistake)


def _midnight(view: View, day: date | None) -> datetime | None:
    return None if day is None else datetime.combine(day, time(), view.words.timezone)
