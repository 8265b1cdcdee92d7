"""Every mistake that a person can make at the command line: one readable error, the right exit code, at once.

Exit codes: 0 done, 1 nothing to do or refused, 2 wrong use or configuration.
"""

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

SECONDS = 15
"""Longest that a person should wait for an error; the machine may be busy."""


class Ended:
    """A command that has ended."""

    def __init__(self, code: int, out: str, err: str, seconds: float) -> None:
        self.code, self.out, self.err, self.seconds = code, out, err, seconds

    def assert_error(self, code: int, *words: str) -> None:
        """It failed with this code and one readable message that has all these words."""
        told = f"exit code {self.code} after {self.seconds:.1f} s\nstdout: {self.out}\nstderr: {self.err}"
        assert self.code == code, told
        assert "Traceback" not in self.out + self.err, told
        for word in words:
            assert word in self.err, f"{word!r} is missing: {told}"
        # Logging may stand before it; the message itself is said once, and nothing comes after it.
        assert sum(line.startswith(("silofrei: ", "Error: ")) for line in self.err.splitlines()) == 1, told
        assert self.out == "", told
        assert self.seconds < SECONDS, told


Run = Callable[..., Ended]


@pytest.fixture
def silofrei(tmp_path: Path) -> Run:
    """Runs `silofrei ARGUMENTS` in an empty folder; keywords are settings, such as `redis`."""

    def run(*arguments: str | Path, stdin: str = "", **settings: object) -> Ended:
        clean = {name: value for name, value in os.environ.items() if not name.startswith("SILOFREI_")}
        given = {f"SILOFREI_{name.upper()}": str(value) for name, value in settings.items()}
        began = time.monotonic()
        done = subprocess.run(
            [sys.executable, "-m", "silofrei.deploy.cli.main", *map(str, arguments)],
            env={**clean, **given},
            cwd=tmp_path,
            input=stdin,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        return Ended(done.returncode, done.stdout, done.stderr, time.monotonic() - began)

    return run


# A mistake is the same in every process, so that what one run can tell at once is tried in one run.


@pytest.fixture
def closed() -> str:
    """HOST:PORT at which nothing listens."""
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{probe.getsockname()[1]}"


@pytest.fixture
def mute() -> Iterator[str]:
    """HOST:PORT of a server that takes connections and never answers."""
    with closing(socket.socket()) as server:
        server.bind(("127.0.0.1", 0))
        server.listen(64)
        yield f"127.0.0.1:{server.getsockname()[1]}"


# --- silofrei.toml

RULE = '[[rules]]\nname = "legal"\n'


@pytest.mark.parametrize(
    ("toml", "words"),
    [
        ("a = 1\nb = = 2", ["not valid TOML", "line 2, column 5"]),
        (RULE + 'then = {department = "legal"}', ["rules[0] (legal)", "unknown department 'legal'", "service, sales"]),
        (RULE + "then = {discard = true, priority = 'high'}", ["rules[0] (legal)", "discard", "remove one"]),
        (RULE + "then = {discard = true}\n" + RULE + "then = {discard = true}", ["rules[1] (legal)", "taken"]),
        ("[departments.triage]\ntitle = {de='S', en='S'}", ["departments.triage", "under [triage]"]),
    ],
)
def test_a_mistake_in_silofrei_toml_names_file_key_and_fix(silofrei: Run, tmp_path: Path, toml: str, words: list[str]):
    (tmp_path / "silofrei.toml").write_text(toml)
    silofrei("report").assert_error(2, "silofrei.toml: ", *words)


MANY_MISTAKES = """
brand = "acme"
brands = ["acme", "ACME Inc."]
version = 2

[thresholds]
service = 45

[channels.fax]
deadline = "4h"

[departments]
service = {title = {de = "S", en = "S"}, deadline = "4 hours"}
sales = {title = {de = "S", en = "S"}, deadline = "0h"}
hr = {title = {de = "S", en = "S"}, deadline = 4}
legal = {deadline = "4h"}
"Press Office" = {title = {de = "S", en = "S"}}

[[rules]]
name = "A Rule"
when = {channels = ["fax"], min_score = 2, labels = ["spam"]}
then = {priority = "asap", deadline = "soon"}

[[rules]]
name = "no-effect"
"""


def test_all_mistakes_in_silofrei_toml_are_told_at_once(silofrei: Run, tmp_path: Path):
    (tmp_path / "silofrei.toml").write_text(MANY_MISTAKES)
    done = silofrei("report")
    keys = {
        "brand = 'acme'": "unknown key",
        "brands[1] = 'ACME Inc.'": "pattern",
        "version = 2": "1",
        "thresholds.service = 45": "less than or equal to 1",
        "channels.fax": "'facebook'",
        "departments.service.deadline = '4 hours'": "'4h'",
        "departments.sales.deadline = '0h'": "'4h'",
        "departments.hr.deadline = 4": "'4h'",
        "departments.legal.title": "required",
        "departments.Press Office": "pattern",
        "rules[0].name = 'A Rule'": "pattern",
        "rules[0].when.channels[0] = 'fax'": "'facebook'",
        "rules[0].when.labels[0] = 'spam'": "'service'",
        "rules[0].when.min_score = 2": "less than or equal to 1",
        "rules[0].then.priority = 'asap'": "critical, high, normal, low",
        "rules[0].then.deadline = 'soon'": "'4h'",
        "rules[1].then": "required",
    }
    done.assert_error(2, *keys)
    lines = done.err.splitlines()
    assert len(lines) == len(keys), done.err
    for key, fix in keys.items():
        (line,) = [line for line in lines if f"silofrei.toml: {key}" in line]
        assert fix in line.partition(key)[2], line


@pytest.mark.parametrize("command", ["up", "demo", "worker", "relay", "desk", "topics", "classify -", "pull service"])
def test_a_wrong_silofrei_toml_is_told_before_anything_is_done(
    silofrei: Run, tmp_path: Path, closed: str, command: str
):
    wrong = tmp_path / "wrong.toml"
    wrong.write_text(RULE + 'then = {department = "legal"}')
    done = silofrei(*command.split(), config=wrong, kafka=closed, redis=f"redis://{closed}", desk_port=0)
    done.assert_error(2, "wrong.toml: rules[0] (legal): unknown department 'legal'")
    assert [one.name for one in tmp_path.iterdir()] == ["wrong.toml"]


def test_a_silofrei_toml_that_cannot_be_read(silofrei: Run, tmp_path: Path):
    silofrei("report", "--config", "nowhere.toml").assert_error(2, "nowhere.toml", "No such file", "--config")
    silofrei("report", config=tmp_path).assert_error(2, str(tmp_path), "directory")
    (tmp_path / "latin.toml").write_bytes("brands = ['grün']".encode("latin-1"))
    silofrei("report", config="latin.toml").assert_error(2, "latin.toml", "UTF-8")


# --- Settings


def test_all_wrong_settings_are_told_at_once_with_variable_value_and_fix(silofrei: Run):
    wrong = {
        "kafka": ("nonsense", "HOST:PORT"),
        "kafka_security": ("TLS", "SASL_SSL"),
        "redis_durability": ("never", "waitaof"),
        "redis_timeout": ("0", "greater than 0"),
        "batch_records": ("many", "integer"),
        "lease": ("1", "greater than or equal to 5"),
        "topic_prefix": ("staging", "ends with a dot"),
        "metrics_port": ("70000", "65535"),
        "worker_slot": ("a b", "pattern"),
        "log_level": ("loud", "debug"),
    }
    done = silofrei("report", **{name: value for name, (value, _) in wrong.items()})
    done.assert_error(2)
    lines = done.err.splitlines()
    assert len(lines) == len(wrong), done.err
    for name, (value, fix) in wrong.items():
        (line,) = [line for line in lines if f"SILOFREI_{name.upper()}={value!r}: " in line]
        assert fix in line, line


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"kafka_security": "SASL_SSL", "kafka_username": "u"}, ["SILOFREI_KAFKA_PASSWORD", "needed", "secrets file"]),
        ({"redis": "localhost:6379"}, ["SILOFREI_REDIS='localhost:6379'", "redis://"]),
        ({"redis": "redis://u:hunter2@some"}, ["SILOFREI_REDIS='redis://***@some'", "SILOFREI_REDIS_PASSWORD"]),
        ({"tombstone_hours": "100"}, ["SILOFREI_TOMBSTONE_HOURS=100", "SILOFREI_RETENTION_RAW_HOURS=168"]),
        ({"secrets_dir": "/nowhere"}, ["SILOFREI_SECRETS_DIR=/nowhere", "create it"]),
    ],
)
def test_settings_that_do_not_go_together(silofrei: Run, settings: dict[str, str], words: list[str]):
    done = silofrei("report", **settings)
    done.assert_error(2, *words)
    assert "hunter2" not in done.err


def test_a_secret_that_is_missing_in_its_folder(silofrei: Run, tmp_path: Path):
    (tmp_path / "secrets").mkdir()
    given = {"kafka_security": "SASL_PLAINTEXT", "kafka_username": "u", "secrets_dir": tmp_path / "secrets"}
    silofrei("topics", **given).assert_error(2, "SILOFREI_KAFKA_PASSWORD")
    # With it, that is no longer what is wrong.
    (tmp_path / "secrets" / "SILOFREI_KAFKA_PASSWORD").write_text("hunter2")
    done = silofrei("topics", **given, kafka="127.0.0.1:1")
    done.assert_error(2, "SILOFREI_KAFKA='127.0.0.1:1': no broker answers over SASL_PLAINTEXT")
    assert "hunter2" not in done.err


@pytest.mark.parametrize("command", ["topics", "worker"])
def test_ca_certificates_that_are_none(silofrei: Run, tmp_path: Path, closed: str, command: str):
    (tmp_path / "none.pem").write_text("none")
    for path in ("nowhere.pem", "none.pem"):
        done = silofrei(command, kafka=closed, kafka_security="SSL", kafka_ca=path)
        done.assert_error(2, f"SILOFREI_KAFKA_CA='{path}'", "PEM")


# --- What the commands need


@pytest.mark.parametrize(
    "command", ["worker", "relay", "ledger", "topics", "ingest -", "dead-letters list", "dead-letters redrive a"]
)
def test_an_unreachable_broker(silofrei: Run, closed: str, redis_url: str, command: str):
    line = json.dumps({"channel": "x", "body": {}}) + "\n"
    done = silofrei(*command.split(), stdin=line, kafka=closed, redis=redis_url, data="data")
    done.assert_error(2, f"SILOFREI_KAFKA='{closed}'", "no broker answers", "silofrei up")


@pytest.mark.parametrize("command", ["worker", "dead-letters list"])
def test_a_broker_that_does_not_answer(silofrei: Run, mute: str, redis_url: str, command: str):
    done = silofrei(*command.split(), kafka=mute, redis=redis_url, data="data")
    done.assert_error(2, f"SILOFREI_KAFKA='{mute}'", "no broker answers")


def test_a_broker_whose_name_nobody_knows(silofrei: Run):
    silofrei("topics", kafka="nowhere.invalid:9092").assert_error(2, "SILOFREI_KAFKA='nowhere.invalid:9092'")


@pytest.mark.parametrize("command", ["pull service", "show t-1", "resolve t-1 --token 1"])
def test_an_unreachable_redis(silofrei: Run, closed: str, command: str):
    done = silofrei(*command.split(), redis=f"redis://{closed}")
    done.assert_error(2, f"redis://{closed}", "SILOFREI_REDIS", "silofrei doctor")


def test_a_redis_that_does_not_answer_or_is_none(silofrei: Run, mute: str, tmp_path: Path):
    silofrei("pull", "service", redis=f"redis://{mute}", redis_timeout=1).assert_error(2, mute, "SILOFREI_REDIS")
    silofrei("pull", "service", redis=f"unix://{tmp_path}/no.sock").assert_error(2, "no.sock", "SILOFREI_REDIS")
    silofrei("pull", "service", redis="redis://nowhere.invalid").assert_error(2, "nowhere.invalid")


def test_doctor_tells_all_of_it_and_what_to_do(silofrei: Run, closed: str):
    done = silofrei("doctor", kafka=closed, redis=f"redis://{closed}")
    assert done.code == 2
    assert (done.err, "Traceback" in done.out) == ("", False)
    wrong = [line for line in done.out.splitlines() if line.startswith("FIX")]
    assert [line.split()[1] for line in wrong] == ["broker", "redis"]
    assert "start Redis or Valkey" in done.out
    checks = [
        json.loads(line)
        for line in silofrei("doctor", "--json", kafka=closed, redis=f"redis://{closed}").out.splitlines()
    ]
    assert {one["name"] for one in checks if not one["good"]} == {"broker", "redis"}


@pytest.mark.parametrize("command", ["worker", "relay", "ledger"])
def test_topics_that_nobody_has_made(silofrei: Run, local_kafka: str, redis_url: str, command: str):
    given = {"kafka": local_kafka, "redis": redis_url, "topic_prefix": "nobody.made.", "data": "data"}
    silofrei(command, **given).assert_error(2, "topic nobody.made.", "is missing", "silofrei topics")


@pytest.mark.parametrize("command", ["worker", "relay", "ledger"])
def test_a_metrics_port_that_is_taken(
    silofrei: Run, local_kafka: str, redis_url: str, mute: str, topic_prefix: str, command: str
):
    port = mute.rpartition(":")[2]
    given = {"kafka": local_kafka, "redis": redis_url, "topic_prefix": topic_prefix, "data": "data"}
    assert silofrei("topics", **given).code == 0
    done = silofrei(command, metrics_port=port, **given)
    done.assert_error(2, f"SILOFREI_METRICS_PORT={port}", "port of its own")


def test_a_desk_port_that_is_taken(silofrei: Run, redis_url: str, mute: str):
    port = mute.rpartition(":")[2]
    silofrei("desk", redis=redis_url, desk_port=port, data="data").assert_error(2, f"SILOFREI_DESK_PORT={port}")


@pytest.mark.parametrize("command", ["up --kafka memory", "demo --kafka memory", "ledger"])
def test_a_data_folder_that_cannot_be_written(
    silofrei: Run, tmp_path: Path, memory_kafka: str, redis_url: str, command: str
):
    # Below a file, so that it holds for root, too.
    (tmp_path / "file").write_text("")
    given = {"kafka": memory_kafka, "kafka_memory": True, "redis": redis_url, "desk_port": 0}
    silofrei(*command.split(), data="file/data", **given).assert_error(2, "file/data", "Not a directory")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--kafka", "somewhere"], ["somewhere", "HOST:PORT"]),
        (["--kafka", "127.0.0.1:1"], ["127.0.0.1:1", "no broker answers"]),
        (["--redis", "localhost"], ["SILOFREI_REDIS='localhost'", "redis://"]),
        (["--redis", "redis://u:hunter2@localhost"], ["redis://***@localhost", "SILOFREI_REDIS_PASSWORD"]),
        (["--kafka", "memory", "--redis", "redis://127.0.0.1:1"], ["redis://127.0.0.1:1", "not available"]),
        (["--workers", "0"], ["--workers", "1"]),
    ],
)
@pytest.mark.usefixtures("memory_kafka")
def test_up_with_a_wrong_option(silofrei: Run, options: list[str], words: list[str]):
    done = silofrei("up", *options, data="data", desk_port=0)
    done.assert_error(2, *words)
    assert "hunter2" not in done.err


# --- How the commands are used


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("frobnicate", ["No such command", "frobnicate"]),
        ("pull", ["Missing argument", "department"]),
        ("pull service --fast", ["No such option", "--fast"]),
        ("pull legal", ["unknown department 'legal'", "service, sales, hr, pr, triage"]),
        ("pull service --brand nobody", ["--brand nobody", "not configured", "demo"]),
        ("pull service --lease forever", ["--lease forever", "30m"]),
        ("pull service --lang fr", ["--lang fr", "de or en"]),
        ("extend t-1", ["--token"]),
        ("release t-1 --token abc", ["--token", "integer"]),
        ("transfer t-1 legal --token 1 --reason x", ["unknown department 'legal'"]),
        ("transfer t-1 sales --token 1", ["--reason"]),
        ("resolve t-1 --token 1 --outcome maybe", ["--outcome", "answered"]),
        ("report --since 2026-02-30", ["--since", "date"]),
        ("report --brand nobody", ["--brand nobody", "demo"]),
        ("ingest nowhere.jsonl", ["nowhere.jsonl", "No such file"]),
        ("ingest .", [".", "directory"]),
        ("ingest - --brand nobody", ["--brand nobody", "demo"]),
        ("ingest - --channel fax", ["--channel", "mastodon"]),
        ("classify nowhere.jsonl", ["nowhere.jsonl", "No such file"]),
        ("dead-letters lost", ["No such command", "lost"]),
        ("schemas /dev/null/folder", ["/dev/null/folder"]),
    ],
)
def test_wrong_use(silofrei: Run, closed: str, command: str, words: list[str]):
    silofrei(*command.split(), kafka=closed, redis=f"redis://{closed}").assert_error(2, *words)


def test_no_command_shows_the_commands(silofrei: Run):
    done = silofrei()
    assert done.code == 2
    assert "Usage: silofrei" in done.out + done.err
    assert "pull" in done.out + done.err


def test_lines_that_cannot_be_classified_are_told_and_the_others_are(silofrei: Run):
    lines = [
        '{"id": 1, "text": "Mein Rad ist kaputt"}',
        "{",
        "[]",
        '{"id": 2}',
        '{"id": 3, "text": 4}',
        '{"id": 5, "text": "x", "a": 1}',
    ]
    done = silofrei("classify", "-", stdin="\n".join(lines))
    assert done.code == 1
    assert [json.loads(line)["id"] for line in done.out.splitlines()] == [1]
    assert "Traceback" not in done.err
    assert [line.partition(": ")[2][:6] for line in done.err.splitlines()] == [f"line {n}" for n in range(2, 7)]


def test_lines_that_cannot_be_ingested_are_told_and_the_others_go_in(
    silofrei: Run, local_kafka: str, redis_url: str, topic_prefix: str
):
    given = {"kafka": local_kafka, "redis": redis_url, "topic_prefix": topic_prefix, "data": "data"}
    assert silofrei("topics", **given).code == 0
    lines = [
        '{"channel": "cloudevents", "body": {}}',
        "{",
        "[]",
        '{"channel": "fax", "body": {}}',
        '{"channel": "cloudevents"}',
        '{"channel": "cloudevents", "body": "%", "body_encoding": "base64"}',
    ]
    done = silofrei("ingest", "-", "--json", stdin="\n".join(lines), **given)
    assert done.code == 1
    total = json.loads(done.out)
    assert (total["refused"], total["accepted"]) == (5, 1)
    assert "Traceback" not in done.err
    assert [f"line {n}:" in done.err for n in range(1, 7)] == [False, True, True, True, True, True]


# --- Refused, or nothing to do


def test_nothing_to_do_and_refusals_are_exit_code_1(silofrei: Run, redis_url: str):
    for command, word in [
        ("pull service", "no ticket is waiting for service"),
        ("show t-none", "t-none"),
        ("extend t-none --token 1", "t-none"),
        ("release t-none --token 1", "t-none"),
        ("transfer t-none sales --token 1 --reason x", "t-none"),
        ("resolve t-none --token 1", "t-none"),
    ]:
        silofrei(*command.split(), redis=redis_url).assert_error(1, word)


def test_unknown_topics_differences_are_refusals(silofrei: Run, local_kafka: str, topic_prefix: str):
    given = {"kafka": local_kafka, "topic_prefix": topic_prefix}
    done = silofrei("topics", "--check", **given)
    assert (done.code, done.err) == (1, "")
    assert f"{topic_prefix}mentions.raw: missing" in done.out
    assert silofrei("topics", **given).code == 0
    done = silofrei("topics", **given, topic_partitions=7, retention_raw_hours=5)
    assert (done.code, done.err) == (1, "")
    assert f"topic {topic_prefix}mentions.raw has 4 partitions" in done.out
