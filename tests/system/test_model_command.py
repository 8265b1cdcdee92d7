"""`silofrei model`: what a person types, sees and finds on disk. Training itself is tested where it lies."""

import json
import os
import shutil
import stat
import subprocess
import sys
from collections.abc import Callable
from importlib.resources import as_file, files
from pathlib import Path

import pytest

from silofrei.routing.classifier.stored import Weights, write_model

DONE, REFUSED, WRONG = 0, 1, 2
LABELLED = [
    {"text": "Mein Zug ist ausgefallen, ich will eine Erstattung", "label": "service", "lang": "de", "secondary": []},
    {"text": "How much is the annual pass for two people?", "label": "sales", "lang": "en"},
    {
        "text": "Wann ist die Bewerbungsfrist für die Ausbildung, und an wen schicke ich meinen Lebenslauf?",
        "label": "hr",
        "lang": "de",
    },
]

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def silofrei(tmp_path: Path) -> Run:
    """Runs `silofrei ARGUMENTS`; keywords are settings."""

    def run(*arguments: str, stdin: str = "", **settings: object) -> subprocess.CompletedProcess[str]:
        clean = {name: value for name, value in os.environ.items() if not name.startswith("SILOFREI_")}
        return subprocess.run(
            [sys.executable, "-m", "silofrei.deploy.cli.main", *arguments],
            env=clean | {f"SILOFREI_{name.upper()}": str(value) for name, value in settings.items()},
            cwd=tmp_path,
            input=stdin,
            capture_output=True,
            text=True,
            timeout=140,
            check=False,
        )

    return run


@pytest.fixture
def models(tmp_path: Path) -> Path:
    """The folder of the models, with two copies of the packaged one under other names."""
    folder = tmp_path / "silofrei-data" / "models"
    with as_file(files("silofrei.routing.classifier") / "trained") as packaged:
        for name in ("a", "b"):
            shutil.copytree(packaged, folder / name)
            card = json.loads((folder / name / "model.json").read_text())
            (folder / name / "model.json").write_text(json.dumps({**card, "name": f"linear-{name}", "corrections": 3}))
    return folder


def lines(*items: object) -> str:
    return "".join((item if isinstance(item, str) else json.dumps(item)) + "\n" for item in items)


def test_a_model_is_listed_used_and_rolled_back(silofrei: Run, models: Path) -> None:
    assert silofrei("model", "use", "a").stdout == "a is active\n"
    assert silofrei("model", "use", "b").returncode == DONE
    shown = [json.loads(line) for line in silofrei("model", "list", "--json").stdout.splitlines()]
    assert [(one["name"], one["active"], one["before"]) for one in shown] == [
        ("packaged", False, []), ("a", False, []), ("b", True, ["a", "packaged"]),
    ]  # fmt: skip
    assert shown[1]["model"].startswith("linear-a-")
    table = silofrei("model", "list", "--lang", "de").stdout
    assert "Modell" in table
    assert "Ein Rückschritt führt zu: a, packaged" in table
    answer = silofrei("classify", "-", stdin=lines({"id": 1, "text": "Wo ist mein Paket?"})).stdout
    assert json.loads(answer)["model"].startswith("linear-b-"), "other commands take the active model, too"
    assert silofrei("model", "rollback").stdout == "a is active again\n"
    assert silofrei("model", "rollback").stdout == "packaged is active again\n"
    last = silofrei("model", "rollback")
    assert (last.returncode, last.stdout) == (REFUSED, "")
    assert "no model was active before 'packaged'" in last.stderr
    assert json.loads((models / "active.json").read_text())["active"] == "packaged"


def test_a_damaged_model_is_shown_and_cannot_be_used(silofrei: Run, models: Path) -> None:
    (models / "a" / "model.npz").write_bytes(b"damaged")
    used = silofrei("model", "use", "a")
    assert (used.returncode, used.stdout) == (WRONG, "")
    assert "does not have the checksum" in used.stderr
    assert not (models / "active.json").exists()
    listed = silofrei("model", "list")
    assert listed.returncode == DONE
    assert "cannot be used: model" in listed.stdout
    (models / "active.json").write_text('{"v": 1, "active": "a"}')
    assert "checksum" in silofrei("classify", "-").stderr
    assert "silofrei model use packaged" in silofrei("doctor", kafka="127.0.0.1:1", redis="redis://127.0.0.1:1").stdout


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("model use gone", ["no model 'gone'", "packaged"]),
        ("model shadow gone -", ["no model 'gone'", "packaged"]),
        ("model evaluate --model gone", ["no model 'gone'"]),
        ("model evaluate nowhere.jsonl", ["nowhere.jsonl", "No such file"]),
        ("model use packaged --data /dev/null", ["/dev/null/models/active.json", "cannot be written"]),
        ("model evaluate --lang fr", ["--lang fr", "de or en"]),
        ("model evaluate --html /dev/null/x.html", ["--html /dev/null/x.html"]),
        ("model train --name packaged", ["--name packaged"]),
        ("model train --name ../up", ["--name ../up"]),
        ("model train --tolerance 2", ["--tolerance"]),
        ("model train --corrections nowhere.jsonl", ["nowhere.jsonl", "No such file"]),
        ("model frobnicate", ["No such command"]),
        ("model corrections", ["127.0.0.1:1", "no broker answers"]),
    ],
)
def test_wrong_use_is_one_readable_message(silofrei: Run, command: str, words: list[str]) -> None:
    done = silofrei(*command.split(), kafka="127.0.0.1:1")
    assert done.returncode == WRONG
    assert "Traceback" not in done.stderr
    for word in words:
        assert word in done.stderr


def test_a_shadow_model_that_is_not_there_is_named_at_start(silofrei: Run) -> None:
    for value, words in {"gone": "there is no model 'gone'", "../x": "SILOFREI_SHADOW_MODEL='../x'"}.items():
        done = silofrei("worker", shadow_model=value, kafka="127.0.0.1:1")
        assert (done.returncode, "Traceback" in done.stderr) == (WRONG, False)
        assert "SILOFREI_SHADOW_MODEL" in done.stderr
        assert words in done.stderr


def test_evaluation_of_ones_own_texts(silofrei: Run, tmp_path: Path) -> None:
    (tmp_path / "own.jsonl").write_text(lines(*LABELLED))
    done = silofrei("model", "evaluate", "own.jsonl", "--json", "--html", "page.html", "--lang", "de")
    assert (done.returncode, done.stderr) == (DONE, "")
    found = json.loads(done.stdout)
    assert (found["texts"], found["accuracy"], found["macro_f1"]) == (3, 1.0, 1.0)
    assert found["secondary"]["texts"] == 1
    page = (tmp_path / "page.html").read_text()
    assert "Auswertung der Klassifikation" in page
    assert "own.jsonl" in page
    text = silofrei("model", "evaluate", "own.jsonl", "--lang", "de").stdout
    assert "Makro-F1 1,00" in text
    assert "Verwechslungen" in text


def test_without_a_file_the_held_out_corpus_is_measured(silofrei: Run, models: Path) -> None:
    done = silofrei("model", "evaluate", "--model", "b", "--json")
    found = json.loads(done.stdout)
    assert found["model"].startswith("linear-b-")
    assert found["texts"] > 500
    assert found["macro_f1"] > 0.7


def test_lines_that_cannot_be_evaluated_are_named_and_the_others_are(silofrei: Run) -> None:
    bad = ["{", {"text": "x"}, {"text": "x", "label": "legal"}]
    done = silofrei("model", "evaluate", "-", "--json", stdin=lines(bad[0], LABELLED[0], *bad[1:], LABELLED[1]))
    assert done.returncode == REFUSED
    assert json.loads(done.stdout)["texts"] == 2
    assert [line.partition("-: ")[2][:13] for line in done.stderr.splitlines()] == [
        "line 1: line:", "line 3: label", "line 4: label",
    ]  # fmt: skip
    nothing = silofrei("model", "evaluate", "-", stdin="{\n")
    assert (nothing.returncode, nothing.stdout) == (REFUSED, "")
    assert "no line that can be evaluated" in nothing.stderr


def test_the_shadow_shows_what_would_move_and_nothing_that_steers_the_terminal(
    silofrei: Run, models: Path, turned_weights: Callable[[int], Weights]
) -> None:
    write_model(models / "b", turned_weights(1), {"name": "linear-b"})
    texts = lines(*({**one, "text": f"\x1b[2J{one['text']}"} for one in LABELLED), "{")
    found = json.loads(silofrei("model", "shadow", "b", "-", "--json", stdin=texts).stdout)
    assert (found["texts"], found["agreed"]) == (3, 0)
    assert {(one["active"], one["candidate"]) for one in found["moves"]} == {
        ("service", "sales"), ("sales", "hr"), ("hr", "pr"),
    }  # fmt: skip
    shown = silofrei("model", "shadow", "b", "-", "--lang", "de", stdin=texts)
    assert shown.returncode == REFUSED, "a line was left out"
    assert "line 4: line: Invalid JSON" in shown.stderr
    assert "3 von 3 Texten kämen woandershin" in shown.stdout
    assert "\x1b" not in shown.stdout
    assert "Service → Vertrieb" in shown.stdout


def test_training_without_scikit_learn_says_what_to_install(silofrei: Run, tmp_path: Path) -> None:
    (tmp_path / "hidden" / "sklearn").mkdir(parents=True)
    (tmp_path / "hidden" / "sklearn" / "__init__.py").write_text(
        "raise ModuleNotFoundError(\"No module named 'sklearn'\", name='sklearn')"
    )
    clean = {name: value for name, value in os.environ.items() if not name.startswith("SILOFREI_")}
    done = subprocess.run(
        [sys.executable, "-m", "silofrei.deploy.cli.main", "model", "train"],
        env=clean | {"PYTHONPATH": str(tmp_path / "hidden")},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stdout) == (WRONG, "")
    assert done.stderr == (
        "silofrei: training needs scikit-learn; install the extra `train`: pip install 'silofrei[train]'\n"
    )


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_training_from_corrections_to_an_active_model(silofrei: Run, tmp_path: Path) -> None:
    pytest.importorskip("sklearn", reason="training needs the extra `train`")
    told = [
        {"text": f"Das Turnbeutelprogramm {n} läuft schief", "label": "hr", "lang": "de", "at": "2026-11-24T09:00:00Z"}
        for n in range(40)
    ]
    (tmp_path / "told.jsonl").write_text(lines(*told))
    dry = silofrei("model", "train", "--corrections", "told.jsonl", "--name", "own", "--dry-run", "--json")
    assert (dry.returncode, json.loads(dry.stdout)["passed"]) == (DONE, True), dry.stdout + dry.stderr
    assert not (tmp_path / "silofrei-data").exists()
    done = silofrei("model", "train", "--corrections", "told.jsonl", "--name", "own")
    assert done.returncode == DONE
    assert "own (linear-own-" in done.stdout
    assert "is stored and active" in done.stdout
    folder = tmp_path / "silofrei-data" / "models"
    assert json.loads((folder / "active.json").read_text())["active"] == "own"
    assert sorted(path.name for path in (folder / "own").iterdir()) == ["model.json", "model.npz"]
    assert "Turnbeutel" not in (folder / "own" / "model.json").read_text()
    assert stat.S_IMODE((folder / "active.json").stat().st_mode) & 0o400
    answer = silofrei("classify", "-", stdin=lines({"id": 1, "text": "Das Turnbeutelprogramm läuft schief"})).stdout
    assert json.loads(answer)["department"] == "hr"
