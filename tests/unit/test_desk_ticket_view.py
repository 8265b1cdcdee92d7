"""What the pages make of a ticket: links that may be clicked, evidence in its place, excerpts, order."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from silofrei.desk.handover_view import steps
from silofrei.desk.ticket_view import (
    EXCERPT,
    REASON_EXCERPT,
    Segment,
    author_name,
    bars,
    card,
    entries,
    excerpt,
    held_by,
    safe_link,
    segments,
)
from silofrei.desk.words import Due
from silofrei.schemas.classification import Classification, Evidence, Scores
from silofrei.schemas.mention import Author, Mention
from silofrei.schemas.names import Channel, Label, Language, MentionKind, Priority, TicketStatus
from silofrei.schemas.ticket import Handover, Lease, Ticket, TicketMention

NOW = datetime(2026, 11, 24, 9, tzinfo=UTC)


def said(number: int, text: str, **changes: Any) -> TicketMention:
    posted = NOW - timedelta(hours=1) + timedelta(minutes=number)
    mention = Mention(
        id=f"x:{number}", brand="demo", channel=Channel.X, kind=MentionKind.POST, author=Author(id="7", name=" Jana "),
        text=text, created_at=posted, received_at=posted, thread_id="x:1", permalink=changes.pop("permalink", None),
    )  # fmt: skip
    return TicketMention(mention=mention, **changes)


def everything(_: str) -> bool:
    return True


def proof(text: str, words: str, label: Label = Label.SERVICE, weight: float = 1.0) -> Evidence:
    start = text.index(words)
    return Evidence(start=start, end=start + len(words), text=words, label=label, weight=weight)


def ticket(*mentions: TicketMention, evidence: tuple[Evidence, ...] = (), **changes: Any) -> Ticket:
    values: dict[str, Any] = {
        "id": "t-1",
        "brand": "demo",
        "department": "service",
        "status": TicketStatus.WAITING,
        "priority": Priority.NORMAL,
        "due_at": NOW + timedelta(hours=3),
        "opened_at": NOW - timedelta(hours=1),
        "department_since": NOW,
        "rule": "model",
        "channel": Channel.X,
        "thread_id": "x:1",
        "mentions": mentions,
        "classification": Classification(
            label=Label.SERVICE,
            scores=Scores(service=0.7, sales=0.1, hr=0.05, pr=0.12, none=0.03),
            language=Language.GERMAN,
            abstained=False,
            evidence=evidence,
            model="m",
        ),
    }
    return Ticket(**{**values, **changes})


@pytest.mark.parametrize("url", ["https://a.example/x?y=1#z", "http://a.example", "HTTPS://A.example/ä"])
def test_links_that_may_be_clicked(url: str) -> None:
    assert safe_link(url) == url


@pytest.mark.parametrize(
    "url",
    [
        None,
        "",
        "javascript:alert(1)",
        "JaVaScRiPt:alert(1)",
        "java\nscript:alert(1)",
        " https://a.example",
        "https://a.example/\u202egpj.exe",
        "data:text/html,x",
        "vbscript:x",
        "file:///etc/passwd",
        "//a.example/x",
        "/ticket/1",
        "https:///x",
        "https://[broken",
        "ftp://a.example",
    ],
)
def test_links_that_stay_text(url: str | None) -> None:
    assert safe_link(url) is None


def test_evidence_is_marked_where_it_stands() -> None:
    text = "Paket weg, Anwalt folgt"
    assert segments(text, [proof(text, "Anwalt", Label.PR, 0.8), proof(text, "Paket", weight=2)]) == (
        Segment("Paket", Label.SERVICE, 2),
        Segment(" weg, "),
        Segment("Anwalt", Label.PR, 0.8),
        Segment(" folgt"),
    )


def test_of_overlapping_evidence_the_heavier_stays_and_what_speaks_against_is_left_out() -> None:
    text = "nicht bezahlt"
    marked = segments(text, [proof(text, "nicht bezahlt", weight=1), proof(text, "bezahlt", Label.SALES, 3)])
    assert marked == (Segment("nicht "), Segment("bezahlt", Label.SALES, 3))
    assert segments(text, [proof(text, "nicht", weight=-2)]) == (Segment(text),)


@given(
    st.text(max_size=60),
    st.lists(st.tuples(st.integers(0, 70), st.integers(0, 70), st.floats(-3, 3), st.booleans()), max_size=8),
)
def test_no_character_is_lost_or_doubled(text: str, pieces: list[tuple[int, int, float, bool]]) -> None:
    evidence = [
        Evidence(start=start, end=end, text=text[start:end] if fits else "?", label=Label.HR, weight=weight)
        for start, end, weight, fits in pieces
    ]
    assert "".join(piece.text for piece in segments(text, evidence)) == text


def test_evidence_belongs_to_the_mention_that_was_classified() -> None:
    first, second = "Hallo, mein Paket fehlt", "Wo ist mein Paket?"
    shown = entries(ticket(said(2, second), said(1, first), evidence=(proof(first, "Paket"), proof(first, "fehlt"))))
    assert [entry.mention.text for entry in shown] == [first, second], "in the order of publication"
    assert [piece.text for piece in shown[0].segments if piece.label] == ["Paket", "fehlt"]
    assert [piece for piece in shown[1].segments if piece.label] == []


def test_an_edited_text_carries_only_evidence_that_still_fits() -> None:
    old, new = "Paket fehlt seit Tagen", "Paket ist da, danke"
    shown = entries(ticket(said(1, new, revision="2"), evidence=(proof(old, "Paket"), proof(old, "fehlt"))))
    assert shown[0].edited
    assert [piece.text for piece in shown[0].segments if piece.label] == ["Paket"]


def test_evidence_of_another_text_marks_nothing() -> None:
    old = "Mein Paket fehlt seit Tagen"
    evidence = (proof(old, "Paket"), proof(old, "seit Tagen"))
    for new in ("Das Paket fehlt seit gestern", "Mein", "", "📦" * 30):
        (entry,) = entries(ticket(said(1, new, revision="2"), evidence=evidence))
        assert entry.segments == ((Segment(new),) if new else ())


def handed(source: str, to: str, reason: str) -> Handover:
    return Handover(from_department=source, to_department=to, holder="anna", reason=reason, at=NOW)


def test_hand_overs_the_latest_first_and_confidential_reasons_kept() -> None:
    moved = ticket(handovers=(handed("hr", "sales", "one"), handed("sales", "pr", "two"), handed("pr", "hr", "three")))
    assert [step.reason for step in steps(moved, everything)] == ["three", "two", "one"]

    def not_hr(department: str) -> bool:
        return department != "hr"

    assert [step.reason for step in steps(moved, not_hr)] == [None, "two", None]
    assert [step.reason for step in steps(moved, not_hr, held=True)] == ["three", "two", None]
    assert [step.from_department for step in steps(moved, not_hr)] == ["pr", "sales", "hr"]
    shown = card(moved, NOW, not_hr)
    assert (shown.handed and shown.handed.from_department, shown.reason) == ("pr", "")


def test_a_card_shows_the_start_of_the_latest_reason() -> None:
    shown = card(ticket(handovers=(handed("pr", "service", "Kein Fall\n für uns, " * 9),)), NOW, everything)
    assert shown.reason.startswith("Kein Fall für uns, Kein Fall")
    assert len(shown.reason) <= REASON_EXCERPT + 2


def test_entries_say_who_wrote_and_what_is_gone() -> None:
    (entry,) = entries(ticket(said(1, "", deleted_at=NOW, permalink="javascript:x")))
    assert (entry.author, entry.initial, entry.link, entry.deleted_at) == ("Jana", "J", None, NOW)
    assert entries(ticket()) == ()


def test_how_to_call_an_author() -> None:
    assert author_name(Author(id="7", handle="jana", name="  ")) == "jana"
    assert author_name(Author(id="7")) == "7"


def test_excerpts_are_one_line_and_end_at_a_word() -> None:
    assert excerpt(" Zeile eins\n\n  Zeile\tzwei ") == "Zeile eins Zeile zwei"
    cut = excerpt("Wort, " * 100)
    assert len(cut) <= EXCERPT + 2
    assert cut.endswith("Wort …")
    assert excerpt("x" * 5000) == "x" * EXCERPT + " …"
    assert excerpt("") == ""


def test_a_card_shows_the_newest_mention_that_still_says_something() -> None:
    shown = card(ticket(said(3, "", deleted_at=NOW), said(1, "Erste"), said(2, "Zweite")), NOW, everything)
    assert (shown.excerpt, shown.author, shown.language, shown.tone) == ("Zweite", "Jana", Language.GERMAN, Due.CALM)
    assert (shown.handed, shown.reason) == (None, "")
    assert card(ticket(said(1, "", deleted_at=NOW)), NOW, everything).excerpt == ""
    assert card(ticket(classification=None), NOW, everything).author == ""


def test_a_lease_that_ran_out_is_seen_before_it_is_reaped() -> None:
    lease = Lease(holder="anna@desk", token=3, until=NOW - timedelta(seconds=1))
    held = ticket(said(1, "a"), status=TicketStatus.CLAIMED, lease=lease)
    assert card(held, NOW, everything).overdue_lease
    assert held_by(held, "anna@desk")
    assert not held_by(held, "ben@desk")
    assert not held_by(ticket(said(1, "a")), "")


def test_scores_from_the_likeliest_down() -> None:
    classification = ticket().classification
    assert classification is not None
    shown = bars(classification)
    assert [bar.label.value for bar in shown] == ["service", "pr", "sales", "hr", "none"]
    assert [bar.best for bar in shown] == [True, False, False, False, False]
