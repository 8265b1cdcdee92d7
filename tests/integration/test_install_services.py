"""tests/install-services.sh on made-up machines: only its own commands are in the PATH."""

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[1] / "install-services.sh"
BASH = shutil.which("bash") or "/bin/bash"
Machine = Callable[..., "subprocess.CompletedProcess[str]"]


def command(folder: Path, name: str, body: str = "exit 0") -> None:
    path = folder / name
    path.write_text(f"#!{BASH}\n{body}\n")
    path.chmod(0o755)


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    """Runs the script on a machine with these commands; what apt-get was asked for is in the folder's `asked`."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in ("env", "true"):
        (folder / name).symlink_to(shutil.which(name) or f"/usr/bin/{name}")

    def run(
        *there: str,
        apt: str | None = None,
        sudo: str | None = None,
        root: bool = True,
        jars: bool = True,
        ci: bool = False,
    ) -> "subprocess.CompletedProcess[str]":
        for name in there:
            command(folder, name)
        if apt is not None:
            command(folder, "apt-get", f'echo "$@" >> {tmp_path}/asked\n{apt}')
        if sudo is not None:
            command(folder, "sudo", sudo)
        command(folder, "id", f"echo {0 if root else 1000}")
        command(folder, "python", f"exit {0 if jars else 1}")
        variables = {"PATH": str(folder)} | ({"CI": "true"} if ci else {})
        return subprocess.run([BASH, SCRIPT, str(folder)], env=variables, capture_output=True, text=True, check=False)

    return run


def asked(tmp_path: Path) -> list[str]:
    path = tmp_path / "asked"
    return path.read_text().splitlines() if path.exists() else []


def test_asks_for_nothing_where_all_is_there(machine: Machine, tmp_path: Path) -> None:
    done = machine("chromium", "prometheus", "promtool", apt="exit 0", ci=True)
    assert done.returncode == 0
    assert done.stderr == ""
    assert asked(tmp_path) == []


def test_installs_only_what_is_missing_without_an_update(machine: Machine, tmp_path: Path) -> None:
    done = machine("chromium", apt="exit 0", ci=True)
    assert done.returncode == 0
    (line,) = asked(tmp_path)
    assert line.startswith("install --yes")
    assert "--no-install-recommends" in line
    assert line.endswith(" prometheus")


def test_updates_the_lists_where_the_first_try_fails(machine: Machine, tmp_path: Path) -> None:
    updated = tmp_path / "updated"
    apt = f"case $1 in update) : > {updated} ;; install) [[ -e {updated} ]] ;; esac"
    assert machine(apt=apt, ci=True).returncode == 0
    assert [line.split()[0] for line in asked(tmp_path)] == ["install", "update", "install"]
    assert asked(tmp_path)[-1].endswith(" chromium prometheus")


@pytest.mark.parametrize(("ci", "code"), [(False, 0), (True, 1)])
def test_what_cannot_be_installed_fails_ci_alone(machine: Machine, *, ci: bool, code: int) -> None:
    done = machine("chromium", apt="echo no such package >&2; exit 100", ci=ci)
    assert done.returncode == code
    assert "no such package" in done.stderr
    assert "Missing: prometheus (apt-get could not install them" in done.stderr


@pytest.mark.parametrize(("ci", "code"), [(False, 0), (True, 1)])
def test_another_system_than_debian_is_told_what_to_install(machine: Machine, *, ci: bool, code: int) -> None:
    done = machine("google-chrome", ci=ci)
    assert done.returncode == code
    assert "Missing: prometheus (this is no Debian, so install them by hand)" in done.stderr


def test_a_user_installs_with_sudo_where_that_asks_for_no_password(machine: Machine, tmp_path: Path) -> None:
    assert machine("chromium", apt="exit 0", sudo='shift; exec "$@"', root=False).returncode == 0
    assert asked(tmp_path)[0].endswith(" prometheus")


@pytest.mark.parametrize("sudo", [None, "exit 1"])
def test_a_user_without_rights_is_told_the_command(machine: Machine, tmp_path: Path, sudo: str | None) -> None:
    done = machine("chromium", apt="exit 0", sudo=sudo, root=False)
    assert done.returncode == 0
    assert asked(tmp_path) == []
    assert "run 'sudo apt-get install --no-install-recommends prometheus' yourself" in done.stderr


@pytest.mark.parametrize(("ci", "code"), [(False, 0), (True, 1)])
def test_jars_that_cannot_be_had_fail_ci_alone(machine: Machine, *, ci: bool, code: int) -> None:
    done = machine("chromium", "prometheus", "promtool", jars=False, ci=ci)
    assert done.returncode == code
    assert "Missing: the jars of Kafka" in done.stderr
