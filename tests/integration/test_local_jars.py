"""Fetching jars: from a Maven repository on loopback, over the same path as from the real one."""

import gc
import hashlib
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from silofrei.deploy.local.child import LocalError, free_ports
from silofrei.deploy.local.jars import Jar, KafkaLock, TooSlowError, can_fetch, fetch, is_cached

# jgo leaves the socket of an answer that it does not read to the garbage collector.
pytestmark = pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")

CONTENTS = {"small": b"s" * 10, "middle": b"m" * 50_000, "large": b"l" * 200_000}
LOCK = KafkaLock(
    "1",
    tuple(Jar(f"org.some:{name}:1", len(data), hashlib.sha256(data).hexdigest()) for name, data in CONTENTS.items()),
)


class Repository(SimpleHTTPRequestHandler):
    """Serves a folder; a file named in `held` comes only when the test is over."""

    held: str = ""
    over = threading.Event()

    def do_GET(self) -> None:
        if self.held and self.path.endswith(self.held):
            self.over.wait(30)
        super().do_GET()

    def log_message(self, *_arguments: object) -> None:
        pass


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder behind a Maven repository with our three jars, set as the mirror in jgo's configuration."""
    folder = tmp_path / "repository"
    for name, data in CONTENTS.items():
        jar = folder / "org" / "some" / name / "1" / f"{name}-1.jar"
        jar.parent.mkdir(parents=True)
        jar.write_bytes(data)
    monkeypatch.setattr(Repository, "held", "")
    Repository.over.clear()
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Repository, directory=str(folder))) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        mirror(monkeypatch, tmp_path, server.server_port)
        yield folder
        Repository.over.set()
        for download in threading.enumerate():
            if download.name == "jars":
                download.join()
        server.shutdown()
        thread.join()
    gc.collect()


def mirror(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, port: int) -> None:
    configuration = tmp_path / "jgo.conf"
    configuration.write_text(f"[repositories]\ncentral = http://127.0.0.1:{port}\n")
    monkeypatch.setenv("JGO_CONFIG_FILE", str(configuration))


@pytest.mark.usefixtures("repository")
def test_fetches_all_and_tells_how_far_it_is(tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    folder = fetch(LOCK, tmp_path / "jars", progress=lambda done, total: told.append((done, total)))
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == {
        f"{name}-1.jar": data for name, data in CONTENTS.items()
    }
    total = sum(map(len, CONTENTS.values()))
    assert told == sorted(told)
    assert told[-1] == (total, total)


@pytest.mark.usefixtures("repository")
def test_fetches_nothing_twice(tmp_path: Path) -> None:
    fetch(LOCK, tmp_path / "jars")
    told: list[int] = []
    fetch(LOCK, tmp_path / "jars", progress=lambda done, _: told.append(done))
    assert not told


def test_a_jar_that_was_changed_on_its_way_is_refused_and_removed(repository: Path, tmp_path: Path) -> None:
    jar = repository / "org" / "some" / "middle" / "1" / "middle-1.jar"
    jar.write_bytes(jar.read_bytes()[:-1] + b"X")
    with pytest.raises(LocalError, match=r"middle-1\.jar as downloaded has the SHA-256 .* kafka\.lock\.toml says"):
        fetch(LOCK, tmp_path / "jars")
    assert not list((tmp_path / "jars").rglob("middle*"))
    assert not is_cached(LOCK, tmp_path / "jars")


@pytest.mark.usefixtures("repository")
def test_a_jar_that_was_damaged_in_the_cache_is_fetched_again(tmp_path: Path) -> None:
    folder = fetch(LOCK, tmp_path / "jars")
    (folder / "large-1.jar").write_bytes(b"x" * len(CONTENTS["large"]))
    (folder / "small-1.jar").write_bytes(b"")
    fetch(LOCK, folder)
    assert (folder / "large-1.jar").read_bytes() == CONTENTS["large"]
    assert (folder / "small-1.jar").read_bytes() == CONTENTS["small"]


@pytest.mark.usefixtures("repository")
def test_time_runs_out_but_what_came_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Repository, "held", "large-1.jar")
    with pytest.raises(TooSlowError, match="did not come within 1 s"):
        fetch(LOCK, tmp_path / "jars", within=1)
    assert {path.name for path in (tmp_path / "jars").iterdir()} == {"small-1.jar", "middle-1.jar"}


def test_a_jar_that_the_repository_lacks_is_told(repository: Path, tmp_path: Path) -> None:
    (repository / "org" / "some" / "small" / "1" / "small-1.jar").unlink()
    with pytest.raises(LocalError, match=r"could not be fetched: .*small.* --kafka memory"):
        fetch(LOCK, tmp_path / "jars")


@pytest.mark.usefixtures("repository")
def test_a_repository_in_reach_gives_the_smallest_jar(tmp_path: Path) -> None:
    assert can_fetch(LOCK, tmp_path / "jars", within=10)
    assert [path.name for path in (tmp_path / "jars").iterdir()] == ["small-1.jar"]


def test_a_repository_out_of_reach_is_no_long_wait(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mirror(monkeypatch, tmp_path, free_ports(1)[0])
    assert not can_fetch(LOCK, tmp_path / "jars", within=10)


def test_a_cache_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(LocalError, match="Not a directory; make it writable, or set XDG_CACHE_HOME"):
        fetch(LOCK, tmp_path / "file" / "jars")
