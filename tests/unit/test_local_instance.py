"""The file that tells other shells what runs, and the lock that keeps a second system away."""

import json
import os
import stat
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from silofrei.deploy.local.child import LocalError
from silofrei.deploy.local.instance import DataLock, Instance, read_instance, remove_instance, write_instance
from silofrei.schemas.settings import load_settings

STARTED = datetime(2026, 11, 24, 8, tzinfo=UTC)


def instance(**changes: object) -> Instance:
    values: dict[str, object] = {
        "kafka_kind": "memory",
        "kafka": "127.0.0.1:4711",
        "redis": "unix:///data/redis.sock",
        "ledger": Path("/data/ledger"),
        "desk_host": "127.0.0.1",
        "desk_port": 8081,
        "metrics": {"worker-0": "127.0.0.1:4712"},
        "prometheus": Path("/data/prometheus/prometheus.yml"),
    }
    return Instance.of_this_process(STARTED, **values | changes)


def test_another_command_finds_the_running_system(tmp_path: Path) -> None:
    data = tmp_path / "data"
    assert read_instance(data) is None
    write_instance(data, instance())
    assert read_instance(data) == instance()
    assert stat.S_IMODE((data / "instance.json").stat().st_mode) == 0o600
    assert stat.S_IMODE(data.stat().st_mode) == 0o700
    remove_instance(data)
    assert read_instance(data) is None


def test_its_settings_are_settings() -> None:
    found = instance(config=Path("silofrei.toml"), topic_prefix="a.").settings()
    settings = load_settings(_env_file=os.devnull, **found)
    assert {name: getattr(settings, name) for name in found} == found
    assert settings.kafka_memory


def test_the_file_of_a_process_that_is_gone_is_ignored(tmp_path: Path) -> None:
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    write_instance(tmp_path, instance().model_copy(update={"pid": gone.pid}))
    assert read_instance(tmp_path) is None


def test_the_file_of_an_earlier_process_with_our_id_is_ignored(tmp_path: Path) -> None:
    write_instance(tmp_path, instance().model_copy(update={"process": "1"}))
    assert read_instance(tmp_path) is None


@pytest.mark.parametrize("text", ["", "{", "[]", json.dumps({"version": 2})])
def test_a_file_that_cannot_be_read_is_ignored(tmp_path: Path, text: str) -> None:
    (tmp_path / "instance.json").write_text(text)
    assert read_instance(tmp_path) is None


def test_a_second_system_on_the_same_folder_is_refused(tmp_path: Path) -> None:
    first = DataLock(tmp_path / "data")
    with pytest.raises(LocalError, match=rf"runs on the data folder .*data already \(process {os.getpid()}\)"):
        DataLock(tmp_path / "data")
    first.release()
    DataLock(tmp_path / "data").release()


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(LocalError, match="choose another folder with --data"):
        DataLock(tmp_path / "file" / "data")
