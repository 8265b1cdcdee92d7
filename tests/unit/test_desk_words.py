"""The catalogues are whole and used, and times and numbers read as people of the language write them."""

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from string import Formatter
from zoneinfo import ZoneInfo

import pytest

from silofrei.desk.frame import SAID
from silofrei.desk.report_page import PERIODS
from silofrei.desk.words import FAMILIES, LOCALES, Due, Words, catalogue, preferred_language, tone
from silofrei.schemas.config import Config
from silofrei.schemas.names import Channel, Outcome

DESK = Path(__file__).parents[2] / "desk"
SOURCES = [*DESK.glob("*.py"), *DESK.glob("templates/*.html")]
NOW = datetime(2026, 11, 24, 8, 30, tzinfo=UTC)

COMPUTED = {
    *(f"said.{name}" for name in SAID),
    *(f"period.{name}" for name in PERIODS),
    *(f"{family}.{member.name.lower()}" for family, members in FAMILIES.items() for member in members),
    *("why.model", "why.unsure"),
}
"""Keys that the sources put together from names."""


def used_keys() -> set[str]:
    """The keys that stand in the sources as they are."""
    text = "\n".join(path.read_text(encoding="utf-8") for path in SOURCES)
    single = set(re.findall(r"""\b(?:t|words|self)\(\s*["']([a-z_]+\.[a-z_0-9.]+)["']\s*[,)]""", text))
    counted = set(re.findall(r"""\.count\(\s*["']([a-z_]+\.[a-z_0-9.]+)["']""", text))
    reasons = set(re.findall(r"""(?:FormRefused\(\d+|_page\(request, \d+), "([a-z_]+)\"""", text))
    reasons |= {"no_page", "no_method", "no_ticket", "no_department", "unexpected", "away", "away_acting"}
    mistakes = set(re.findall(r'"(report\.bad_[a-z]+)"', text))
    problems = {f"problem.{reason}.{part}" for reason in reasons for part in ("what", "remedy")}
    return single | mistakes | problems | {f"{key}.{form}" for key in counted for form in ("one", "other")}


@pytest.mark.parametrize("language", LOCALES)
def test_every_key_is_there_and_none_is_unused(language: str) -> None:
    there, wanted = set(catalogue(language)), used_keys() | COMPUTED
    assert sorted(wanted - there) == [], "missing from the catalogue"
    assert sorted(there - wanted) == [], "in the catalogue, used nowhere"


def test_all_languages_have_the_same_keys_with_the_same_places() -> None:
    german, english = catalogue("de"), catalogue("en")
    assert german.keys() == english.keys()

    def places(text: str) -> set[str]:
        return {name for _, name, _, _ in Formatter().parse(text) if name is not None}

    # German may leave the number out where the text says it in words.
    assert {key for key in german if places(german[key]) - {"n"} != places(english[key]) - {"n"}} == set()


@pytest.mark.parametrize("language", LOCALES)
def test_no_text_is_empty_or_has_surplus_space(language: str) -> None:
    assert {key for key, text in catalogue(language).items() if text != text.strip() or not text} == set()


@pytest.mark.parametrize(
    ("length", "german", "english"),
    [
        (timedelta(seconds=0), "0 Sek.", "0 secs"),
        (timedelta(milliseconds=400), "< 1 Sek.", "< 1 sec"),
        (timedelta(seconds=59), "59 Sek.", "59 secs"),
        (timedelta(minutes=1), "1 Min.", "1 min"),
        (timedelta(hours=3, minutes=40, seconds=59), "3 Std. 40 Min.", "3 hrs 40 mins"),
        (timedelta(hours=2), "2 Std.", "2 hrs"),
        (timedelta(days=1, hours=1, minutes=59), "1 Tg. 1 Std.", "1 day 1 hr"),
        (timedelta(days=400), "400 Tg.", "400 days"),
        (-timedelta(hours=1), "0 Sek.", "0 secs"),
    ],
)
def test_a_span_has_at_most_two_units(length: timedelta, german: str, english: str) -> None:
    assert Words("de", UTC).span(length).replace("\u00a0", " ") == german
    assert Words("en", UTC).span(length).replace("\u00a0", " ") == english


def test_deadlines_in_words() -> None:
    words = Words("de", UTC)
    assert words.due(NOW + timedelta(minutes=5), NOW) == "noch 5\u00a0Min."
    assert words.due(NOW - timedelta(hours=2), NOW) == "2\u00a0Std. überfällig"
    assert words.due(NOW, NOW) == "noch 0\u00a0Sek."
    assert words.ago(NOW - timedelta(seconds=20), NOW) == "gerade eben"
    assert words.ago(NOW + timedelta(seconds=20), NOW) == "gerade eben", "a source's clock may be ahead"
    assert words.ago(NOW - timedelta(days=2), NOW) == "vor 2\u00a0Tg."


def test_moments_are_shown_in_the_readers_time_zone() -> None:
    berlin = ZoneInfo("Europe/Berlin")
    assert Words("de", berlin).moment(NOW) == "24. Nov. 2026, 09:30"
    assert Words("en", berlin).moment(datetime(2026, 7, 1, 22, 5, tzinfo=UTC)) == "2 Jul 2026, 00:05"


def test_numbers_and_names() -> None:
    german, english = Words("de", UTC), Words("en", UTC)
    assert (german.number(12345), english.number(12345)) == ("12.345", "12,345")
    assert (german.percent(0.834), english.percent(0.834)) == ("83\u00a0%", "83%")
    assert (german.count("ticket.mentions", 1), german.count("ticket.mentions", 0)) == ("1 Erwähnung", "0 Erwähnungen")
    assert english.count("ticket.mentions", 1200) == "1,200 mentions"
    assert (english.seconds(None), english.seconds(90.5)) == ("–", "1\u00a0min")
    assert german.name(Outcome.NO_ACTION, "outcome") == "Nichts zu tun"
    assert english.name(Channel.X, "channel") == "X"
    assert (german.department(Config(), "hr"), english.department(Config(), "triage")) == ("Personal", "Triage")
    assert english.department(Config(), "gone") == "gone", "a ticket may outlive its department"


def test_how_pressing_a_deadline_is() -> None:
    opened = NOW - timedelta(hours=4)
    assert tone(NOW - timedelta(seconds=1), opened, NOW) is Due.OVER
    assert tone(NOW + timedelta(minutes=70), opened, NOW) is Due.SOON
    assert tone(NOW + timedelta(hours=3), opened, NOW) is Due.CALM
    assert tone(NOW + timedelta(minutes=14), NOW, NOW) is Due.SOON


@pytest.mark.parametrize(
    ("header", "language"),
    [
        ("", None),
        ("de", "de"),
        ("de-AT,de;q=0.9,en;q=0.8", "de"),
        ("en-US", "en"),
        ("fr,en;q=0.5,de;q=0.7", "de"),
        ("fr", None),
        ("de;q=0,en", "en"),
        ("*", None),
        (";;;q=,,q=x;q=y", None),
    ],
)
def test_the_browsers_languages(header: str, language: str | None) -> None:
    assert preferred_language(header) == language
