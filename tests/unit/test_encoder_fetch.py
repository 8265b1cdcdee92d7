"""Fetching an encoder from a server of this test: both files as they are, or nothing, and why."""

import hashlib
import json
import ssl
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from typer.testing import CliRunner

from silofrei.deploy.cli.fetch_encoder import check_url, fetch_encoder
from silofrei.deploy.cli.main import app
from silofrei.routing.classifier.encoder.files import EncoderError

MODEL, TOKENIZER = b"graph" * 1000, b'{"model": {}}'
CHECKSUMS = {
    "model.onnx": hashlib.sha256(MODEL).hexdigest(),
    "tokenizer.json": hashlib.sha256(TOKENIZER).hexdigest(),
}

Answer = Callable[[BaseHTTPRequestHandler], None]


def gives(body: bytes, **headers: str) -> Answer:
    def answer(request: BaseHTTPRequestHandler) -> None:
        request.send_response(200)
        for name, value in {"Content_Length": str(len(body)), **headers}.items():
            if value:
                request.send_header(name.replace("_", "-"), value)
        request.end_headers()
        request.wfile.write(body)

    return answer


def redirects(to: str) -> Answer:
    def answer(request: BaseHTTPRequestHandler) -> None:
        request.send_response(302)
        request.send_header("Location", to)
        request.send_header("Content-Length", "0")
        request.end_headers()

    return answer


def fails(code: int) -> Answer:
    return lambda request: request.send_error(code)


@pytest.fixture
def paths() -> dict[str, Answer]:
    """What the server answers, by path; everything else is not there."""
    return {"/m/model.onnx": gives(MODEL), "/m/tokenizer.json": gives(TOKENIZER)}


@pytest.fixture
def base(paths: dict[str, Answer]) -> Iterator[str]:
    class Requests(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            paths.get(self.path, fails(404))(self)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Requests) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/m"
        server.shutdown()
        thread.join()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "encoders" / "tiny"


def nothing_is_left(folder: Path) -> bool:
    return not folder.exists() and (not folder.parent.exists() or not list(folder.parent.iterdir()))


def test_both_files_are_there_as_the_server_has_them(base: str, folder: Path) -> None:
    found = fetch_encoder(base, folder, checksums=CHECKSUMS)
    assert [(one.name, one.size, one.sha256) for one in found] == [
        ("model.onnx", len(MODEL), CHECKSUMS["model.onnx"]),
        ("tokenizer.json", len(TOKENIZER), CHECKSUMS["tokenizer.json"]),
    ]
    assert (folder / "model.onnx").read_bytes() == MODEL
    assert (folder / "tokenizer.json").read_bytes() == TOKENIZER
    assert [path.name for path in folder.parent.iterdir()] == ["tiny"]


def test_the_model_is_found_in_a_folder_of_its_own_and_by_name(
    base: str, folder: Path, paths: dict[str, Answer]
) -> None:
    paths["/m/onnx/model.onnx"] = gives(MODEL)
    paths["/m/onnx/model_int8.onnx"] = gives(b"small")
    del paths["/m/model.onnx"]
    fetch_encoder(base + "/", folder)
    assert (folder / "model.onnx").read_bytes() == MODEL
    other = folder.with_name("small")
    fetch_encoder(base, other, model="onnx/model_int8.onnx")
    assert (other / "model.onnx").read_bytes() == b"small"


def test_a_redirect_on_this_machine_and_a_file_in_pieces_are_followed(
    base: str, folder: Path, paths: dict[str, Answer]
) -> None:
    paths["/cdn/1"] = paths["/m/model.onnx"]
    paths["/m/model.onnx"] = redirects(base.removesuffix("/m") + "/cdn/1")
    pieces = b"%x\r\n%s\r\n0\r\n\r\n" % (len(TOKENIZER), TOKENIZER)
    paths["/m/tokenizer.json"] = gives(pieces, Content_Length="", Transfer_Encoding="chunked")
    fetch_encoder(base, folder, checksums=CHECKSUMS)


@pytest.mark.parametrize(
    ("path", "answer", "word"),
    [
        ("/m/model.onnx", fails(404), "the server answers 404"),
        ("/m/tokenizer.json", fails(404), r"tokenizer\.json: the server answers 404"),
        ("/m/model.onnx", fails(503), r"m/model\.onnx: the server answers 503"),
        ("/m/tokenizer.json", gives(TOKENIZER, Content_Length="50"), "cut off after 13 of 50 bytes"),
        ("/m/tokenizer.json", gives(b"5\r\nhal", Content_Length="", Transfer_Encoding="chunked"), "cut off"),
        ("/m/tokenizer.json", gives(TOKENIZER, Content_Length=""), "does not say how long"),
        ("/m/tokenizer.json", gives(TOKENIZER, Content_Encoding="gzip"), "packs the file"),
        ("/m/tokenizer.json", gives(b"x" * 101), "has 101 bytes, more than the 100"),
        (
            "/m/tokenizer.json",
            gives(b"65\r\n" + b"x" * 101 + b"\r\n0\r\n\r\n", Content_Length="", Transfer_Encoding="chunked"),
            "more than the 100 bytes",
        ),
        ("/m/tokenizer.json", gives(b"other"), r"tokenizer\.json has the SHA-256 .* not .* as --sha256 says"),
        ("/m/model.onnx", redirects("http://192.0.2.1/model.onnx"), "only https is fetched from"),
        ("/m/model.onnx", redirects("http://localhost.example.org/"), "only https is fetched from"),
        ("/m/model.onnx", redirects("file:///etc/passwd"), "not allowed"),
        ("/m/model.onnx", redirects("/m/model.onnx"), "infinite loop"),
    ],
)
def test_what_goes_wrong_is_named_and_leaves_nothing(
    base: str, folder: Path, paths: dict[str, Answer], path: str, answer: Answer, word: str
) -> None:
    paths[path] = answer
    with pytest.raises(EncoderError, match=word):
        fetch_encoder(base, folder, checksums=CHECKSUMS, largest={"model.onnx": 10_000, "tokenizer.json": 100})
    assert nothing_is_left(folder)


def test_nobody_there_is_told(folder: Path) -> None:
    with pytest.raises(EncoderError, match="Connection refused"):
        fetch_encoder("http://127.0.0.1:1/m", folder)
    assert nothing_is_left(folder)


def test_an_interruption_leaves_nothing(base: str, folder: Path) -> None:
    def interrupt(text: str) -> None:
        if "tokenizer" in text:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fetch_encoder(base, folder, tell=interrupt)
    assert nothing_is_left(folder)


def test_a_folder_that_is_there_is_left_as_it_is(base: str, folder: Path) -> None:
    folder.mkdir(parents=True)
    fetch_encoder(base, folder)
    (folder / "model.onnx").write_text("mine")
    with pytest.raises(EncoderError, match="is there already"):
        fetch_encoder(base, folder)
    assert (folder / "model.onnx").read_text() == "mine"
    with pytest.raises(EncoderError, match="is there already"):
        fetch_encoder(base, folder / "model.onnx")
    with pytest.raises(EncoderError, match="name a folder that can be made"):
        fetch_encoder(base, folder / "model.onnx" / "below")


@pytest.mark.parametrize(
    "url",
    [
        "http://example.org/m",
        "http://127.0.0.1.example.org/m",
        "http://10.0.0.1/m",
        "ftp://127.0.0.1/m",
        "file:///tmp/m",
        "example.org/m",
        "https://",
        "https://user:word@example.org/m",
        "https://example.org/m?token=1",
        "https://example.org:x/m",
        "https://[::1/m",
        "",
    ],
)
def test_a_url_that_nothing_is_fetched_from(url: str) -> None:
    with pytest.raises(EncoderError) as told:
        check_url(url)
    assert "word" not in str(told.value)


@pytest.mark.parametrize("url", ["https://example.org/a/resolve/main", "http://localhost:8000", "http://[::1]:80/m"])
def test_a_url_that_may_be_fetched_from(url: str) -> None:
    assert check_url(url) == url


def test_a_redirect_away_from_https_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    import urllib.request
    from email.message import Message
    from io import BytesIO

    from silofrei.deploy.cli.fetch_encoder import _Redirects

    request = urllib.request.Request("https://example.org/model.onnx")
    for way in ("http://127.0.0.1/model.onnx", "http://example.org/model.onnx"):
        with pytest.raises(EncoderError, match="away from https"):
            _Redirects().redirect_request(request, BytesIO(), 302, "Found", Message(), way)  # type: ignore[arg-type]  # as http.client's
    followed = _Redirects().redirect_request(
        request,
        BytesIO(),
        302,
        "Found",
        Message(),
        "https://cdn.example.org/1",  # type: ignore[arg-type]  # as above
    )
    assert followed is not None
    assert ssl.create_default_context().check_hostname


def test_the_command_says_the_checksums_and_what_comes_next(base: str, folder: Path) -> None:
    given = [f"--sha256={name}={checksum.upper()}" for name, checksum in CHECKSUMS.items()]
    done = CliRunner().invoke(app, ["model", "fetch", base, str(folder), *given])
    assert done.exit_code == 0
    assert done.stdout == (
        f"model.onnx: {len(MODEL)} bytes, SHA-256 {CHECKSUMS['model.onnx']}\n"
        f"tokenizer.json: {len(TOKENIZER)} bytes, SHA-256 {CHECKSUMS['tokenizer.json']}\n"
    )
    assert f"silofrei model use {folder}" in done.stderr
    again = CliRunner().invoke(app, ["model", "fetch", base, str(folder.with_name("b")), "--json"])
    assert [json.loads(line)["name"] for line in again.stdout.splitlines()] == ["model.onnx", "tokenizer.json"]


@pytest.mark.parametrize("given", ["model.onnx", "model.onnx=12", "other=" + "0" * 64, "tokenizer.json=" + "g" * 64])
def test_a_checksum_that_is_none_is_wrong_use(base: str, folder: Path, given: str) -> None:
    done = CliRunner().invoke(app, ["model", "fetch", base, str(folder), "--sha256", given])
    assert (done.exit_code, done.stdout) == (2, "")
    assert "--sha256" in done.stderr
    assert nothing_is_left(folder)
