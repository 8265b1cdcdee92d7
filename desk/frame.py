"""The frame around every page: what the application carries, and how a template becomes a response."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import Enum, auto
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import Depends
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import HTMLResponse

from silofrei.desk.forms import local_path
from silofrei.desk.guard import SESSION_COOKIE, FormTokens
from silofrei.desk.report import Report
from silofrei.desk.visitor import BRAND_COOKIE, LANGUAGE_COOKIE, Visitor, remember, visitor_of
from silofrei.desk.words import Words
from silofrei.routing.queue.codes import Unavailable
from silofrei.routing.queue.queue import TicketQueue
from silofrei.schemas.config import Config
from silofrei.schemas.names import Outcome, TicketStatus


class Counts(Enum):
    """Whether a page shows the numbers beside the departments."""

    NEEDED = auto()
    IF_THERE = auto()
    LEFT_OUT = auto()


ReportSource = Callable[[str, datetime | None, datetime | None], Report]
"""Builds the report of a brand between two moments; blocking, so it is called in a thread."""

SAID = frozenset(
    ("claimed", "released", "extended", "transferred", "resolved", "empty", "welcome", "saved"),
)
"""What a page may say of the step before it; named in the address, worded by the catalogue."""

_HERE = Path(__file__).parent


@dataclass(frozen=True)
class Desk:
    """What every page needs.

    Attributes:
        config: departments and brands.
        queue: the live tickets.
        report_source: builds reports from the ledger.
        clock: the current moment.
        tokens: signs forms.
        words: one catalogue per language.
        templates: the pages' templates.
    """

    config: Config
    queue: TicketQueue
    report_source: ReportSource
    clock: Callable[[], datetime]
    tokens: FormTokens
    words: Mapping[str, Words]
    templates: Environment


@dataclass(frozen=True)
class View:
    """One request as the pages see it: the desk, who looks, in which words, and when."""

    request: Request
    desk: Desk
    visitor: Visitor
    words: Words
    now: datetime

    def may_open(self, department: str) -> bool:
        """Whether a department's texts are shown to this visitor."""
        return self.visitor.may_open(self.desk.config, department)

    def link(self, path: str, **query: object) -> str:
        """An address inside the desk; it names the brand where there are several, so that tabs do not mix them."""
        if len(self.desk.config.brands) > 1:
            query["brand"] = self.visitor.brand
        return f"{path}?{urlencode(query)}" if query else path

    async def render(
        self, template: str, status: int = 200, *, counts: Counts = Counts.NEEDED, **context: Any
    ) -> HTMLResponse:
        """The page of this template; remembers a language or brand that the address chose.

        Args:
            template: its file.
            status: HTTP status.
            counts: whether the numbers beside the departments are asked for.
            context: what the template needs beside the frame's own.

        Raises:
            Unavailable: the numbers are needed and Redis is away.
        """
        if self._sent_from_elsewhere():
            return HTMLResponse(self.desk.templates.get_template("arrival.html").render(to=self.address))
        desk, visitor = self.desk, self.visitor
        names = desk.config.queue_names()
        depths = None
        if counts is not Counts.LEFT_OUT:
            try:
                depths = await desk.queue.depths(visitor.brand, names)
            except Unavailable:
                if counts is Counts.NEEDED:
                    raise
        session = desk.tokens.session(self.request.cookies.get(SESSION_COOKIE))
        said = self.request.query_params.get("said", "")
        page = {
            "config": desk.config,
            "csrf": desk.tokens.token(session),
            "depths": depths,
            "here": self.request.url.path if self.request.method == "GET" else "/",
            "link": self.link,
            "now": self.now,
            "outcomes": [outcome for outcome in Outcome if outcome is not Outcome.WITHDRAWN],
            "queues": names,
            "said": said if said in SAID else "",
            "status": TicketStatus,
            "t": self.words,
            "visitor": visitor,
        }
        html = desk.templates.get_template(template).render(page | context)
        response = HTMLResponse(html, status_code=status)
        if session != self.request.cookies.get(SESSION_COOKIE):
            response.set_cookie(SESSION_COOKIE, session, httponly=True, samesite="strict")
        if "lang" in self.request.query_params:
            remember(response, **{LANGUAGE_COOKIE: visitor.language})
        if "brand" in self.request.query_params:
            remember(response, **{BRAND_COOKIE: visitor.brand})
        return response

    def _sent_from_elsewhere(self) -> bool:
        """Whether a link on another site led here, so that the browser has held back the session's Strict cookie.

        A new session now would break the forms in the person's other tabs; one step from our own page brings the
        cookie along.
        """
        request = self.request
        return (
            request.method == "GET"
            and request.headers.get("sec-fetch-site") in ("cross-site", "same-site")
            and request.headers.get("sec-fetch-mode") == "navigate"
            and SESSION_COOKIE not in request.cookies
        )

    @property
    def address(self) -> str:
        """The address that was asked for; the overview where following it would lead elsewhere."""
        url = self.request.url
        return local_path(url.path + (f"?{url.query}" if url.query else ""))


def view_of(request: Request) -> View:
    """The view of a request."""
    desk: Desk = request.app.state.desk
    visitor = visitor_of(request, desk.config)
    return View(request, desk, visitor, desk.words[visitor.language], desk.clock())


CurrentView = Annotated[View, Depends(view_of)]


def load_templates() -> Environment:
    """The pages' templates; everything is escaped, a name that a page forgot to give is an error."""
    return Environment(
        loader=FileSystemLoader(_HERE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
