"""`silofrei classify`: JSON lines in, JSON lines out in the same order, and each bad line named."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

FIELDS = ["id", "department", "scores", "abstained", "language", "model"]
LABELS = ["service", "sales", "hr", "pr", "none"]
DONE, REFUSED = 0, 1

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def classify(tmp_path: Path) -> Run:
    """Runs `silofrei classify FILE` on these lines."""

    def run(*lines: object, file: str = "-") -> subprocess.CompletedProcess[str]:
        clean = {name: value for name, value in os.environ.items() if not name.startswith("SILOFREI_")}
        return subprocess.run(
            [sys.executable, "-m", "silofrei.deploy.cli.main", "classify", file],
            env=clean,
            cwd=tmp_path,
            input="".join((line if isinstance(line, str) else json.dumps(line)) + "\n" for line in lines),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    return run


def test_answers_come_in_the_order_of_the_lines_with_the_promised_fields(classify: Run) -> None:
    ids = [f"m-{number}" for number in range(1200, 0, -1)]  # more than two batches
    texts = ("Mein Zug ist ausgefallen, ich will eine Erstattung", "How much is the annual pass for two people?")
    done = classify(*({"id": one, "text": texts[place % 2]} for place, one in enumerate(ids)))
    assert (done.returncode, done.stderr) == (DONE, "")
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert [one["id"] for one in answers] == ids
    for place, one in enumerate(answers):
        assert list(one) == FIELDS
        assert list(one["scores"]) == LABELS
        assert sum(one["scores"].values()) == pytest.approx(1, abs=5e-4)
        assert one["department"] == max(LABELS, key=one["scores"].get) == ("service", "sales")[place % 2]
        assert one["language"] == ("de", "en")[place % 2]
        assert one["abstained"] is False
        assert one["model"].startswith("linear-")


def test_the_department_is_named_even_where_it_abstains(classify: Run) -> None:
    done = classify(
        {"id": 1, "text": ""},
        {"id": 2, "text": "Je voudrais savoir quand mon colis arrive", "lang": "fr"},
        {"id": 3, "text": "ok", "lang": "de"},
        {"id": 4, "text": "😀"},
    )
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert [one["id"] for one in answers] == [1, 2, 3, 4]
    assert [one["language"] for one in answers] == ["und", "other", "de", "und"]
    assert [one["abstained"] for one in answers][:2] == [True, True]
    assert all(one["department"] in LABELS for one in answers)


def test_bad_lines_are_named_and_the_others_answered(classify: Run) -> None:
    good = {"id": "good", "text": "Wo ist mein Paket?"}
    done = classify(
        "no json",
        "",
        {"id": "no text"},
        {"id": "more", "text": "x", "colour": "red"},
        {"id": None, "text": "x"},
        '{"id": "torn", "text": "\\ud800"}',
        good,
    )
    assert done.returncode == REFUSED
    assert [json.loads(line)["id"] for line in done.stdout.splitlines()] == ["good"]
    said = done.stderr.splitlines()
    assert [line.split(":")[1].strip() for line in said] == ["line 1", "line 3", "line 4", "line 5", "line 6"]
    assert all(line.startswith("silofrei: ") and line.endswith("the line was left out") for line in said)
    assert "text" in said[1]
    assert "colour" in said[2]


def test_a_file_gives_what_standard_input_gives(classify: Run, tmp_path: Path) -> None:
    line = {"id": 7, "text": "Ab wann kann man sich auf die Stelle bewerben?"}
    (tmp_path / "texts.jsonl").write_text(json.dumps(line), encoding="utf-8")
    assert classify(file="texts.jsonl").stdout == classify(line).stdout != ""
