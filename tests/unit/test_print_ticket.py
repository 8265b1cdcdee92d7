"""A ticket in a terminal: who handed it over and why, who resolved it, and nothing that steers the terminal."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from silofrei.deploy.cli.print_ticket import ticket_as_text
from silofrei.schemas.classification import Classification, Scores
from silofrei.schemas.config import Config
from silofrei.schemas.mention import Author, Mention
from silofrei.schemas.names import Channel, Label, Language, MentionKind, Outcome, Priority, TicketStatus
from silofrei.schemas.ticket import Handover, Ticket, TicketMention

NOW = datetime(2026, 11, 24, 9, tzinfo=UTC)


def ticket(**changes: Any) -> Ticket:
    mention = Mention(
        id="x:1", brand="demo", channel=Channel.X, kind=MentionKind.POST, author=Author(id="7", name="\x1b[31mJana"),
        text="Paket fehlt\x1b]0;owned\x07", created_at=NOW, received_at=NOW, thread_id="x:1",
    )  # fmt: skip
    values: dict[str, Any] = {
        "id": "t-1", "brand": "demo", "department": "pr", "status": TicketStatus.WAITING, "priority": Priority.NORMAL,
        "due_at": NOW + timedelta(hours=3), "opened_at": NOW, "department_since": NOW, "rule": "model",
        "channel": Channel.X, "thread_id": "x:1", "mentions": (TicketMention(mention=mention),),
    }  # fmt: skip
    return Ticket(**{**values, **changes})


def handed(source: str, to: str, reason: str, minute: int) -> Handover:
    at = NOW + timedelta(minutes=minute)
    return Handover(from_department=source, to_department=to, holder="anna", reason=reason, at=at)


@pytest.mark.parametrize(
    ("language", "sales", "gone"), [("en", "from Sales", "from gone"), ("de", "von Vertrieb", "von gone")]
)
def test_who_handed_it_over_from_where_and_why(language: str, sales: str, gone: str) -> None:
    moved = ticket(handovers=(handed("gone", "sales", "", 1), handed("sales", "pr", "Die Zeitung fragt.\nHeute.", 2)))
    lines = ticket_as_text(moved, Config(), language, NOW).splitlines()
    assert lines[1:5] == [
        f"  {sales} · anna · 2026-11-24 09:02 UTC",
        "    Die Zeitung fragt.",
        "    Heute.",
        f"  {gone} · anna · 2026-11-24 09:01 UTC",
    ]


@pytest.mark.parametrize(("language", "told"), [("en", "wrongly routed"), ("de", "falsch zugeordnet")])
def test_a_hand_over_that_corrects_the_routing_is_told(language: str, told: str) -> None:
    step = handed("sales", "pr", "theirs", 1).model_copy(update={"misrouted": True})
    lines = ticket_as_text(ticket(handovers=(step,)), Config(), language, NOW).splitlines()
    assert lines[1].endswith(f"2026-11-24 09:01 UTC · {told}")


def test_who_resolved_it_and_the_note() -> None:
    done = ticket(
        status=TicketStatus.RESOLVED,
        outcome=Outcome.SOLVED,
        resolved_at=NOW,
        resolved_by="ben",
        note="Sent again.\x1b[2J",
    )
    lines = ticket_as_text(done, Config(), "en", NOW).splitlines()
    assert lines[0].endswith("resolved: solved · by ben")
    assert lines[1:3] == ["  Note:", "    Sent again.[2J"]
    assert "erledigt: solved · von ben" in ticket_as_text(done, Config(), "de", NOW)


@pytest.mark.parametrize(("language", "told"), [("en", "with a second opinion"), ("de", "mit zweiter Meinung")])
def test_a_second_opinion_is_told(language: str, told: str) -> None:
    scores = Scores(service=0.1, sales=0.2, hr=0.1, pr=0.5, none=0.1)
    made = Classification(label=Label.PR, scores=scores, language=Language.GERMAN, abstained=False, model="linear-1+m")
    alone = made.model_copy(update={"model": "linear-1"})
    assert ticket_as_text(ticket(classification=made), Config(), language, NOW).endswith(f" · {told}")
    assert told not in ticket_as_text(ticket(classification=alone), Config(), language, NOW)


def test_nothing_that_others_wrote_steers_the_terminal() -> None:
    text = ticket_as_text(ticket(handovers=(handed("sales", "pr", "\x1b[2Jtheirs", 1),)), Config(), "en", NOW)
    assert [line for line in text.splitlines() if not line.isprintable()] == []
    assert "[2Jtheirs" in text
