"""The Redis of our own: durable, private, and gone with us."""

import os
import signal
import stat
import tempfile
import time
from pathlib import Path

import pytest
import redis

from silofrei.deploy.local.child import LocalError
from silofrei.deploy.local.redis import LocalRedis
from silofrei.schemas.names import Durability


def test_keeps_what_was_written_through_a_stop_and_a_crash(tmp_path: Path) -> None:
    # Everysec promises a stop alone: what was confirmed in the last seconds may be gone after a crash.
    server = LocalRedis(tmp_path / "redis", Durability.ALWAYS)
    server.start()
    with redis.Redis.from_url(server.url) as client:
        client.set("stopped", "kept")
    server.stop()
    assert server.pid is None

    server.start()
    with redis.Redis.from_url(server.url) as client:
        assert client.get("stopped") == b"kept"
        client.set("crashed", "kept too")
    server.kill()

    server.start()
    with redis.Redis.from_url(server.url) as client:
        assert client.mget("stopped", "crashed") == [b"kept", b"kept too"]
    server.stop()


@pytest.mark.parametrize(
    ("durability", "fsync"),
    [(Durability.EVERYSEC, "everysec"), (Durability.ALWAYS, "always"), (Durability.WAITAOF, "everysec")],
)
def test_is_durable_and_evicts_nothing(tmp_path: Path, durability: Durability, fsync: str) -> None:
    server = LocalRedis(tmp_path, durability)
    server.start()
    with redis.Redis.from_url(server.url) as client:
        assert client.config_get("append*")["appendonly"] == "yes"
        assert client.config_get("appendfsync")["appendfsync"] == fsync
        assert client.config_get("maxmemory-policy")["maxmemory-policy"] == "noeviction"
        assert client.config_get("port")["port"] == "0"
    assert stat.S_IMODE(server.socket.stat().st_mode) == 0o700
    server.stop()


def test_a_long_path_puts_the_socket_elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / ("long" * 30)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    server = LocalRedis(folder)
    server.start()
    with redis.Redis.from_url(server.url) as client:
        client.set("a", 1)
    server.stop()
    assert not server.socket.is_relative_to(folder)
    assert (folder / "appendonlydir").is_dir()


def test_a_folder_of_somebody_else_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    data = tmp_path / ("long" * 30)
    LocalRedis(data).socket.parent.chmod(0o755)
    with pytest.raises(LocalError, match="not a private folder"):
        LocalRedis(data)


def test_a_start_that_fails_shows_the_end_of_the_log(tmp_path: Path) -> None:
    (tmp_path / "appendonlydir").write_text("in the way")
    with pytest.raises(LocalError, match="redis ended with exit code 1") as caught:
        LocalRedis(tmp_path).start()
    assert "appendonlydir" in str(caught.value)


def test_a_hanging_server_is_killed_after_its_grace(tmp_path: Path) -> None:
    server = LocalRedis(tmp_path)
    server.start()
    pid = server.pid
    assert pid is not None
    os.kill(pid, signal.SIGSTOP)  # so that SIGTERM waits
    object.__setattr__(server.child, "grace", 0.3)
    begun = time.monotonic()
    server.stop()
    assert time.monotonic() - begun < 3
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
