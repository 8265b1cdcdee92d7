"""`silofrei demo` as a user starts it: one round to the end, and a running one that others pull from."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

SILOFREI = [sys.executable, "-m", "silofrei.deploy.cli.main"]
READY = 90.0


def environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith("SILOFREI_")}


def run(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*SILOFREI, *arguments], cwd=cwd, env=environment(), capture_output=True, text=True, check=False, timeout=110
    )


def test_one_round_comes_out_as_it_went_in(tmp_path: Path) -> None:
    found = run("demo", "--once", "--kafka", "memory", "--json", cwd=tmp_path)
    assert found.returncode == 0, found.stderr
    total = json.loads(found.stdout)
    assert total["balanced"]
    assert total["mentions"] == total["out"] >= 300
    assert all(total["in_tickets"][queue] for queue in ("service", "sales", "hr", "pr", "triage"))
    assert sum(total["dead_letters"].values()) >= 8
    assert list(tmp_path.iterdir()) == [], "one round leaves nothing behind"


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("demo")
    with (folder / "out.txt").open("w") as out:
        process = subprocess.Popen(
            [*SILOFREI, "demo", "--kafka", "memory", "--speed", "30"],
            cwd=folder,
            env={**environment(), "SILOFREI_DESK_PORT": "0"},
            stdout=out,
            stderr=subprocess.STDOUT,
        )
        try:
            deadline = time.monotonic() + READY
            while "The feed is through" not in (folder / "out.txt").read_text():
                assert process.poll() is None, (folder / "out.txt").read_text()
                assert time.monotonic() < deadline, (folder / "out.txt").read_text()
                time.sleep(0.2)
            yield folder
            process.send_signal(signal.SIGINT)
            assert process.wait(30) == 0
        finally:
            process.kill()
            process.wait()
    assert re.search(r"^redis stops$", (folder / "out.txt").read_text(), re.MULTILINE)


def test_it_says_what_it_is_and_where_to_look(demo: Path) -> None:
    said = (demo / "out.txt").read_text()
    assert "in memory" in said
    assert re.search(r"Desk +http://127\.0\.0\.1:\d+", said)
    assert "are simulated" in said
    assert "Traceback" not in said


def test_twelve_pulls_at_once_never_give_the_same_ticket(demo: Path) -> None:
    pulls = [
        subprocess.Popen(
            [*SILOFREI, "pull", "service", "--json", "--holder", f"person-{number}"],
            cwd=demo,
            env=environment(),
            stdout=subprocess.PIPE,
            text=True,
        )
        for number in range(12)
    ]
    tickets = [json.loads(pull.communicate(timeout=100)[0])["id"] for pull in pulls]
    assert len(set(tickets)) == 12


def test_a_ticket_from_pull_to_resolve(demo: Path) -> None:
    pulled = run("pull", "pr", "--json", "--holder", "anna", cwd=demo)
    assert pulled.returncode == 0, pulled.stderr
    ticket = json.loads(pulled.stdout)
    token = str(ticket["lease"]["token"])
    stale = run("resolve", ticket["id"], "--token", "1", cwd=demo)
    assert stale.returncode == 1
    assert "Traceback" not in stale.stderr
    moved = run("transfer", ticket["id"], "sales", "--token", token, "--reason", "wants to buy", cwd=demo)
    assert moved.returncode == 0, moved.stderr
    shown = run("show", ticket["id"], "--lang", "de", cwd=demo)
    assert "Vertrieb" in shown.stdout
    again = run("resolve", ticket["id"], "--token", token, cwd=demo)
    assert again.returncode == 1, "the token went with the transfer"


def test_text_and_json_name_the_same_ticket_and_nobody_waits_for_an_empty_queue(demo: Path) -> None:
    said = run("pull", "hr", "--lang", "de", cwd=demo)
    assert said.returncode == 0, said.stderr
    assert "Personal" in said.stdout
    unknown = run("pull", "legal", cwd=demo)
    assert unknown.returncode == 2
    assert "service, sales, hr, pr, triage" in unknown.stderr


def test_the_report_and_the_doctor_see_the_running_system(demo: Path) -> None:
    report = run("report", "--json", cwd=demo)
    assert report.returncode == 0, report.stderr
    assert json.loads(report.stdout)["total"]["opened"] > 100
    doctor = run("doctor", "--json", cwd=demo)
    assert doctor.returncode == 0, doctor.stdout + doctor.stderr
    assert all(json.loads(line)["good"] for line in doctor.stdout.splitlines())


def test_dead_letters_are_listed(demo: Path) -> None:
    found = run("dead-letters", "list", "--json", cwd=demo)
    assert found.returncode == 0, found.stderr
    assert len(found.stdout.splitlines()) >= 8
