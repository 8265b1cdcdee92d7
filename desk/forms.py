"""Reading a posted form: small, url-encoded, from our own page, with the right token; anything else is refused."""

from collections.abc import Mapping
from typing import Annotated
from urllib.parse import parse_qs, urlsplit

from fastapi import Depends
from starlette.requests import ClientDisconnect, Request

from silofrei.desk.guard import SESSION_COOKIE, same_origin

BODY_LIMIT = 64_000
"""Largest form in bytes; the longest note, percent-encoded, fits."""


class FormRefused(Exception):  # noqa: N818 - it says what became of the form
    """A form that is not taken.

    Attributes:
        status: HTTP status of the answer.
        reason: key of the catalogue under `problem`.
        typed: what the person wrote, so that it is not lost.
    """

    def __init__(self, status: int, reason: str, typed: str = "") -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason
        self.typed = typed


class Form:
    """The fields of a form whose token was checked."""

    def __init__(self, fields: Mapping[str, list[str]]) -> None:
        self._fields = fields

    def one(self, name: str) -> str:
        """The value of a field without space around it; empty where it is missing."""
        return self._fields.get(name, [""])[-1].replace("\r\n", "\n").strip()

    def many(self, name: str) -> list[str]:
        """All values of a field."""
        return self._fields.get(name, [])

    @property
    def typed(self) -> str:
        """The free text in the form."""
        return self.one("note") or self.one("reason")


async def checked_form(request: Request) -> Form:
    """The form of a request.

    Raises:
        FormRefused: it is too large, not url-encoded, from another site, or its token is not this session's.
    """
    if request.headers.get("content-type", "").partition(";")[0].strip() != "application/x-www-form-urlencoded":
        raise FormRefused(415, "not_a_form")
    body = b""
    try:
        async for chunk in request.stream():
            body += chunk
            if len(body) > BODY_LIMIT:
                raise FormRefused(413, "too_large")
    except ClientDisconnect:
        raise FormRefused(400, "not_a_form") from None
    try:
        fields = parse_qs(body.decode("ascii"), keep_blank_values=True, max_num_fields=50, errors="replace")
    except ValueError:
        raise FormRefused(400, "not_a_form") from None
    form = Form(fields)
    request.state.form = form
    holds = request.app.state.desk.tokens.holds(request.cookies.get(SESSION_COOKIE), form.one("csrf"))
    if not (same_origin(request.headers) and holds):
        raise FormRefused(403, "stale_form", form.typed)
    return form


CheckedForm = Annotated[Form, Depends(checked_form)]


def local_path(target: str) -> str:
    """A place inside the desk to go on to; the overview where it would lead elsewhere."""
    parts = urlsplit(target)
    inside = target.startswith("/") and not target.startswith(("//", "/\\")) and not parts.scheme and not parts.netloc
    return target if inside and target.isprintable() and "\\" not in target else "/"
