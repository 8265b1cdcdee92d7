"""The report over a ledger made by hand; every expected figure was computed by hand from the story below."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from silofrei.desk import report as report_module
from silofrei.desk.report import Figures, HandOver, Report, Share, Spread, build_report, report_as_text
from silofrei.schemas.config import Config, Department, Title
from silofrei.schemas.ledger import EVENTS_FOLDER, Part
from silofrei.schemas.names import DiscardReason, Outcome
from silofrei.schemas.settings import ConfigurationError

CONFIG = Config()
DAY = datetime(2026, 11, 20, tzinfo=UTC)
NOW = DAY + timedelta(hours=18)

MOMENT = pa.timestamp("us", tz="UTC")
SCHEMA = pa.schema(
    {
        "offset": pa.int64(),
        "event_id": pa.string(),
        "type": pa.string(),
        "brand": pa.string(),
        "ticket_id": pa.string(),
        "seq": pa.int64(),
        "at": MOMENT,
        "department": pa.string(),
        "from_department": pa.string(),
        "outcome": pa.string(),
        "due_at": MOMENT,
        "reason": pa.string(),
        "event": pa.string(),
    }
)


def at(clock: str) -> datetime:
    hours, minutes = clock.split(":")
    return DAY + timedelta(hours=int(hours), minutes=int(minutes))


class Story:
    """Collects events as the ledger would have them."""

    def __init__(self, brand: str = "demo") -> None:
        self.rows: list[dict[str, Any]] = []
        self._brand = brand
        self._seq: dict[str, int] = {}

    def tell(
        self, clock: str, kind: str, ticket: str | None = None, department: str | None = None, **more: Any
    ) -> None:
        row = {"type": kind, "brand": self._brand, "at": at(clock), "department": department, **more}
        if ticket is None:
            row["event_id"] = f"d-{len(self.rows)}"
        else:
            seq = self._seq[ticket] = self._seq.get(ticket, 0) + 1
            row.update(event_id=f"{ticket}:{seq}", ticket_id=ticket, seq=seq)
        self.rows.append(row)

    def opened(self, clock: str, ticket: str, department: str, due: str) -> None:
        self.tell(clock, "ticket.opened", ticket, department, due_at=at(due))

    def claimed(self, clock: str, ticket: str, department: str) -> None:
        self.tell(clock, "ticket.claimed", ticket, department)

    def transferred(self, clock: str, ticket: str, source: str, target: str) -> None:
        self.tell(clock, "ticket.transferred", ticket, target, from_department=source)

    def resolved(self, clock: str, ticket: str, department: str, outcome: str) -> None:
        self.tell(clock, "ticket.resolved", ticket, department, outcome=outcome)


def seven_tickets() -> list[dict[str, Any]]:
    story = Story()
    # t1: taken after 10 minutes, answered after an hour, in time.
    story.opened("10:00", "t1", "service", due="14:00")
    story.claimed("10:10", "t1", "service")
    story.resolved("11:00", "t1", "service", "answered")
    # t2: a lead that came to service first; resolved after 5 hours, an hour too late.
    story.opened("10:00", "t2", "service", due="14:00")
    story.claimed("10:30", "t2", "service")
    story.transferred("10:40", "t2", "service", "sales")
    story.claimed("11:00", "t2", "sales")
    story.resolved("15:00", "t2", "sales", "lead")
    # t3: to hr and back again; still open, past its deadline.
    story.opened("11:00", "t3", "service", due="15:00")
    story.claimed("11:20", "t3", "service")
    story.transferred("11:30", "t3", "service", "hr")
    story.claimed("12:00", "t3", "hr")
    story.transferred("12:10", "t3", "hr", "service")
    # t4: waits, with time left.
    story.opened("12:00", "t4", "hr", due="60:00")
    # t5 and t6: withdrawn by their authors, one before its deadline, one after.
    story.opened("12:00", "t5", "pr", due="20:00")
    story.tell("13:00", "mention.deleted", "t5", "pr")
    story.resolved("13:00", "t5", "pr", "withdrawn")
    story.opened("09:00", "t6", "pr", due="10:00")
    story.resolved("11:00", "t6", "pr", "withdrawn")
    # t7: three mentions, taken after 5 minutes, released, taken again, done after 20.
    story.opened("10:00", "t7", "triage", due="11:00")
    story.tell("10:01", "mention.appended", "t7", "triage")
    story.tell("10:02", "mention.appended", "t7", "triage")
    story.claimed("10:05", "t7", "triage")
    story.tell("10:06", "ticket.released", "t7", "triage")
    story.claimed("10:07", "t7", "triage")
    story.resolved("10:20", "t7", "triage", "no_action")
    for clock, reason in (("10:00", "not_actionable"), ("10:00", "deleted_first"), ("16:00", "not_actionable")):
        story.tell(clock, "mention.discarded", reason=reason)
    return story.rows


def write(folder: Path, partition: int, part: Part, rows: list[dict[str, Any]], schema: pa.Schema = SCHEMA) -> None:
    path = folder / EVENTS_FOLDER / f"partition={partition}" / part.name
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.Table.from_pylist(rows, schema=schema), path)


@pytest.fixture
def ledger(tmp_path: Path) -> Path:
    """The story in two partitions, with repeats, another brand and a record that is no event."""
    rows = seven_tickets()
    other = Story("other")
    other.opened("10:00", "t1", "service", due="11:00")
    cut = len(rows) // 2
    write(tmp_path, 0, Part(0, cut), rows[:cut])
    # Every third event came twice: a relay was killed between Kafka's ack and the removal from the outbox.
    write(tmp_path, 0, Part(cut, 1000), [*rows[::3], *rows[cut:]])
    write(tmp_path, 1, Part(0, 2), [*other.rows, {"type": "unreadable"}])
    return tmp_path


def build(folder: Path, since: datetime | None = None, until: datetime | None = None, brand: str = "demo") -> Report:
    return build_report(folder, brand, since, until, CONFIG, NOW)


def figures(report: Report) -> dict[str, Figures]:
    return {line.department: line.figures for line in report.departments}


def test_the_figures_of_each_department(ledger: Path) -> None:
    assert figures(build(ledger)) == {
        "service": Figures(
            opened=3,
            mentions=3,
            handed_in=1,
            handed_out=2,
            open_now=1,
            overdue_now=1,
            resolved=1,
            first_claim=Spread(count=3, median=1200, p90=1680),
            resolution=Spread(count=1, median=3600, p90=3600),
            deadlines=Share(part=1, whole=2),
            first_touch=Share(part=1, whole=3),
            ping_pong=1,
            outcomes={Outcome.ANSWERED: 1},
        ),
        "sales": Figures(
            handed_in=1,
            resolved=1,
            resolution=Spread(count=1, median=18_000, p90=18_000),
            deadlines=Share(part=0, whole=1),
            outcomes={Outcome.LEAD: 1},
        ),
        "hr": Figures(opened=1, mentions=1, handed_in=1, handed_out=1, open_now=1),
        "pr": Figures(
            opened=2, mentions=2, withdrawn=2, deadlines=Share(part=0, whole=1), outcomes={Outcome.WITHDRAWN: 2}
        ),
        "triage": Figures(
            opened=1,
            mentions=3,
            resolved=1,
            first_claim=Spread(count=1, median=300, p90=300),
            resolution=Spread(count=1, median=1200, p90=1200),
            deadlines=Share(part=1, whole=1),
            first_touch=Share(part=1, whole=1),
            outcomes={Outcome.NO_ACTION: 1},
        ),
    }


def test_the_totals_count_every_ticket_once(ledger: Path) -> None:
    report = build(ledger)
    assert report.total == Figures(
        opened=7,
        mentions=9,
        handed_in=3,
        handed_out=3,
        open_now=2,
        overdue_now=1,
        resolved=3,
        withdrawn=2,
        first_claim=Spread(count=4, median=900, p90=1620),
        resolution=Spread(count=3, median=3600, p90=15_120),
        deadlines=Share(part=2, whole=5),
        first_touch=Share(part=2, whole=4),
        ping_pong=1,
        outcomes={Outcome.WITHDRAWN: 2, Outcome.ANSWERED: 1, Outcome.LEAD: 1, Outcome.NO_ACTION: 1},
    )
    assert report.total.deadlines.share == 0.4
    assert report.handovers == (
        HandOver(from_department="hr", to_department="service", count=1),
        HandOver(from_department="service", to_department="hr", count=1),
        HandOver(from_department="service", to_department="sales", count=1),
    )
    assert report.discarded == {DiscardReason.NOT_ACTIONABLE: 2, DiscardReason.DELETED_FIRST: 1}
    assert report.last_event_at == at("16:00")
    assert report.as_of == NOW
    assert report.lost == 0


def test_a_period_takes_the_tickets_opened_in_it_and_all_that_became_of_them(ledger: Path) -> None:
    # From 10:00 until 12:00: t1, t2, t3, t7; not t6 (09:00), nor t4 and t5 (12:00).
    report = build(ledger, since=at("10:00"), until=at("12:00"))
    assert report.total.opened == 4
    assert report.total.resolved == 3
    assert report.total.open_now == 1
    assert report.total.withdrawn == 0
    assert sum(pair.count for pair in report.handovers) == 3
    assert report.discarded == {DiscardReason.NOT_ACTIONABLE: 1, DiscardReason.DELETED_FIRST: 1}
    assert build(ledger, since=at("10:01")).total.opened == 3
    assert build(ledger, until=at("10:00")).total.opened == 1


def test_what_is_overdue_depends_on_now(ledger: Path) -> None:
    early = build_report(ledger, "demo", None, None, CONFIG, at("14:59"))
    assert early.total.overdue_now == 0
    assert early.total.deadlines == Share(part=2, whole=4)


def test_brands_do_not_mix(ledger: Path) -> None:
    assert build(ledger, brand="other").total.opened == 1
    assert build(ledger, brand="none").total.opened == 0


def test_a_joined_file_beside_its_parts_counts_once(ledger: Path) -> None:
    expected = build(ledger)
    rows = seven_tickets()
    write(ledger, 0, Part(0, len(rows) // 2 + 0), rows[: len(rows) // 2])
    write(ledger, 0, Part(0, 1000), rows)
    assert build(ledger) == expected


def test_lost_offsets_are_told(ledger: Path) -> None:
    (ledger / EVENTS_FOLDER / "partition=1" / Part(2, 12, gap=True).name).touch()
    report = build(ledger)
    assert report.lost == 10
    assert "10 records were deleted by Kafka" in report_as_text(report, "en", CONFIG)


@pytest.mark.parametrize("make", [lambda folder: folder / "nowhere", lambda folder: folder])
def test_an_empty_ledger_gives_an_empty_report(tmp_path: Path, make: Callable[[Path], Path]) -> None:
    report = build(make(tmp_path))
    assert report.total == Figures()
    assert [line.department for line in report.departments] == ["service", "sales", "hr", "pr", "triage"]
    assert report.last_event_at is None
    assert "Nothing of this period" in report_as_text(report, "en", CONFIG)
    assert Report.model_validate_json(report.model_dump_json(exclude=SHARES)).total == Figures()


SHARES = {
    "total": {"deadlines": {"share"}, "first_touch": {"share"}},
    "departments": {"__all__": {"figures": {"deadlines": {"share"}, "first_touch": {"share"}}}},
}


def test_departments_that_are_no_longer_configured_are_shown(tmp_path: Path) -> None:
    story = Story()
    story.opened("10:00", "t1", "purchasing", due="11:00")
    write(tmp_path, 0, Part(0, 1), story.rows)
    report = build(tmp_path)
    assert [line.department for line in report.departments][-2:] == ["triage", "purchasing"]
    assert "purchasing" in report_as_text(report, "de", CONFIG)


def test_files_of_an_older_and_a_newer_version_are_read_together(tmp_path: Path) -> None:
    story = Story()
    story.opened("10:00", "t1", "service", due="11:00")
    story.opened("10:00", "t2", "service", due="11:00")
    write(tmp_path, 0, Part(0, 1), story.rows[:1], SCHEMA.append(pa.field("mood", pa.string())))
    write(tmp_path, 0, Part(1, 2), story.rows[1:], SCHEMA.remove(SCHEMA.get_field_index("event")))
    assert build(tmp_path).total.opened == 2


def test_a_file_that_a_join_took_away_is_looked_for_again(ledger: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    compute = report_module._compute
    calls = 0

    def racing(files: list[str], *rest: Any) -> Report:
        nonlocal calls
        calls += 1
        return compute([*files, "/nowhere.parquet"] if calls == 1 else files, *rest)

    monkeypatch.setattr(report_module, "_compute", racing)
    assert build(ledger).total.opened == 7
    assert calls == 2


def test_a_ledger_that_cannot_be_read_is_named(ledger: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(*_: Any) -> Report:
        raise duckdb.IOException("disk on fire")

    monkeypatch.setattr(report_module, "_compute", failing)
    monkeypatch.setattr(report_module.time, "sleep", lambda _: None)
    with pytest.raises(ConfigurationError, match=r"cannot be read: .*disk on fire"):
        build(ledger)


def test_a_damaged_file_is_named(ledger: Path) -> None:
    path = ledger / EVENTS_FOLDER / "partition=2" / Part(0, 5).name
    path.parent.mkdir()
    path.write_bytes(b"not parquet")
    with pytest.raises(ConfigurationError, match=r"damaged file: .*00000000000000000005\.parquet"):
        build(ledger)


def test_a_moment_without_a_time_zone_is_refused(ledger: Path) -> None:
    with pytest.raises(ValueError, match="no time zone"):
        build(ledger, since=datetime(2026, 11, 20))  # noqa: DTZ001


def test_a_brand_is_a_value_and_never_sql(ledger: Path) -> None:
    with pytest.raises(ValueError, match="brand"):
        build(ledger, brand="demo' OR '1'='1")


def test_a_folder_with_quotes_and_wildcards_is_read_as_it_is(tmp_path: Path) -> None:
    folder = tmp_path / "it's [a] ledger=1"
    story = Story()
    story.opened("10:00", "t1", "service", due="11:00")
    write(folder, 0, Part(0, 1), story.rows)
    assert build(folder).total.opened == 1


def test_the_english_text(ledger: Path) -> None:
    text = report_as_text(build(ledger, since=at("10:00")), "en", CONFIG)
    assert text.startswith("Report for demo, tickets opened from 20 Nov 2026, 10:00 UTC\n\nDepartment")
    lines = [" ".join(line.split()) for line in text.splitlines()]
    assert "Service 3 3 1 1 1 0 1 2" in lines
    assert "Total 6 8 2 1 3 1 3 3" in lines
    assert "Service 20 mins / 28 mins 1 hr / 1 hr 50% (1/2) 33% (1/3)" in lines
    assert "HR – – – –" in lines
    assert "Came back to a department that had handed it over: 1" in lines
    assert any(line.startswith("Outcomes: ") for line in lines)
    assert "Discarded: nobody has to act 2, deleted before it arrived 1" in lines
    assert "Newest event on record: 20 Nov 2026, 16:00 UTC." in lines
    assert max(map(len, text.splitlines())) <= 100


def test_the_german_text(ledger: Path) -> None:
    text = report_as_text(build(ledger, since=at("09:00"), until=at("12:00")), "de", CONFIG)
    title = "Bericht für demo, Tickets eröffnet von 20. Nov. 2026, 09:00 UTC bis 20. Nov. 2026, 12:00 UTC"
    assert text.startswith(title)
    lines = [" ".join(line.split()) for line in text.splitlines()]
    assert "Vertrieb 0 0 0 0 1 0 1 0" in lines
    assert "Gesamt 5 7 1 1 3 1 3 3" in lines
    assert "Personal 1" in lines
    assert "Aussortiert: vor der Ankunft gelöscht 1, niemand muss handeln 1" in lines


def test_a_title_cannot_format_the_terminal(tmp_path: Path) -> None:
    config = Config(departments={"service": Department(title=Title(de="[red]Service[/red]", en="[red]Service[/red]"))})
    story = Story()
    story.opened("10:00", "t1", "service", due="11:00")
    write(tmp_path, 0, Part(0, 1), story.rows)
    assert "[red]Service[/red]" in report_as_text(build(tmp_path), "en", config)
