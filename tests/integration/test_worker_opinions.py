"""A real worker with a second opinion: unsure mentions find their department; one that hangs holds up nothing."""

import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

pytestmark = pytest.mark.slow


class Server(ThreadingHTTPServer):
    """Says sales, or nothing until it may."""

    daemon_threads = True
    block_on_close = False

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.may = threading.Event()
        self.posts = []


class Handler(BaseHTTPRequestHandler):
    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.posts.append(json.loads(body["messages"][-1]["content"])["post"])
        self.server.may.wait(60)
        said = '{"label": "sales", "confidence": 0.95}'
        answer = json.dumps({"choices": [{"message": {"content": said}}]}).encode()
        try:
            self.send_response(200)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)
        except ConnectionError:
            pass

    def log_message(self, *_):
        pass


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as ours:
        thread = threading.Thread(target=ours.serve_forever, daemon=True)
        thread.start()
        yield ours
        ours.may.set()
        ours.shutdown()
        thread.join()


@pytest.fixture
def asks(server):
    """Settings of a worker that asks this server."""
    return {
        "second_opinion_url": f"http://127.0.0.1:{server.server_port}/v1",
        "second_opinion_model": "m-7b",
        "second_opinion_timeout": 1,
    }


def french(native, number):
    return native.mention(f"f{number}", text="@max Combien coûte ce vélo?", language="fr", thread=f"t{number}")


def departments(surroundings):
    return sorted(event["department"] for event in surroundings.events() if event["type"] == "ticket.opened")


def test_unsure_mentions_find_their_department(surround, memory_kafka, native, server, asks):
    surroundings = surround(memory_kafka, kafka_memory=True)
    server.may.set()
    worker = surroundings.worker(**asks)
    surroundings.send(*[french(native, number) for number in range(3)], native.mention("sure"))
    surroundings.wait_for(lambda: surroundings.lag() == 0, 30, worker)
    assert departments(surroundings) == ["sales", "sales", "sales", "service"]
    assert server.posts == ["[handle] Combien coûte ce vélo?"] * 3
    models = {event["classification"]["model"] for event in surroundings.events() if event["type"] == "ticket.opened"}
    assert sorted("+m-7b" in model for model in models) == [False, True]
    assert worker.metric('silofrei_second_opinions_total{outcome="settled"}') == 3
    assert worker.metric("silofrei_second_opinion_seconds_count") == 3
    assert worker.stop(10) == 0
    assert "Traceback" not in worker.says()
    assert "Unclosed" not in worker.says()


def test_a_server_that_hangs_holds_up_nothing(surround, memory_kafka, native, server, asks):
    surroundings = surround(memory_kafka, kafka_memory=True)
    worker = surroundings.worker(**asks)
    for part in range(5):
        surroundings.send(*[french(native, part * 100 + number) for number in range(100)])
    began = time.monotonic()
    surroundings.wait_for(lambda: surroundings.lag() == 0, 30, worker)
    # One time-out of a second; then the server is left alone.
    assert time.monotonic() - began < 10
    assert departments(surroundings) == ["triage"] * 500
    assert worker.metric("silofrei_second_opinion_breaker_open") == 1
    assert worker.metric('silofrei_second_opinions_total{outcome="timed_out"}') == len(server.posts) == 4
    assert worker.says().count("The second opinion fails (no answer within 1 s)") == 1


def test_a_worker_that_is_told_to_stop_does_not_wait_for_an_opinion(surround, memory_kafka, native, server, asks):
    surroundings = surround(memory_kafka, kafka_memory=True)
    worker = surroundings.worker(**{**asks, "second_opinion_timeout": 30})
    surroundings.send(french(native, 1))
    surroundings.wait_for(lambda: server.posts, 20, worker)
    began = time.monotonic()
    assert worker.stop(20) == 0
    assert time.monotonic() - began < 7
    assert surroundings.mentions() == {}
    # Who comes after it takes the mention, and asks anew.
    server.may.set()
    second = surroundings.worker(**asks)
    surroundings.wait_for(lambda: surroundings.lag() == 0, 30, second)
    assert departments(surroundings) == ["sales"]
    assert len(server.posts) == 2
