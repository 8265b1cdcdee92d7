"""Leadership's page: what happened across departments in a period, from the ledger."""

import asyncio
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Final

from fastapi import APIRouter
from starlette.responses import Response

from silofrei.desk.frame import CurrentView, View

router = APIRouter(include_in_schema=False)

PERIODS: Final = {"today": 1, "week": 7, "month": 30, "quarter": 90, "all": 0}
"""Periods to choose from: days up to and with today; 0 is everything."""

_DEFAULT = "month"


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


@router.get("/report")
async def report_page(view: CurrentView, period: str = "", first: str = "", last: str = "") -> Response:
    """Volume, open, times, deadlines met per department, and the hand-over matrix."""
    chosen = choose_period(period, first, last, view.now.astimezone(view.words.timezone).date())
    # DuckDB blocks, and other people's pages must not wait for it.
    report = await asyncio.to_thread(
        view.desk.report_source,
        view.visitor.brand,
        _midnight(view, chosen.first),
        _midnight(view, chosen.last + timedelta(days=1) if chosen.last else None),
    )
    status = 422 if chosen.mistake else 200
    return await view.render("report.html", status, report=report, period=chosen, periods=PERIODS)


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
            begin = date.fromisoformat(first) if first else None
            end = date.fromisoformat(last) if last else None
        except ValueError:
            return _named(_DEFAULT, today, "report.bad_day")
        if begin and end and end < begin:
            return _named(_DEFAULT, today, "report.bad_order")
        return Period("", begin, end)
    return _named(name if name in PERIODS else _DEFAULT, today)


def _named(name: str, today: date, mistake: str = "") -> Period:
    days = PERIODS[name]
    return Period(name, today - timedelta(days=days - 1) if days else None, None, mistake)


def _midnight(view: View, day: date | None) -> datetime | None:
    return None if day is None else datetime.combine(day, time(), view.words.timezone)
