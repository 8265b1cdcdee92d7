"""`silofrei classify --second-opinion` and what `silofrei doctor` says of it, with a server of ours on this machine."""

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

KEY = "key-hunter2"
UNSURE = {"id": 1, "text": "@max Bonjour, combien coûte ce vélo? Tél. 0171 1234567", "lang": "fr"}
SURE = {"id": 2, "text": "Mein Zug ist ausgefallen, ich will eine Erstattung", "lang": "de"}
WORDLESS = {"id": 3, "text": "😀"}


class Server(ThreadingHTTPServer):
    """Says `says`; remembers what it was asked."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.says = '{"label": "sales", "confidence": 0.95}'
        self.status = 200
        self.pause = 0.0
        self.asked: list[dict[str, Any]] = []
        self.keys: list[str | None] = []


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.keys.append(self.headers["Authorization"])
        self.server.asked.append(json.loads(body["messages"][-1]["content"]))
        time.sleep(self.server.pause)
        answer = json.dumps({"choices": [{"message": {"content": self.server.says}}]}).encode()
        try:
            self.send_response(self.server.status)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)
        except ConnectionError:
            pass

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # its name there
        pass


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as ours:
        thread = threading.Thread(target=ours.serve_forever, daemon=True)
        thread.start()
        yield ours
        ours.shutdown()
        thread.join()


Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def silofrei(tmp_path: Path, server: Server) -> Run:
    """Runs `silofrei ARGUMENTS` on these lines, with the server as its settings."""

    def run(*arguments: str, lines: tuple[object, ...] = (), **settings: object) -> subprocess.CompletedProcess[str]:
        clean = {name: value for name, value in os.environ.items() if not name.startswith("SILOFREI_")}
        given = {
            "second_opinion_url": f"http://127.0.0.1:{server.server_port}/v1",
            "second_opinion_model": "m-7b",
            "second_opinion_api_key": KEY,
            "kafka": "127.0.0.1:1",
            "redis": "redis://127.0.0.1:1",
            **settings,
        }
        set_up = {f"SILOFREI_{name.upper()}": str(value) for name, value in given.items() if value is not None}
        done = subprocess.run(
            [sys.executable, "-m", "silofrei.deploy.cli.main", *arguments],
            env={**clean, **set_up},
            cwd=tmp_path,
            input="".join(json.dumps(line) + "\n" for line in lines),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert "hunter2" not in done.stdout + done.stderr
        assert "Traceback" not in done.stdout + done.stderr
        return done

    return run


def answers(done: subprocess.CompletedProcess[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_without_the_option_nothing_leaves(silofrei: Run, server: Server) -> None:
    done = silofrei("classify", "-", lines=(UNSURE, SURE))
    assert (done.returncode, done.stderr) == (0, "")
    assert [one["abstained"] for one in answers(done)] == [True, False]
    assert server.asked == []


def test_with_it_unsure_texts_get_a_second_opinion_and_say_so(silofrei: Run, server: Server) -> None:
    done = silofrei("classify", "-", "--second-opinion", lines=(UNSURE, SURE, WORDLESS))
    assert done.returncode == 0
    unsure, sure, wordless = answers(done)
    assert (unsure["department"], unsure["abstained"]) == ("sales", False)
    assert unsure["model"] == sure["model"] + "+m-7b"
    assert sum(unsure["scores"].values()) == pytest.approx(1, abs=5e-4)
    assert wordless["abstained"] is True
    assert wordless["model"] == sure["model"]
    assert server.asked == [{"post": "[handle] Bonjour, combien coûte ce vélo? Tél. [number]"}]
    assert server.keys == [f"Bearer {KEY}"]
    assert "1 unsure texts have no second opinion" in done.stderr


def test_all_texts_of_a_file_are_asked_about_a_few_at_once(silofrei: Run, server: Server) -> None:
    lines = tuple(UNSURE | {"id": number} for number in range(21))
    done = silofrei("classify", "-", "--second-opinion", lines=lines, second_opinion_at_once=4)
    assert (done.returncode, done.stderr) == (0, "")
    assert [(one["id"], one["abstained"]) for one in answers(done)] == [(number, False) for number in range(21)]
    assert len(server.asked) == 21


@pytest.mark.parametrize("status", [500, 429, 302])
def test_a_server_that_fails_leaves_the_local_answers(silofrei: Run, server: Server, status: int) -> None:
    server.status = status
    lines = tuple(UNSURE | {"id": number} for number in range(21))
    done = silofrei("classify", "-", "--second-opinion", lines=lines, second_opinion_at_once=4)
    assert done.returncode == 0
    assert all(one["abstained"] and "+" not in one["model"] for one in answers(done))
    assert "21 unsure texts have no second opinion" in done.stderr
    assert f"HTTP {status}" in done.stderr
    assert len(server.asked) == 4


def test_the_option_without_a_server_names_what_to_set(silofrei: Run) -> None:
    done = silofrei("classify", "-", "--second-opinion", lines=(UNSURE,), second_opinion_url=None)
    assert (done.returncode, done.stdout) == (2, "")
    assert "SILOFREI_SECOND_OPINION_URL" in done.stderr


def checked(done: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    (check,) = [one for one in answers(done) if one["name"] == "second-opinion"]
    return check


def test_the_doctor_says_that_it_is_off(silofrei: Run, server: Server) -> None:
    check = checked(silofrei("doctor", "--json", second_opinion_url=None))
    assert (check["good"], check["detail"]) == (True, "off: no text leaves the company")
    assert server.asked == []


def test_the_doctor_says_that_it_answers(silofrei: Run, server: Server) -> None:
    check = checked(silofrei("doctor", "--json"))
    assert check["good"] is True
    assert "m-7b answers in " in check["detail"]
    assert len(server.asked) == 1


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"status": 401}, ["HTTP 401", "SILOFREI_SECOND_OPINION_API_KEY"]),
        ({"status": 404}, ["HTTP 404", "SILOFREI_SECOND_OPINION_MODEL"]),
        ({"says": "Sales, I think."}, ["m-7b", "no JSON object", "follows instructions"]),
        ({"pause": 1.0}, ["no answer within 0.5 s"]),
    ],
)
def test_the_doctor_says_what_is_wrong_and_what_to_do(
    silofrei: Run, server: Server, changes: dict[str, Any], words: list[str]
) -> None:
    for name, value in changes.items():
        setattr(server, name, value)
    done = silofrei("doctor", "--json", second_opinion_timeout=0.5)
    check = checked(done)
    assert done.returncode == 2
    assert check["good"] is False
    for word in words:
        assert word in check["detail"] + check["fix"]


def test_the_doctor_names_a_brand_that_does_not_exist(silofrei: Run, server: Server) -> None:
    check = checked(silofrei("doctor", "--json", second_opinion_brands="nordwnd"))
    assert check["good"] is False
    assert "nordwnd" in check["detail"]
    assert server.asked == []
