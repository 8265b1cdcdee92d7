"""Who looks at a page, as far as the desk can know before sign-in exists: a name, departments and a language.

All of it comes from cookies that the person set; none of it is proof of anything, and the pages say so.
"""

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import quote, unquote

from starlette.requests import Request
from starlette.responses import Response

from silofrei.desk.words import LOCALES, preferred_language
from silofrei.schemas.config import Config

NAME_COOKIE = "silofrei_name"
MINE_COOKIE = "silofrei_mine"
LANGUAGE_COOKIE = "silofrei_lang"
BRAND_COOKIE = "silofrei_brand"

NAME_LIMIT = 60
"""Longest name in characters; with `@desk` it stays inside what a lease may carry."""

_YEAR = 365 * 86_400


@dataclass(frozen=True, slots=True)
class Visitor:
    """The person at the browser.

    Attributes:
        name: as they typed it; empty until they did.
        mine: queues that they said they work in; opens a confidential one.
        language: of the pages.
        brand: whose tickets they look at.
    """

    name: str
    mine: frozenset[str]
    language: str
    brand: str

    @property
    def holder(self) -> str:
        """Who holds a ticket that this person claims; empty without a name."""
        return f"{self.name}@desk" if self.name else ""

    def may_open(self, config: Config, department: str) -> bool:
        """Whether a queue's texts are shown: always, or for a confidential one after the person chose it as theirs."""
        try:
            return not config.department(department).confidential or department in self.mine
        except KeyError:
            return True


def visitor_of(request: Request, config: Config) -> Visitor:
    """The person behind a request; unknown or broken values count as not given."""
    asked = request.query_params
    cookies = request.cookies
    language = _known(asked.get("lang"), LOCALES) or _known(cookies.get(LANGUAGE_COOKIE), LOCALES)
    brand = _known(asked.get("brand"), config.brands) or _known(cookies.get(BRAND_COOKIE), config.brands)
    return Visitor(
        name=clean_name(unquote(cookies.get(NAME_COOKIE, ""))),
        mine=frozenset(cookies.get(MINE_COOKIE, "").split(".")) & frozenset(config.queue_names()),
        language=language or preferred_language(request.headers.get("accept-language", "")) or "en",
        brand=brand or config.brands[0],
    )


def clean_name(name: str) -> str:
    """A name in one line, without control characters and surplus space; empty where nothing is left."""
    kept = "".join(
        " " if character.isspace() else character
        for character in unicodedata.normalize("NFC", name)
        if character.isspace() or unicodedata.category(character)[0] != "C"
    )
    return re.sub(" +", " ", kept).strip()[:NAME_LIMIT].strip()


def remember(response: Response, **values: str) -> None:
    """Keep what the person chose, under cookie names; a year long.

    Lax, so that a link from elsewhere opens in the person's language; the session, which forms depend on, is Strict.
    """
    for cookie, value in values.items():
        response.set_cookie(cookie, quote(value), max_age=_YEAR, httponly=True, samesite="lax")


def _known(value: str | None, allowed: Mapping[str, object] | tuple[str, ...]) -> str | None:
    return value if value in allowed else None
