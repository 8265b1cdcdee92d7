"""The second opinion over real HTTP: a server of ours on this machine that answers, hangs, breaks off and lies."""

import asyncio
import gzip
import json
import shutil
import ssl
import subprocess
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from aiokafka import TopicPartition
from pydantic import SecretStr

from silofrei.routing.opinion.asking import EndpointFailed
from silofrei.routing.opinion.batches import Opinions
from silofrei.routing.opinion.breaker import FAILURES
from silofrei.routing.opinion.question import question
from silofrei.routing.policy import Policy
from silofrei.routing.queue import Applied, ApplyCode, Effect
from silofrei.schemas.classification import Classification, Scores
from silofrei.schemas.config import Config
from silofrei.schemas.dead_letter import DeadLetter
from silofrei.schemas.decision import RoutingDecision
from silofrei.schemas.delivery import RawDelivery
from silofrei.schemas.names import Label, Language
from silofrei.schemas.settings import Settings
from silofrei.streams.apply import Router
from silofrei.streams.fetches import Fetch, Record
from silofrei.streams.opinion_endpoint import MOST_BYTES, ChatEndpoint
from silofrei.streams.opinions import opinions_of

NOW = datetime(2026, 11, 3, 9, 0, 5, tzinfo=UTC)
ASKED = question("Was kostet das Rad?", Language.GERMAN)
KEY = "key-hunter2"
TIMEOUT = 0.5


class Request:
    """What the server was sent."""

    def __init__(self, head: str, body: bytes) -> None:
        self.line, _, rest = head.partition("\r\n")
        fields = (line.partition(": ") for line in rest.strip().splitlines())
        self.headers = {name.lower(): value for name, _, value in fields}
        self.body = body


Say = Callable[[Request, asyncio.StreamWriter], Awaitable[None]]


class Server:
    """Speaks HTTP as `say` does, so that it can also speak it wrongly; remembers what it was sent."""

    def __init__(self) -> None:
        self.say: Say = says()
        self.requests: list[Request] = []
        self.connections = 0
        self.port = 0
        self.serving: set[asyncio.Task[Any]] = set()
        self.asked = asyncio.Event()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        if task := asyncio.current_task():
            self.serving.add(task)
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                size = next((int(line[15:]) for line in head.lower().splitlines() if line[:15] == "content-length:"), 0)
                request = Request(head, await reader.readexactly(size))
                self.requests.append(request)
                self.asked.set()
                await self.say(request, writer)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass
        finally:
            writer.close()


def http(status: str, body: bytes, *fields: str) -> bytes:
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *fields]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def completion(content: object) -> bytes:
    return json.dumps({"choices": [{"index": 0, "message": {"role": "assistant", "content": content}}]}).encode()


def says(content: object = '{"label": "sales", "confidence": 0.9}', *fields: str) -> Say:
    return sends(http("200 OK", completion(content), "Content-Type: application/json", *fields))


def sends(reply: bytes, *, close: bool = False) -> Say:
    async def say(_: Request, writer: asyncio.StreamWriter) -> None:
        writer.write(reply)
        if close:
            await writer.drain()
            writer.close()

    return say


async def hang(_: Request, writer: asyncio.StreamWriter) -> None:
    await asyncio.Event().wait()


async def hang_in_the_body(_: Request, writer: asyncio.StreamWriter) -> None:
    writer.write(http("200 OK", completion("x"))[:-5])
    await writer.drain()
    await asyncio.Event().wait()


async def drip(_: Request, writer: asyncio.StreamWriter) -> None:
    """A byte now and then: never idle, never done."""
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 60000\r\n\r\n")
    while True:
        writer.write(b" ")
        await writer.drain()
        await asyncio.sleep(0.02)


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    ours = Server()
    listening = await asyncio.start_server(ours.serve, "127.0.0.1", 0)
    ours.port = listening.sockets[0].getsockname()[1]
    yield ours
    listening.close()
    for task in ours.serving:
        task.cancel()
    await asyncio.gather(*ours.serving, return_exceptions=True)


@pytest.fixture
async def endpoint(server: Server) -> AsyncIterator[ChatEndpoint]:
    one = ChatEndpoint(f"http://127.0.0.1:{server.port}/v1/", "m-7b", SecretStr(KEY), at_once=4)
    yield one
    await one.close()


# --- One question


async def test_the_question_is_what_such_servers_take(server: Server, endpoint: ChatEndpoint) -> None:
    assert await endpoint.answer(ASKED) == '{"label": "sales", "confidence": 0.9}'
    (request,) = server.requests
    assert request.line == "POST /v1/chat/completions HTTP/1.1"
    assert request.headers["authorization"] == f"Bearer {KEY}"
    assert request.headers["content-type"] == "application/json"
    sent = json.loads(request.body)
    assert (sent["model"], sent["temperature"], sent["stream"]) == ("m-7b", 0, False)
    assert sent["messages"] == ASKED
    assert 20 < sent["max_tokens"] < 200


@pytest.mark.parametrize("key", [None, SecretStr("")])
async def test_without_a_key_none_is_sent(server: Server, key: SecretStr | None) -> None:
    one = ChatEndpoint(f"http://127.0.0.1:{server.port}/v1", "m", key, at_once=1)
    await one.answer(ASKED)
    await one.close()
    assert "authorization" not in server.requests[0].headers


async def test_a_connection_that_died_since_the_last_question_fails_none(
    server: Server, endpoint: ChatEndpoint
) -> None:
    server.say = sends(http("200 OK", completion("hm")), close=True)
    for _ in range(5):
        # With no pause: a connection that was kept would not show yet that it is closed.
        assert await endpoint.answer(ASKED) == "hm"


async def test_a_model_that_says_nothing_is_no_failure_of_the_server(server: Server, endpoint: ChatEndpoint) -> None:
    server.say = says(None)
    assert await endpoint.answer(ASKED) == ""


@pytest.mark.parametrize(
    ("status", "words"),
    [
        ("500 Internal Server Error", ["HTTP 500"]),
        ("401 Unauthorized", ["HTTP 401", "SILOFREI_SECOND_OPINION_API_KEY"]),
        ("404 Not Found", ["HTTP 404", "SILOFREI_SECOND_OPINION_URL", "SILOFREI_SECOND_OPINION_MODEL"]),
        ("400 Bad Request", ["HTTP 400", "SILOFREI_SECOND_OPINION_MODEL"]),
        ("429 Too Many Requests", ["HTTP 429", "SILOFREI_SECOND_OPINION_PER_MINUTE"]),
        ("204 No Content", ["HTTP 204"]),
        ("599 What", ["HTTP 599"]),
    ],
)
async def test_a_refusal_is_told_with_its_fix_and_without_text_or_key(
    server: Server, endpoint: ChatEndpoint, status: str, words: list[str]
) -> None:
    body = b"" if status.startswith("204") else f"You sent {KEY} and: Was kostet das Rad?".encode()
    server.say = sends(http(status, body))
    with pytest.raises(EndpointFailed) as caught:
        await endpoint.answer(ASKED)
    for word in [f"127.0.0.1:{server.port}", *words]:
        assert word in str(caught.value)
    assert "hunter2" not in repr(caught.value)
    assert "Rad" not in repr(caught.value)


@pytest.mark.parametrize(
    ("status", "rest", "seconds"),
    [
        ("429 No", "7", 7),
        ("503 No", "120", 120),
        ("500 No", "7", 0),
        ("429 No", "Wed, 21 Oct 2026 07:28:00 GMT", 0),
        ("429 No", "-5", 0),
        ("429 No", "9" * 400, 0),
        ("429 No", "²", 0),
    ],
)
async def test_how_long_a_server_wants_to_be_left_alone(
    server: Server, endpoint: ChatEndpoint, status: str, rest: str, seconds: float
) -> None:
    server.say = sends(http(status, b"{}", f"Retry-After: {rest}"))
    with pytest.raises(EndpointFailed) as caught:
        await endpoint.answer(ASKED)
    assert caught.value.rest == seconds


@pytest.mark.parametrize(
    "reply",
    [
        b"\x00\x01\x02 no HTTP at all\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: abc\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nX: " + b"y" * 100_000 + b"\r\n\r\n{}",
        http("200 OK", b"<html>Sign in to the wireless network</html>"),
        http("200 OK", b""),
        http("200 OK", b"null"),
        http("200 OK", b"[]"),
        http("200 OK", b'{"choices": []}'),
        http("200 OK", b'{"choices": {"0": 1}}'),
        http("200 OK", b'{"choices": [{"message": null}]}'),
        http("200 OK", completion(7)),
        http("200 OK", completion([{"type": "text", "text": "x"}])),
        http("200 OK", b"[" * 60_000),
        http("200 OK", b"\xff\xfe\xfd"),
        http("200 OK", gzip.compress(completion("x")), "Content-Encoding: gzip"),
        http("200 OK", completion("x"))[:-5],
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"",
    ],
    ids=lambda reply: repr(reply[:60]),
)
async def test_what_is_no_answer_is_a_failure(server: Server, endpoint: ChatEndpoint, reply: bytes) -> None:
    server.say = sends(reply, close=True)
    async with asyncio.timeout(5):
        with pytest.raises(EndpointFailed):
            await endpoint.answer(ASKED)
        server.say = says("well")
        assert await endpoint.answer(ASKED) == "well"


async def test_a_server_that_is_not_there_is_a_failure(unused_port: int) -> None:
    one = ChatEndpoint(f"http://127.0.0.1:{unused_port}/v1", "m", None, at_once=1)
    with pytest.raises(EndpointFailed, match=f"127.0.0.1:{unused_port}"):
        await one.answer(ASKED)
    await one.close()


@pytest.fixture
async def unused_port() -> int:
    listening = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
    port: int = listening.sockets[0].getsockname()[1]
    listening.close()
    await listening.wait_closed()
    return port


@pytest.mark.parametrize("chunked", [True, False])
async def test_of_a_giant_answer_little_is_read_and_the_connection_ends(
    server: Server, endpoint: ChatEndpoint, chunked: bool
) -> None:
    sent, ended = 0, asyncio.Event()

    async def giant(_: Request, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        length = "Transfer-Encoding: chunked" if chunked else "Content-Length: 10000000000"
        writer.write(f"HTTP/1.1 200 OK\r\n{length}\r\n\r\n".encode())
        piece = b"x" * 65_536
        try:
            while True:
                writer.write(b"10000\r\n" + piece + b"\r\n" if chunked else piece)
                await writer.drain()
                sent += len(piece)
        finally:
            ended.set()

    server.say = giant
    with pytest.raises(EndpointFailed, match=f"more than {MOST_BYTES} bytes"):
        await endpoint.answer(ASKED)
    async with asyncio.timeout(2):
        await ended.wait()
    # What the sockets of the machine hold, and no more.
    assert sent < 20_000_000


@pytest.mark.parametrize("status", ["301 Moved", "302 Found", "303 See Other", "307 Temporary", "308 Permanent"])
async def test_a_redirect_is_not_followed_and_the_key_goes_nowhere_else(
    server: Server, endpoint: ChatEndpoint, status: str
) -> None:
    other = Server()
    async with await asyncio.start_server(other.serve, "127.0.0.1", 0) as listening:
        port = listening.sockets[0].getsockname()[1]
        server.say = sends(http(status, b"", f"Location: http://127.0.0.1:{port}/v1/chat/completions"))
        with pytest.raises(EndpointFailed, match="redirects are not followed"):
            await endpoint.answer(ASKED)
        server.say = sends(http(status, b"", "Location: /elsewhere"))
        with pytest.raises(EndpointFailed, match="redirects are not followed"):
            await endpoint.answer(ASKED)
        await asyncio.sleep(0.05)
    assert (other.connections, len(server.requests)) == (0, 2)


async def test_neither_a_proxy_nor_netrc_of_the_environment_sees_the_question(
    server: Server, endpoint: ChatEndpoint, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    proxy = Server()
    async with await asyncio.start_server(proxy.serve, "127.0.0.1", 0) as listening:
        address = f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}"
        for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY", "all_proxy"):
            monkeypatch.setenv(name, address)
        (tmp_path / ".netrc").write_text("machine 127.0.0.1 login a password b\n")
        monkeypatch.setenv("NETRC", str(tmp_path / ".netrc"))
        await endpoint.answer(ASKED)
    assert proxy.connections == 0
    assert server.requests[0].headers["authorization"] == f"Bearer {KEY}"


@pytest.fixture
def untrusted(tmp_path: Path) -> ssl.SSLContext:
    """A server's side with a certificate that nobody knows."""
    program = shutil.which("openssl")
    if program is None:
        pytest.skip("openssl is not installed; on Debian: apt-get install openssl")
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    options = ["-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", "/CN=localhost"]
    options += ["-addext", "subjectAltName=DNS:localhost", "-keyout", str(key), "-out", str(certificate)]
    subprocess.run([program, "req", *options], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    return context


async def test_a_server_with_an_unknown_certificate_is_sent_nothing(untrusted: ssl.SSLContext) -> None:
    other = Server()
    async with await asyncio.start_server(other.serve, "127.0.0.1", 0, ssl=untrusted) as listening:
        port = listening.sockets[0].getsockname()[1]
        one = ChatEndpoint(f"https://localhost:{port}/v1", "m", SecretStr(KEY), at_once=1)
        with pytest.raises(EndpointFailed, match="Certificate"):
            await one.answer(ASKED)
        await one.close()
    assert other.requests == []


async def test_cookies_are_not_kept(server: Server, endpoint: ChatEndpoint) -> None:
    server.say = says("x", "Set-Cookie: who=you; Path=/")
    await endpoint.answer(ASKED)
    await endpoint.answer(ASKED)
    assert "cookie" not in server.requests[1].headers


# --- The stream


class Unsure:
    """A classifier that is unsure of everything."""

    def classify(self, inputs: Any, *, explain: bool = True) -> list[Classification]:
        scores = Scores(service=0.4, sales=0.35, hr=0.0, pr=0.25, none=0.0)
        return [
            Classification(
                label=Label.SERVICE, scores=scores, language=Language.GERMAN, abstained=True, model="linear-1"
            )
            for _ in inputs
        ]


class Queue:
    def __init__(self) -> None:
        self.applied: dict[str, Effect] = {}

    async def apply(self, brand: str, effects: Any) -> list[Applied]:
        await asyncio.sleep(0)
        for effect in effects:
            self.applied[effect.change.mention.text] = effect
        return [Applied(ApplyCode.OPENED, "t-1", effect.decision.department, NOW) for effect in effects]

    def departments(self) -> dict[str, str]:
        found = {}
        for text, effect in self.applied.items():
            assert isinstance(effect.decision, RoutingDecision)
            found[text] = effect.decision.department
        return found


class Letters:
    async def write(self, letters: Any) -> None:
        found: list[DeadLetter] = list(letters)
        assert found == []


class Stream:
    """A router with second opinions from the server, and a queue in memory."""

    def __init__(self, server: Server, *, batch: int = 500, **settings: object) -> None:
        given = {
            "second_opinion_url": f"http://127.0.0.1:{server.port}/v1",
            "second_opinion_model": "m-7b",
            "second_opinion_timeout": TIMEOUT,
            **settings,
        }
        opinions = opinions_of(Settings(_env_file=None, **given), Config())  # type: ignore[arg-type]  # pydantic checks
        assert opinions is not None
        self.opinions: Opinions = opinions
        self.queue = Queue()
        self.router = Router(
            classifier=Unsure(),
            policy=Policy(Config()),
            queue=self.queue,
            letters=Letters(),
            brands=Config().brands,
            batch_mentions=batch,
            retry_cap=0.01,
            clock=lambda: NOW,
            opinions=opinions.for_batch,
        )


Streaming = Callable[..., Stream]


@pytest.fixture
async def streaming(server: Server) -> AsyncIterator[Streaming]:
    streams: list[Stream] = []

    def build(**changes: Any) -> Stream:
        streams.append(Stream(server, **changes))
        return streams[-1]

    yield build
    for one in streams:
        await one.opinions.close()


def fetch_of(number: int, first: int = 0) -> Fetch:
    return Fetch(TopicPartition("mentions.raw", 0), [record(n) for n in range(first, first + number)])


def name(number: int) -> str:
    return "".join(chr(97 + int(digit)) for digit in str(number))


def record(number: int) -> Record:
    event = {
        "specversion": "1.0",
        "type": "silofrei.mention.created",
        "source": "https://f.example",
        "id": f"e-{number}",
        "time": "2026-11-03T09:00:00Z",
        "data": {
            "id": f"m{number}",
            "kind": "comment",
            "text": f"Was kostet Rad {name(number)}?",
            "author": {"id": "u1", "name": "A"},
            "created_at": "2026-11-03T09:00:00Z",
        },
    }
    delivery = RawDelivery(
        delivery_id=f"d{number}",
        brand="demo",
        channel="cloudevents",
        connector="test",
        received_at=NOW,
        body=json.dumps(event),
    )

    class Raw:
        topic, partition, offset, value = "mentions.raw", 0, number, delivery.model_dump_json().encode()

    return Raw()  # type: ignore[return-value]  # all that is read of a record


async def longest_pause(ended: asyncio.Task[Any]) -> float:
    """The longest that the loop kept somebody else waiting until the task ended, seconds."""
    longest = 0.0
    while not ended.done():
        before = time.monotonic()
        await asyncio.sleep(0.005)
        longest = max(longest, time.monotonic() - before - 0.005)
    return longest


async def test_unsure_mentions_reach_the_department_that_both_models_name(server: Server, streaming: Streaming) -> None:
    stream = streaming()
    assert await stream.router.route(fetch_of(3))
    assert stream.queue.departments() == {f"Was kostet Rad {one}?": "sales" for one in "abc"}
    answer = stream.queue.applied["Was kostet Rad a?"].classification
    assert answer is not None
    assert (answer.model, answer.abstained) == ("linear-1+m-7b", False)


@pytest.mark.parametrize("say", [hang, hang_in_the_body, drip])
async def test_while_the_server_hangs_the_stream_goes_on_with_local_answers(
    server: Server, streaming: Streaming, say: Say
) -> None:
    server.say = say
    stream, loop = streaming(batch=10, second_opinion_at_once=8), asyncio.get_running_loop()
    began = loop.time()
    routing = asyncio.create_task(stream.router.route(fetch_of(100)))
    pause = await longest_pause(routing)
    assert await routing is True
    assert TIMEOUT * 0.9 < loop.time() - began < TIMEOUT + 1
    assert set(stream.queue.departments().values()) == {"triage"}
    assert len(stream.queue.applied) == 100
    assert {effect.classification.model for effect in stream.queue.applied.values() if effect.classification} == {
        "linear-1"
    }
    assert len(server.requests) == 8
    assert pause < 0.3
    # By now it is left alone: nobody waits for it any more.
    began = loop.time()
    assert await stream.router.route(fetch_of(100, first=100))
    assert loop.time() - began < TIMEOUT * 0.9
    assert len(server.requests) == 8


@pytest.mark.parametrize(
    "say",
    [
        sends(http("500 Internal Server Error", b"{}")),
        sends(http("429 Too Many Requests", b"{}", "Retry-After: 60")),
        sends(b"garbage", close=True),
        sends(b"", close=True),
        says("I think this is about sales."),
        says('{"label": "purchasing", "confidence": 1}'),
    ],
    ids=["500", "429", "garbage", "closed", "prose", "no label of ours"],
)
async def test_a_server_that_fails_changes_nothing(server: Server, streaming: Streaming, say: Say) -> None:
    server.say = say
    stream = streaming()
    for part in range(4):
        assert await stream.router.route(fetch_of(5, first=part * 5))
    assert set(stream.queue.departments().values()) == {"triage"}
    assert len(stream.queue.applied) == 20


async def test_a_server_that_is_busy_is_not_asked_again(server: Server, streaming: Streaming) -> None:
    server.say = sends(http("429 Too Many Requests", b"{}", "Retry-After: 60"))
    stream = streaming(second_opinion_at_once=1)
    for part in range(4):
        await stream.router.route(fetch_of(1, first=part))
    assert len(server.requests) == 1 < FAILURES


async def test_the_budget_holds_over_batches(server: Server, streaming: Streaming) -> None:
    stream = streaming(second_opinion_per_minute=5, second_opinion_at_once=3)
    for part in range(4):
        await stream.router.route(fetch_of(4, first=part * 4))
    assert len(server.requests) == 5
    assert sorted(stream.queue.departments().values()) == ["sales"] * 5 + ["triage"] * 11


async def test_a_halt_lets_go_at_once(server: Server, streaming: Streaming) -> None:
    server.say = hang
    stream, fetch, loop = streaming(second_opinion_timeout=20), fetch_of(5), asyncio.get_running_loop()
    routing = asyncio.create_task(stream.router.route(fetch))
    await server.asked.wait()
    began = loop.time()
    fetch.halt.set()
    assert await routing is False
    assert loop.time() - began < 0.5
    assert stream.queue.applied == {}
    # Somebody reads them again, and the place of the questions that were let go is free.
    server.say = says()
    assert await stream.router.route(fetch_of(4))
    assert set(stream.queue.departments().values()) == {"sales"}


async def test_a_cancellation_leaves_nothing_under_way(server: Server, streaming: Streaming) -> None:
    server.say = hang
    stream = streaming(second_opinion_timeout=20)
    routing = asyncio.create_task(stream.router.route(fetch_of(5)))
    await server.asked.wait()
    ours = {one for one in asyncio.all_tasks() if "opinion" in repr(one).lower() and "test_" not in repr(one)}
    assert ours
    routing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await routing
    assert all(one.done() for one in ours)


async def test_a_text_that_comes_again_is_asked_about_again(server: Server, streaming: Streaming) -> None:
    stream = streaming()
    await stream.router.route(fetch_of(1))
    server.say = says('{"label": "service", "confidence": 0.9}')
    await stream.router.route(fetch_of(1))
    assert len(server.requests) == 2
