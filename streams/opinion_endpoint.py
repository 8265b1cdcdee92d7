"""The server of the second opinion, over HTTP: `POST {base}/chat/completions` of any OpenAI-compatible one.

Owns: the request, the limits on what is read, what an error means for the operator. Refuses: when to ask and what an
answer says (routing/opinion).

What it guards: the key goes to the configured address alone (no redirects, no proxy or netrc out of the environment),
at most 64 KiB are read, compressed bodies are not unpacked, cookies are not kept, and no error quotes what was sent or
got.
"""

import json
from collections.abc import Sequence
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

import aiohttp
from pydantic import SecretStr

from silofrei.routing.opinion.asking import EndpointFailed
from silofrei.routing.opinion.question import Message

MOST_BYTES = 65_536
"""So much of an answer is read; one has some hundred bytes."""
MOST_TOKENS = 60
"""So many may be answered; the JSON object has about twenty."""

_SETTING = "SILOFREI_SECOND_OPINION_"
_FIXES: dict[int, str] = {
    HTTPStatus.UNAUTHORIZED: f"check {_SETTING}API_KEY",
    HTTPStatus.FORBIDDEN: f"check {_SETTING}API_KEY and what it may use",
    HTTPStatus.NOT_FOUND: f"check {_SETTING}URL and {_SETTING}MODEL",
    HTTPStatus.BAD_REQUEST: f"the server takes another form of request or does not know {_SETTING}MODEL",
    HTTPStatus.TOO_MANY_REQUESTS: f"ask less often: {_SETTING}PER_MINUTE",
}
_RESTS = {HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE}


class ChatEndpoint:
    """One model of one server. Use it within one event loop, and close it there.

    Args:
        url: the base address, as the settings checked it.
        model: the model's name there.
        key: sent as a bearer token, where there is one.
        at_once: most connections.
    """

    def __init__(self, url: str, model: str, key: SecretStr | None, *, at_once: int) -> None:
        self._url = f"{url.rstrip('/')}/chat/completions"
        self._host = urlsplit(url).netloc
        self._model = model
        self._key = key
        self._at_once = at_once
        self._session: aiohttp.ClientSession | None = None

    async def answer(self, messages: Sequence[Message]) -> str:
        """What the model says; empty where it says nothing. It has no time-out of its own: the caller ends it.

        Args:
            messages: the chat so far.

        Raises:
            EndpointFailed: the server is away, refuses, or what it sends is no answer of such a server.
        """
        asked = {
            "model": self._model,
            "messages": list(messages),
            "temperature": 0,
            "max_tokens": MOST_TOKENS,
            "stream": False,
        }
        try:
            async with self._open().post(self._url, json=asked, allow_redirects=False) as response:
                if response.status != HTTPStatus.OK:
                    raise self._refused(response)
                return _content(await self._read(response), self._host)
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise EndpointFailed(f"{self._host}: {type(error).__name__}") from error

    async def close(self) -> None:
        """End the connections."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            headers = {"Accept": "application/json", "Accept-Encoding": "identity", "User-Agent": "silofrei"}
            if self._key is not None and self._key.get_secret_value():
                headers["Authorization"] = f"Bearer {self._key.get_secret_value()}"
            self._session = aiohttp.ClientSession(
                # A connection for each question: one that was kept may be dead, and waiting for it costs a batch time.
                connector=aiohttp.TCPConnector(limit=self._at_once, force_close=True),
                cookie_jar=aiohttp.DummyCookieJar(),
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=None),
                headers=headers,
                auto_decompress=False,
                trust_env=False,
            )
        return self._session

    async def _read(self, response: aiohttp.ClientResponse) -> bytes:
        body = bytearray()
        async for part in response.content.iter_any():
            body += part
            if len(body) > MOST_BYTES:
                response.close()
                raise EndpointFailed(f"{self._host}: an answer of more than {MOST_BYTES} bytes")
        return bytes(body)

    def _refused(self, response: aiohttp.ClientResponse) -> EndpointFailed:
        status = response.status
        fix = _FIXES.get(status)
        if HTTPStatus.MULTIPLE_CHOICES <= status < HTTPStatus.BAD_REQUEST:
            fix = f"redirects are not followed; set {_SETTING}URL to where it leads"
        rest = response.headers.get("Retry-After", "") if status in _RESTS else ""
        return EndpointFailed(
            f"{self._host}: HTTP {status}" + (f"; {fix}" if fix else ""),
            float(rest) if rest.isascii() and rest.isdigit() and len(rest) < 7 else 0.0,
        )


def _content(body: bytes, host: str) -> str:
    """The text of the first choice.

    Raises:
        EndpointFailed: this is no answer of a chat completion.
    """
    try:
        found: Any = json.loads(body)
        content = found["choices"][0]["message"]["content"]
    except (ValueError, RecursionError, LookupError, TypeError):
        raise EndpointFailed(f"{host}: no answer of a chat completion; check {_SETTING}URL") from None
    if content is None:
        return ""
    if not isinstance(content, str):
        raise EndpointFailed(f"{host}: no answer of a chat completion; check {_SETTING}URL")
    return content
