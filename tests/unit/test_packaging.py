"""The wheel holds every package and every file that the code reads, and takes no generic name."""

import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FOLDERS = ("schemas", "routing", "streams", "desk", "deploy")


def listed() -> dict[str, object]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["setuptools"]


def test_every_package_is_listed() -> None:
    found = {
        "silofrei." + ".".join(path.parent.relative_to(ROOT).parts)
        for folder in FOLDERS
        for path in (ROOT / folder).rglob("__init__.py")
    }
    assert sorted(listed()["packages"]) == sorted(found)  # type: ignore[call-overload]  # TOML values are objects


@pytest.mark.slow
def test_the_wheel_has_one_top_level_name_and_all_files(tmp_path: Path) -> None:
    subprocess.run(
        [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "-w", tmp_path, ROOT],
        check=True,
    )
    (wheel,) = tmp_path.glob("silofrei-*.whl")
    names = set(zipfile.ZipFile(wheel).namelist())
    assert {name.partition("/")[0] for name in names if ".dist-info/" not in name} == {"silofrei"}
    expected = {
        f"silofrei/{path.relative_to(ROOT)}"
        for folder in FOLDERS
        for path in (ROOT / folder).rglob("*")
        if path.is_file()
        and path.suffix in {".py", ".lua", ".html", ".css", ".js", ".toml", ".json", ".npz", ".tsv", ".yml"}
        and not path.is_relative_to(ROOT / "schemas" / "published")
        and not path.is_relative_to(ROOT / "deploy" / "prometheus" / "tests")
    }
    assert expected - names == set()
