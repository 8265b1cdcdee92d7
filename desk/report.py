"""Leadership's report: what happened across departments, recomputed from the ledger's Parquet files with DuckDB.

Owns: finding the files and putting the figures together (report_figures.py says what they mean, report_queries.py how
they are computed). Refuses: Redis and Kafka; a report needs nothing but the ledger's folder, also on another machine.
"""

import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb

from silofrei.desk import report_queries as queries
from silofrei.desk.report_figures import DepartmentFigures, Figures, HandOver, Report, Share, Spread
from silofrei.desk.report_text import report_as_text
from silofrei.schemas.config import Config
from silofrei.schemas.ledger import EVENTS_FOLDER, part_of, partition_of, uncovered
from silofrei.schemas.names import DiscardReason, Outcome
from silofrei.schemas.settings import ConfigurationError

__all__ = ["DepartmentFigures", "Figures", "HandOver", "Report", "Share", "Spread", "build_report", "report_as_text"]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_ATTEMPTS = 5
Row = Mapping[str, Any]


def build_report(
    ledger_folder: Path, brand: str, since: datetime | None, until: datetime | None, config: Config, now: datetime
) -> Report:
    """The report of a brand; an empty one where the ledger has nothing of it.

    Args:
        ledger_folder: folder of the Parquet ledger; it need not exist.
        brand: whose tickets.
        since: count tickets opened from here on; None is from the beginning.
        until: count tickets opened before; None is without end.
        config: names and order of the departments.
        now: decides what is overdue.

    Raises:
        ConfigurationError: the ledger cannot be read.
        ValueError: a moment has no time zone.
    """
    for moment in (since, until, now):
        if moment is not None and moment.tzinfo is None:
            raise ValueError(f"{moment} has no time zone")
    for attempt in range(_ATTEMPTS):
        files, lost = _files(ledger_folder)
        try:
            return _compute(files, lost, brand, since, until, config, now)
        except duckdb.IOException as error:
            # The ledger joins small files and removes the parts, which may have been in our list.
            if attempt == _ATTEMPTS - 1:
                raise ConfigurationError(
                    f"{ledger_folder}: the ledger cannot be read: {error}; check rights and disk"
                ) from None
            time.sleep(0.05 * (attempt + 1))
        except duckdb.InvalidInputException as error:
            raise ConfigurationError(
                f"{ledger_folder}: the ledger has a damaged file: {error}; restore it from a backup, or move the "
                "ledger's folder away to have it read from Kafka again"
            ) from None
    raise AssertionError("unreachable")


def _files(ledger_folder: Path) -> tuple[list[str], int]:
    """The files to read, and the number of offsets that are lost."""
    events = ledger_folder / EVENTS_FOLDER
    files: list[str] = []
    lost = 0
    try:
        folders = [folder for folder in events.iterdir() if partition_of(folder.name) is not None]
        for folder in sorted(folders):
            found = [part for path in folder.iterdir() if (part := part_of(path.name)) is not None]
            for part in uncovered(found):
                if part.gap:
                    lost += part.end - part.start
                else:
                    files.append(str(folder / part.name))
    except FileNotFoundError:
        return [], 0
    except OSError as error:
        raise ConfigurationError(
            f"{ledger_folder}: the ledger cannot be read: {error.strerror}; check SILOFREI_LEDGER and its rights"
        ) from None
    return files, lost


def _compute(
    files: Sequence[str],
    lost: int,
    brand: str,
    since: datetime | None,
    until: datetime | None,
    config: Config,
    now: datetime,
) -> Report:
    # Extensions would be fetched from the network; all that is needed is built in.
    options: dict[str, str | bool | int | float | list[str]] = {
        "autoinstall_known_extensions": False,
        "autoload_known_extensions": False,
    }
    with duckdb.connect(":memory:", config=options) as database:

        def rows(query: str, **values: Any) -> list[Row]:
            answer = database.execute(query, values or None)
            names = [column[0] for column in answer.description or ()]
            return [dict(zip(names, row, strict=True)) for row in answer.fetchall()]

        database.execute(queries.NO_EVENTS)
        if files:
            database.execute(queries.READ_EVENTS, {"files": list(files), "brand": brand, "since": since})
        database.execute(queries.TICKETS, {"until": until, "now": now})
        handovers = [
            HandOver(from_department=row["from_department"], to_department=row["to_department"], count=row["number"])
            for row in rows(queries.HANDOVERS)
        ]
        lines = _lines(
            [*rows(queries.BY_FIRST_DEPARTMENT), *rows(queries.BY_CLAIMER), *rows(queries.BY_OWNER)],
            rows(queries.OUTCOMES),
            handovers,
        )
        newest = rows(queries.NEWEST)[0]["newest"]
        return Report(
            brand=brand,
            since=since,
            until=until,
            as_of=now,
            last_event_at=None if newest is None else _EPOCH + timedelta(microseconds=newest),
            departments=tuple(
                DepartmentFigures(department=name, figures=_figures(lines.get(name, {})))
                for name in _in_order(config, lines)
            ),
            total=_figures(lines.get(None, {})),
            handovers=tuple(handovers),
            discarded={DiscardReason(row["reason"]): row["number"] for row in rows(queries.DISCARDED, until=until)},
            lost=lost,
        )


def _lines(
    by_department: Sequence[Row], outcomes: Sequence[Row], handovers: Sequence[HandOver]
) -> dict[str | None, dict[str, Any]]:
    """All that is known of each department; under None the totals."""
    lines: dict[str | None, dict[str, Any]] = {}

    def line(department: str | None) -> dict[str, Any]:
        return lines.setdefault(department, {"outcomes": {}, "handed_in": 0, "handed_out": 0})

    for row in by_department:
        line(row["department"]).update({name: value for name, value in row.items() if name != "department"})
    for row in outcomes:
        line(row["department"])["outcomes"][Outcome(row["outcome"])] = row["number"]
    for handover in handovers:
        for department, direction in (
            (handover.to_department, "handed_in"),
            (handover.from_department, "handed_out"),
            (None, "handed_in"),
            (None, "handed_out"),
        ):
            line(department)[direction] += handover.count
    return lines


def _in_order(config: Config, lines: Mapping[str | None, Row]) -> list[str]:
    configured = config.queue_names()
    return [*configured, *sorted(name for name in lines if name is not None and name not in configured)]


def _figures(line: Row) -> Figures:
    def number(name: str) -> int:
        return int(line.get(name) or 0)

    def spread(name: str, count: int) -> Spread:
        return Spread(count=count, median=line.get(f"{name}_median"), p90=line.get(f"{name}_p90"))

    def share(name: str) -> Share:
        return Share(part=number(f"{name}_part"), whole=number(f"{name}_whole"))

    counts = ("opened", "mentions", "handed_in", "handed_out", "open_now", "overdue_now", "resolved", "withdrawn")
    return Figures(
        **{name: number(name) for name in (*counts, "ping_pong")},
        first_claim=spread("first_claim", number("first_claim_count")),
        resolution=spread("resolution", number("resolved")),
        deadlines=share("deadlines"),
        first_touch=share("first_touch"),
        outcomes=line.get("outcomes", {}),
    )
