"""The ledger's files: names, atomic writing, the check and the healing at start, joining."""

import os
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from silofrei.schemas.ledger import EVENTS_FOLDER, Part, part_of, partition_of, uncovered
from silofrei.streams import ledger_files
from silofrei.streams.ledger_files import LedgerFiles
from silofrei.streams.ledger_recovery import LedgerError

TOPIC = "tickets.events"


def rows(*offsets: int) -> list[dict[str, object]]:
    return [{"offset": offset, "event_id": f"t-1:{offset}", "type": "ticket.claimed"} for offset in offsets]


def names(folder: Path, partition: int = 0) -> list[str]:
    return sorted(path.name for path in (folder / EVENTS_FOLDER / f"partition={partition}").iterdir())


def offsets(folder: Path, partition: int = 0) -> list[int]:
    found: list[int] = []
    for path in sorted((folder / EVENTS_FOLDER / f"partition={partition}").glob("*.parquet")):
        found += pq.read_table(path, partitioning=None).column("offset").to_pylist()
    return found


def test_a_name_tells_what_a_file_covers() -> None:
    assert Part(0, 812).name == "00000000000000000000-00000000000000000812.parquet"
    assert part_of("00000000000000000812-00000000000000000900.gap") == Part(812, 900, gap=True)
    for name in ("1-2.parquet", "00000000000000000005-00000000000000000005.parquet", f"{Part(0, 5).name}.tmp", "x"):
        assert part_of(name) is None
    assert partition_of("partition=12") == 12
    assert partition_of("partition=-1") is None


def test_names_sort_as_offsets_do() -> None:
    parts = [Part(0, 9), Part(9, 10), Part(10, 100), Part(100, 10_000_000_000)]
    assert sorted(part.name for part in parts) == [part.name for part in parts]


def test_covered_parts_are_left_out() -> None:
    assert uncovered([Part(5, 9), Part(0, 5), Part(0, 9), Part(9, 12)]) == [Part(0, 9), Part(9, 12)]
    assert uncovered([Part(0, 5), Part(0, 5)]) == [Part(0, 5)]


def test_files_follow_each_other_and_are_found_again(tmp_path: Path) -> None:
    with LedgerFiles(tmp_path, TOPIC).opened() as files:
        assert files.end(0) is None
        assert files.last_row(0) is None
        files.write(0, 3, rows(0, 1, 2))
        # Offset 3 was a marker that no consumer sees: it belongs to the next file's range all the same.
        files.write(0, 6, rows(4, 5))
        files.write(2, 8, rows(7))
    assert names(tmp_path) == [Part(0, 3).name, Part(3, 6).name]
    assert offsets(tmp_path) == [0, 1, 2, 4, 5]
    with LedgerFiles(tmp_path, TOPIC).opened() as files:
        assert files.partitions() == [0, 2]
        assert (files.end(0), files.end(1), files.end(2)) == (6, None, 8)
        assert files.last_row(0) == (5, "t-1:5")
        assert names(tmp_path, 2) == [Part(7, 8).name]


def test_rows_that_do_not_follow_are_a_bug(tmp_path: Path) -> None:
    with LedgerFiles(tmp_path, TOPIC).opened() as files:
        files.write(0, 3, rows(0, 1, 2))
        with pytest.raises(ValueError, match="cannot follow"):
            files.write(0, 4, rows(2, 3))
        with pytest.raises(ValueError, match="cannot follow"):
            files.write(0, 4, rows(3, 4))


def test_what_a_crash_left_is_removed(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with LedgerFiles(tmp_path, TOPIC).opened() as files:
        files.write(0, 3, rows(0, 1, 2))
    folder = tmp_path / EVENTS_FOLDER / "partition=0"
    (folder / f"{Part(3, 9).name}.tmp").write_bytes(b"half a file")
    (folder / "notes.txt").write_text("mine")
    with LedgerFiles(tmp_path, TOPIC).opened() as files:
        assert files.end(0) == 3
    assert names(tmp_path) == [Part(0, 3).name, "notes.txt"]
    assert "notes.txt is no file of the ledger" in caplog.text


def test_a_missing_file_is_named_with_the_fix(tmp_path: Path) -> None:
    with LedgerFiles(tmp_path, TOPIC).opened() as files:
        for start in range(0, 9, 3):
            files.write(0, start + 3, rows(start, start + 1, start + 2))
    (tmp_path / EVENTS_FOLDER / "partition=0" / Part(3, 6).name).unlink()
    with (
        pytest.raises(LedgerError, match=r"no file covers the offsets from 3 to 5; put the missing file back"),
        LedgerFiles(tmp_path, TOPIC).opened(),
    ):
        pass


def test_overlapping_files_are_refused(tmp_path: Path) -> None:
    with LedgerFiles(tmp_path, TOPIC).opened() as files:
        files.write(0, 3, rows(0, 1, 2))
    folder = tmp_path / EVENTS_FOLDER / "partition=0"
    (folder / Part(2, 5).name).write_bytes((folder / Part(0, 3).name).read_bytes())
    with pytest.raises(LedgerError, match="overlap"), LedgerFiles(tmp_path, TOPIC).opened():
        pass


def test_old_history_may_be_taken_away(tmp_path: Path) -> None:
    with LedgerFiles(tmp_path, TOPIC).opened() as files:
        files.write(0, 3, rows(0, 1, 2))
        files.write(0, 6, rows(3, 4, 5))
    (tmp_path / EVENTS_FOLDER / "partition=0" / Part(0, 3).name).unlink()
    with LedgerFiles(tmp_path, TOPIC).opened() as files:
        assert files.end(0) == 6


def test_another_topics_ledger_is_refused(tmp_path: Path) -> None:
    with LedgerFiles(tmp_path, "staging.tickets.events").opened() as files:
        files.write(0, 3, rows(0, 1, 2))
    with (
        pytest.raises(LedgerError, match=r"belongs to topic 'staging\.tickets\.events', not to 'tickets\.events'"),
        LedgerFiles(tmp_path, TOPIC).opened(),
    ):
        pass


def test_a_damaged_newest_file_is_named(tmp_path: Path) -> None:
    with LedgerFiles(tmp_path, TOPIC).opened() as files:
        files.write(0, 3, rows(0, 1, 2))
    path = tmp_path / EVENTS_FOLDER / "partition=0" / Part(0, 3).name
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(LedgerError, match="damaged"), LedgerFiles(tmp_path, TOPIC).opened():
        pass


def test_a_second_writer_is_refused_and_told_of_the_first(tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from silofrei.streams.ledger_files import LedgerFiles\n"
        f"with LedgerFiles(Path({str(tmp_path)!r}), 'tickets.events').opened():\n"
        "    print('held', flush=True); sys.stdin.read()"
    )
    first = subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        assert first.stdout is not None
        assert first.stdout.readline() == "held\n"
        with pytest.raises(LedgerError, match=f"process {first.pid} on"), LedgerFiles(tmp_path, TOPIC).opened():
            pass
    finally:
        first.kill()
        first.communicate()
    # A lock dies with its holder: nobody has to remove a file by hand.
    with LedgerFiles(tmp_path, TOPIC).opened():
        pass


def test_a_gap_keeps_the_files_whole(tmp_path: Path) -> None:
    with LedgerFiles(tmp_path, TOPIC).opened() as files:
        files.write(0, 3, rows(0, 1, 2))
        files.write_gap(0, 10)
        assert files.last_row(0) is None
        files.write(0, 11, rows(10))
    with LedgerFiles(tmp_path, TOPIC).opened() as files:
        assert files.end(0) == 11
    assert names(tmp_path) == [Part(0, 3).name, Part(3, 10, gap=True).name, Part(10, 11).name]


def test_fifty_small_neighbours_become_one(tmp_path: Path) -> None:
    with LedgerFiles(tmp_path, TOPIC).opened() as files:
        files.write(0, 1, rows(0))
        files.write_gap(0, 5)
        for offset in range(5, 54):
            files.write(0, offset + 1, rows(offset))
            assert files.join_small(0) is None
        files.write(0, 55, rows(54))
        assert files.join_small(0) == Part(5, 55)
        files.write(0, 56, rows(55))
        assert files.join_small(0) is None
    assert names(tmp_path) == [part.name for part in (Part(0, 1), Part(1, 5, gap=True), Part(5, 55), Part(55, 56))]
    assert offsets(tmp_path) == [0, *range(5, 56)]
    with LedgerFiles(tmp_path, TOPIC).opened() as files:
        assert files.end(0) == 56


def test_joined_files_join_again_and_large_ones_do_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ledger_files, "JOIN_COUNT", 3)
    with LedgerFiles(tmp_path, TOPIC).opened() as files:
        for offset in range(5):
            files.write(0, offset + 1, rows(offset))
            files.join_small(0)
        assert names(tmp_path) == [Part(0, 5).name]
        monkeypatch.setattr(ledger_files, "SMALL_BYTES", 0)
        for offset in range(5, 12):
            files.write(0, offset + 1, rows(offset))
            assert files.join_small(0) is None
    assert offsets(tmp_path) == list(range(12))


@pytest.mark.parametrize("removed", [0, 1, 2])
def test_a_crash_while_joining_is_healed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, removed: int) -> None:
    monkeypatch.setattr(ledger_files, "JOIN_COUNT", 3)

    class Crash(BaseException):
        pass

    with LedgerFiles(tmp_path, TOPIC).opened() as files:
        for offset in range(3):
            files.write(0, offset + 1, rows(offset))
        left = removed
        unlink = Path.unlink

        def dying(path: Path) -> None:
            nonlocal left
            if left == 0:
                raise Crash
            left -= 1
            unlink(path)

        monkeypatch.setattr(Path, "unlink", dying)
        with pytest.raises(Crash):
            files.join_small(0)
        monkeypatch.setattr(Path, "unlink", unlink)
    assert len(names(tmp_path)) == 4 - removed
    with LedgerFiles(tmp_path, TOPIC).opened() as files:
        assert files.end(0) == 3
        files.write(0, 4, rows(3))
    assert names(tmp_path) == [Part(0, 3).name, Part(3, 4).name]
    assert offsets(tmp_path) == [0, 1, 2, 3]


def test_a_covering_file_with_too_few_rows_deletes_nothing(tmp_path: Path) -> None:
    with LedgerFiles(tmp_path, TOPIC).opened() as files:
        files.write(0, 2, rows(0, 1))
        files.write(0, 4, rows(2, 3))
    folder = tmp_path / EVENTS_FOLDER / "partition=0"
    (folder / Part(0, 4).name).write_bytes((folder / Part(0, 2).name).read_bytes())
    with pytest.raises(LedgerError, match="fewer rows"), LedgerFiles(tmp_path, TOPIC).opened():
        pass
    assert len(names(tmp_path)) == 3


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_without_rights_is_named(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o500)
    with pytest.raises(LedgerError, match="SILOFREI_LEDGER"), LedgerFiles(closed / "ledger", TOPIC).opened():
        pass


def test_a_folder_that_is_a_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "ledger").write_text("")
    with pytest.raises(LedgerError, match="SILOFREI_LEDGER"), LedgerFiles(tmp_path / "ledger", TOPIC).opened():
        pass


def test_a_full_disk_is_named_and_leaves_the_old_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with LedgerFiles(tmp_path, TOPIC).opened() as files:
        files.write(0, 1, rows(0))

        def full(_: int) -> None:
            raise OSError(28, "No space left on device")

        with monkeypatch.context() as patch:
            patch.setattr(os, "fsync", full)
            with pytest.raises(LedgerError, match="No space left on device"):
                files.write(0, 2, rows(1))
        assert files.end(0) == 1
        files.write(0, 2, rows(1))
    assert offsets(tmp_path) == [0, 1]
