"""What the pages say, and how they write times and numbers, in one language.

Owns: the catalogues `locales/<language>.toml` and everything that Babel formats. Refuses: HTML; templates escape what
comes from here like any other text.
"""

import tomllib
from collections.abc import Mapping
from datetime import datetime, timedelta, tzinfo
from enum import Enum, StrEnum
from pathlib import Path
from typing import Final

from babel import Locale
from babel.core import negotiate_locale
from babel.dates import format_datetime
from babel.numbers import format_decimal, format_percent
from babel.units import format_unit

from silofrei.routing.queue.codes import RefusalCode
from silofrei.schemas.config import Config
from silofrei.schemas.names import (
    Channel,
    DiscardReason,
    Label,
    Language,
    MentionKind,
    Outcome,
    Priority,
    Sentiment,
    TicketStatus,
)

LOCALES: Final = {"de": Locale("de"), "en": Locale("en", "GB")}
"""The languages of the pages, and the regional habits they are written with (24-hour clock, day before month)."""

_MOMENTS = {"de": "d. MMM y, HH:mm", "en": "d MMM y, HH:mm"}

FAMILIES: Final[Mapping[str, type[Enum]]] = {
    "channel": Channel,
    "discard": DiscardReason,
    "kind": MentionKind,
    "label": Label,
    "language": Language,
    "outcome": Outcome,
    "priority": Priority,
    "refused": RefusalCode,
    "remedy": RefusalCode,
    "sentiment": Sentiment,
    "status": TicketStatus,
}
"""Tables of a catalogue that have one entry per member of an enum."""

_FOLDER = Path(__file__).parent / "locales"
_UNITS = (("day", 86_400), ("hour", 3600), ("minute", 60))


class Due(StrEnum):
    """How pressing a deadline is."""

    CALM = "calm"
    SOON = "soon"
    OVER = "over"


class Words:
    """The catalogue of one language, with its forms of numbers and times.

    Args:
        language: `de` or `en`.
        timezone: in which moments are shown.

    Raises:
        ValueError: the catalogue is broken.
    """

    def __init__(self, language: str, timezone: tzinfo) -> None:
        self.language = language
        self.timezone = timezone
        self._locale = LOCALES[language]
        self._texts = catalogue(language)

    def __call__(self, key: str, /, **values: object) -> str:
        """The text under this key, with its {names} filled in."""
        return self._texts[key].format(**values)

    def count(self, key: str, number: int, /, **values: object) -> str:
        """The text for a number of things: `KEY.one` or `KEY.other`, {n} being the number."""
        form = "one" if self._locale.plural_form(number) == "one" else "other"
        return self(f"{key}.{form}", n=self.number(number), **values)

    def name(self, member: Enum, family: str) -> str:
        """How people call this member of an enum."""
        return self._texts[f"{family}.{member.name.lower()}"]

    def department(self, config: Config, name: str) -> str:
        """How people call this department; its own name where the configuration no longer has it."""
        try:
            title = config.department(name).title
        except KeyError:
            return name
        return title.de if self.language == "de" else title.en

    def number(self, value: float) -> str:
        """A number with this language's separators."""
        return format_decimal(value, locale=self._locale)

    def percent(self, share: float) -> str:
        """A share between 0 and 1 as whole percent."""
        return format_percent(share, format="#,##0\u00a0%" if self.language == "de" else "#,##0%", locale=self._locale)

    def figure(self, value: float | None, digits: int = 2) -> str:
        """A figure between -1 and 1, such as an F1; a dash where there is none."""
        return "–" if value is None else format_decimal(value, format=f"0.{'0' * digits}", locale=self._locale)

    def span(self, length: timedelta) -> str:
        """A length of time in at most two units, such as `3 hrs 40 mins`; days with hours, hours with minutes."""
        seconds = max(0, int(length.total_seconds()))
        if not seconds and length > timedelta():
            return self("time.less_than", span=self.span(timedelta(seconds=1)))
        if seconds < 60:
            return format_unit(seconds, "second", length="short", locale=self._locale).replace(" ", "\u00a0")
        for index, (unit, size) in enumerate(_UNITS):
            if seconds >= size:
                parts = [(seconds // size, unit)]
                if index + 1 < len(_UNITS):
                    smaller, smaller_size = _UNITS[index + 1]
                    parts.append((seconds % size // smaller_size, smaller))
                break
        return "\u00a0".join(
            format_unit(number, unit, length="short", locale=self._locale).replace(" ", "\u00a0")
            for number, unit in parts
            if number
        )

    def seconds(self, length: float | None) -> str:
        """A length of time in seconds as `span` writes it; a dash where there is none."""
        return "–" if length is None else self.span(timedelta(seconds=length))

    def ago(self, moment: datetime, now: datetime) -> str:
        """How long ago a moment was."""
        if now - moment < timedelta(minutes=1):
            return self("time.now")
        return self("time.ago", span=self.span(now - moment))

    def due(self, due_at: datetime, now: datetime) -> str:
        """Time left until a deadline, or by how much it is missed."""
        left = due_at - now
        if left < timedelta():
            return self("time.over", span=self.span(-left))
        return self("time.left", span=self.span(left))

    def moment(self, moment: datetime) -> str:
        """Day and time in the reader's time zone."""
        return format_datetime(moment, _MOMENTS[self.language], tzinfo=self.timezone, locale=self._locale)


def tone(due_at: datetime, opened_at: datetime, now: datetime) -> Due:
    """How pressing a deadline is: over, soon (the last quarter of its time, or 15 minutes) or calm."""
    left = due_at - now
    if left < timedelta():
        return Due.OVER
    return Due.SOON if left < max((due_at - opened_at) / 4, timedelta(minutes=15)) else Due.CALM


def catalogue(language: str) -> dict[str, str]:
    """All texts of a language by dotted key.

    Raises:
        ValueError: an entry is neither a text nor a table.
    """
    texts: dict[str, str] = {}
    _flatten("", tomllib.loads((_FOLDER / f"{language}.toml").read_text(encoding="utf-8")), texts)
    return texts


def _flatten(prefix: str, table: Mapping[str, object], texts: dict[str, str]) -> None:
    for key, value in table.items():
        if isinstance(value, str):
            texts[prefix + key] = value
        elif isinstance(value, dict):
            _flatten(f"{prefix}{key}.", value, texts)
        else:
            raise ValueError(f"locales: {prefix}{key} is {value!r}; write a text")  # noqa: TRY004 - the file is at fault


def preferred_language(accept_language: str) -> str | None:
    """The best of our languages for an Accept-Language header; None where it names none of them."""
    wanted: list[tuple[float, str]] = []
    for part in accept_language.split(",")[:20]:
        tag, _, parameter = part.strip().partition(";")
        quality = parameter.strip().removeprefix("q=")
        try:
            wanted.append((float(quality) if quality else 1.0, tag.strip().replace("-", "_")))
        except ValueError:
            continue
    ranked = [tag for quality, tag in sorted(wanted, key=lambda entry: -entry[0]) if quality > 0 and tag]
    return negotiate_locale(ranked, list(LOCALES))
