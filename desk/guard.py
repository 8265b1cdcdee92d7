"""What stands before every page: the host check, the headers that fence the browser, HEAD, and the form tokens.

The desk has no sign-in yet, so it is reachable from this machine only; the checks here keep other sites that the same
browser has open from reaching it in the person's name (DNS rebinding, cross-site forms, framing).
"""

import hashlib
import hmac
import re
import secrets
from collections.abc import Callable
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from silofrei.schemas.loopback import is_loopback

SESSION_COOKIE = "silofrei_session"
_SESSION = re.compile(r"[A-Za-z0-9_-]{43}")

HEADERS = {
    "Content-Security-Policy": (
        "default-src 'self'; base-uri 'none'; object-src 'none'; form-action 'self'; frame-ancestors 'none'"
    ),
    "X-Frame-Options": "DENY",
    "X-Content-Type-Options": "nosniff",
    # Not no-referrer: with it, browsers send `Origin: null` with our own forms, and the origin check needs a name.
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=()",
}


def host_name(header: str) -> str:
    """The host of a Host header without port and brackets; empty where the header is not well formed."""
    try:
        parts = urlsplit(f"//{header}")
    except ValueError:
        return ""
    return "" if parts.username or parts.path or parts.query or parts.fragment else parts.hostname or ""


class Guard:
    """ASGI middleware: answers loopback names only, and puts the security headers on every response.

    Args:
        app: the application behind it.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or refuse it before the application sees it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def fenced(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
                headers.setdefault("Cache-Control", "no-store")
            await send(message)

        if is_loopback(host_name(Headers(scope=scope).get("host", ""))):
            await self._app(scope, receive, fenced)
            return
        refusal = PlainTextResponse(
            "This desk answers only as localhost or a loopback address. Open it as http://localhost:PORT/.\n",
            status_code=421,
        )
        await refusal(scope, receive, fenced)


class HeadAsGet:
    """ASGI middleware: answers HEAD as GET, without the body; FastAPI's routes refuse it.

    Args:
        app: the application behind it.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass one request on."""
        if scope["type"] != "http" or scope["method"] != "HEAD":
            await self._app(scope, receive, send)
            return

        async def without_body(message: Message) -> None:
            if message["type"] == "http.response.body":
                message = {**message, "body": b""}
            await send(message)

        await self._app({**scope, "method": "GET"}, receive, without_body)


class FormTokens:
    """Signs the token that every form carries; it is bound to the browser's session cookie.

    Args:
        key: the signing key; other processes and earlier starts with another key cannot make tokens.
        random: source of session ids, for tests.
    """

    def __init__(self, key: bytes, random: Callable[[], str] = lambda: secrets.token_urlsafe(32)) -> None:
        self._key = key
        self._random = random

    def session(self, cookie: str | None) -> str:
        """The session of this cookie, or a new one where there is none or it is not one of ours."""
        return cookie if cookie and _SESSION.fullmatch(cookie) else self._random()

    def token(self, session: str) -> str:
        """The form token of a session."""
        return hmac.new(self._key, b"form\0" + session.encode(), hashlib.sha256).hexdigest()

    def holds(self, session: str | None, token: str) -> bool:
        """Whether this token belongs to this session; takes the same time whatever the answer."""
        expected = self.token(session or "").encode()
        return hmac.compare_digest(expected, token.encode()) and bool(session)


def same_origin(headers: Headers) -> bool:
    """Whether the browser says that the request comes from our own pages; a client that says nothing passes.

    The token decides; this catches a cross-site request before that.
    """
    if headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
        return False
    origin = headers.get("origin")
    return origin is None or urlsplit(origin).netloc.lower() == headers.get("host", "").lower()
