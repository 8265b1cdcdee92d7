"""A file with people's texts: its owner's alone, whole or not there."""

import os
import stat
from pathlib import Path

import pytest

from silofrei.deploy.cli.private_file import write_private


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_only_its_owner_reads_it_whatever_was_there_before(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        path = tmp_path / "out.jsonl"
        path.write_text("old, and open to all")
        path.chmod(0o666)
        (tmp_path / ".out.jsonl.part").write_text("left by a crash")
        write_private(path, "größer\n")
    finally:
        os.umask(before)
    assert (path.read_text(encoding="utf-8"), mode(path)) == ("größer\n", 0o600)
    assert list(tmp_path.iterdir()) == [path]


def test_a_failure_leaves_no_texts_behind(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    with pytest.raises(OSError, match="directory"):
        write_private(tmp_path / "out", "secret")
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_it_never_follows_a_link_to_where_others_read(tmp_path: Path) -> None:
    (tmp_path / "open.txt").write_text("theirs")
    (tmp_path / ".out.part").symlink_to(tmp_path / "open.txt")
    write_private(tmp_path / "out", "secret")
    assert (tmp_path / "open.txt").read_text() == "theirs"
