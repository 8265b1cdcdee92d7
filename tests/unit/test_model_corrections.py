"""Corrections: which events make one, which texts belong to it, and who is left out."""

import json
from collections.abc import Iterable
from typing import Any

import pytest

from silofrei.routing.classifier.corrections import Collected, Correction, Skipped, collect
from silofrei.routing.classifier.labelled import Labelled, read_lines


class Story:
    """Events of tickets in order."""

    def __init__(self) -> None:
        self.values: list[bytes | None] = []
        self._seq: dict[str, int] = {}

    def tell(self, ticket: str, kind: str, **fields: Any) -> "Story":
        self._seq[ticket] = self._seq.get(ticket, 0) + 1
        event = {
            "v": 1, "type": kind, "event_id": f"{ticket}:{self._seq[ticket]}", "brand": "demo",
            "at": f"2026-11-24T09:00:{self._seq[ticket]:02}Z", "ticket_id": ticket, "seq": self._seq[ticket], **fields,
        }  # fmt: skip
        self.values.append(json.dumps(event).encode())
        return self

    def said(self, ticket: str, text: str, number: int = 1, language: str = "de") -> "Story":
        kind = "ticket.opened" if ticket not in self._seq else "mention.appended"
        mention = {"id": f"{ticket}-m{number}", "text": text}
        return self.tell(ticket, kind, mention=mention, classification={"language": language, "label": "pr"})

    def moved(self, ticket: str, to: str, *, misrouted: bool | None = True, reason: str = "not ours") -> "Story":
        flag = {} if misrouted is None else {"misrouted": misrouted}
        return self.tell(ticket, "ticket.transferred", department=to, reason=reason, **flag)

    def collect(self, **options: Any) -> Collected:
        return collect(lambda: iter(self.values), **options)


def labels(found: Collected) -> dict[str, str]:
    return {one.ticket_id: one.label.value for one in found.corrections}


def test_a_hand_over_that_was_called_misrouted_is_a_correction() -> None:
    story = Story().said("t1", "Mein Zug fiel aus ").moved("t1", "service", reason="a delay, not the press")
    (one,) = story.collect().corrections
    assert one.model_dump(mode="json") == {
        "text": "Mein Zug fiel aus", "label": "service", "secondary": None, "lang": "de",
        "at": "2026-11-24T09:00:02Z", "ticket_id": "t1", "reason": "a delay, not the press",
    }  # fmt: skip


@pytest.mark.parametrize("misrouted", [None, False])
def test_any_other_hand_over_is_none(misrouted: bool | None) -> None:
    assert Story().said("t1", "x").moved("t1", "service", misrouted=misrouted).collect().corrections == ()


def test_the_last_correction_of_a_ticket_wins() -> None:
    story = Story().said("t1", "x").moved("t1", "service").moved("t1", "hr", misrouted=False).moved("t1", "sales")
    assert labels(story.collect()) == {"t1": "sales"}
    story.moved("t1", "triage")
    found = story.collect()
    assert (found.corrections, found.skipped[Skipped.NO_LABEL]) == ((), 1)


def test_texts_are_those_the_person_saw_as_they_read_today() -> None:
    story = Story().said("t1", "one").said("t1", "two", 2).said("t1", "three", 3).said("t1", "", 4)
    story.moved("t1", "hr").said("t1", "came later", 5)
    story.tell("t1", "mention.edited", mention={"id": "t1-m1", "text": "one, better"}, revision="2")
    story.tell("t1", "mention.deleted", mention_id="t1-m2")
    (one,) = story.collect().corrections
    assert one.text == "one, better\n\nthree"


def test_a_ticket_whose_mentions_are_all_withdrawn_is_left_out_and_counted() -> None:
    story = Story().said("t1", "secret").moved("t1", "hr").tell("t1", "mention.deleted", mention_id="t1-m1")
    found = story.collect()
    assert (found.corrections, found.skipped) == ((), {Skipped.NO_LABEL: 0, Skipped.NO_TEXT: 1})


def test_departments_of_ones_own_are_no_label_and_counted() -> None:
    story = Story()
    for number, to in enumerate(["purchasing", "triage", "pr"]):
        story.said(f"t{number}", "x").moved(f"t{number}", to)
    found = story.collect()
    assert (labels(found), found.skipped[Skipped.NO_LABEL]) == ({"t2": "pr"}, 2)


def test_what_kafka_has_twice_counts_once_and_others_records_are_passed_over() -> None:
    story = Story().said("t1", "one").moved("t1", "hr")
    story.tell("t1", "mention.edited", mention={"id": "t1-m1", "text": "edited"}, revision="2")
    story.values += [*story.values[:2], None, b"", b"{", b"[]", b'{"a": 1}', b"\xff"]
    (one,) = story.collect().corrections
    assert one.text == "edited", "an old event that comes again does not bring the old text back"


def test_no_action_is_a_correction_to_none_only_where_it_is_asked_for() -> None:
    story = Story().said("t1", "Guten Morgen").tell("t1", "ticket.resolved", outcome="no_action", note="chatter")
    story.said("t2", "x").tell("t2", "ticket.resolved", outcome="solved", note="")
    assert story.collect().corrections == ()
    (one,) = story.collect(no_action=True).corrections
    assert (one.ticket_id, one.label, one.reason) == ("t1", "none", "chatter")


def test_tickets_that_nobody_corrected_are_not_held_in_memory() -> None:
    story = Story()
    for number in range(50):
        story.said(f"t{number}", "x" * 10_000)
    story.moved("t7", "hr")
    passes = list[int]()

    def events() -> Iterable[bytes | None]:
        passes.append(1)
        return iter(story.values)

    assert labels(collect(events)) == {"t7": "hr"}
    assert len(passes) == 2


def test_the_oldest_come_first() -> None:
    story = Story().said("late", "x").said("late", "y", 2).moved("late", "hr").said("early", "x").moved("early", "pr")
    assert list(labels(story.collect())) == ["early", "late"]


def test_a_correction_is_a_labelled_text() -> None:
    story = Story().said("t1", "Zeile\nzwei", language="und").moved("t1", "hr")
    line = story.collect().corrections[0].model_dump_json().encode()
    (read,) = read_lines([line], Labelled, pytest.fail)
    assert (read.text, read.label, read.secondary, read.lang) == ("Zeile\nzwei", "hr", None, "und")
    assert b"\n" not in line
    assert Correction.model_validate_json(line) == story.collect().corrections[0]
