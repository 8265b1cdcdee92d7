"""The jars of Apache Kafka: named with their SHA-256 in kafka.lock.toml, fetched once into the user's cache folder.

Only files that match the lock file ever stand in that folder. Where jars come from is jgo's business: Maven Central,
or the repositories of the user's own jgo configuration.
"""

import hashlib
import importlib.util
import math
import os
import queue
import shutil
import tempfile
import threading
import time
import tomllib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from silofrei.deploy.local.child import LocalError

LOCK = Path(__file__).with_name("kafka.lock.toml")
_DOWNLOADS_AT_ONCE = 4
_STALE_SECONDS = 3600
_LOOK_AROUND_SECONDS = 0.1

Progress = Callable[[int, int], None]
"""Told how many bytes of all are there."""


class TooSlowError(LocalError):
    """The jars did not come within the time given; those that did are kept."""


@dataclass(frozen=True, slots=True)
class Jar:
    """One jar of the lock file; `coordinate` is GROUP:ARTIFACT:VERSION."""

    coordinate: str
    size: int
    sha256: str

    @property
    def filename(self) -> str:
        """Its name in the cache folder, the one it has in a Maven repository."""
        _, artifact, version = self.coordinate.split(":")
        return f"{artifact}-{version}.jar"


@dataclass(frozen=True, slots=True)
class KafkaLock:
    """What a Kafka of this version consists of."""

    version: str
    jars: tuple[Jar, ...]


def read_lock(path: Path = LOCK) -> KafkaLock:
    """The lock file.

    Raises:
        LocalError: it is not one; the message names the mistake.
    """
    try:
        lock = tomllib.loads(path.read_text(encoding="utf-8"))
        jars = tuple(Jar(str(jar["coordinate"]), int(jar["size"]), str(jar["sha256"])) for jar in lock["jar"])
        version = str(lock["version"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise LocalError(f"{path}: not a lock file of Kafka's jars ({error!r}); install Silofrei anew") from None
    for jar in jars:
        if jar.coordinate.count(":") != 2 or len(jar.sha256) != 64:
            raise LocalError(f"{path}: {jar.coordinate}: needs GROUP:ARTIFACT:VERSION and a SHA-256 of 64 digits")
    if len({jar.filename for jar in jars}) != len(jars):
        raise LocalError(f"{path}: two jars have the same file name")
    return KafkaLock(version, jars)


def cache_folder(version: str) -> Path:
    """Where the jars of this version of Kafka are kept for all of the user's systems."""
    root = os.environ.get("XDG_CACHE_HOME")
    return (Path(root) if root else Path.home() / ".cache") / "silofrei" / "kafka" / version


def is_cached(lock: KafkaLock, folder: Path) -> bool:
    """Whether all jars are there, by name and size; `fetch` checks what is in them."""
    return not any(_lacks(jar, folder) for jar in lock.jars)


def fetch_missing() -> str | None:
    """Why jars cannot be fetched here, or None where they can."""
    if importlib.util.find_spec("jgo") is None:
        return "jgo, which fetches Kafka's jars, is not installed; pip install 'silofrei[local]'"
    return None


def can_fetch(lock: KafkaLock, folder: Path, within: float) -> bool:
    """Whether jars can be had now: fetches the smallest one that is missing.

    Args:
        lock: which jars.
        folder: where they shall stand.
        within: longest wait, seconds.
    """
    wanted = sorted((jar for jar in lock.jars if _lacks(jar, folder)), key=lambda jar: jar.size)[:1]
    try:
        fetch(KafkaLock(lock.version, tuple(wanted)), folder, within=within)
    except LocalError:
        return False
    return True


def fetch(
    lock: KafkaLock,
    folder: Path,
    progress: Progress | None = None,
    within: float | None = None,
    give_up: threading.Event | None = None,
) -> Path:
    """All jars, each checked against the lock file; fetches those that are missing or damaged.

    Args:
        lock: which jars.
        folder: where they shall stand; made where it is missing.
        progress: told of each step of a download; not called where all is there.
        within: longest time for all of it, seconds; without one as long as it takes.
        give_up: ends the download soon after it is set from another thread.

    Returns:
        `folder`.

    Raises:
        TooSlowError: time ran out.
        LocalError: a jar cannot be had, or is not the one of the lock file.
    """
    wanted = [jar for jar in lock.jars if not _good(jar, folder / jar.filename)]
    if not wanted:
        return folder
    missing = fetch_missing()
    if missing:
        raise LocalError(missing)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _sweep(folder)
        workshop = Path(tempfile.mkdtemp(prefix=".fetching-", dir=folder))
    except OSError as error:
        raise LocalError(f"{folder}: {error.strerror}; make it writable, or set XDG_CACHE_HOME.") from None
    total = sum(jar.size for jar in lock.jars)
    done = total - sum(jar.size for jar in wanted)
    until = math.inf if within is None else time.monotonic() + within
    with _downloads(wanted, workshop, folder) as events:
        left = len(wanted)
        while left:
            if time.monotonic() > until:
                there = f"{done / 1e6:.0f} of {total / 1e6:.0f} MB"
                raise TooSlowError(f"Kafka's jars did not come within {within:g} s ({there} are there).")
            if give_up is not None and give_up.is_set():
                raise LocalError("Fetching Kafka's jars was given up.")
            try:
                event = events.get(timeout=_LOOK_AROUND_SECONDS)
            except queue.Empty:
                continue
            if isinstance(event, Exception):
                raise _told(event)
            if isinstance(event, int):
                done += event
                if progress is not None:
                    progress(min(done, total), total)
            else:
                left -= 1
    return folder


_Event = int | Jar | Exception


@contextmanager
def _downloads(jars: Sequence[Jar], workshop: Path, folder: Path) -> Iterator["queue.Queue[_Event]"]:
    """Downloads in threads that report bytes, finished jars and failures, and stop when the block ends."""
    todo: queue.SimpleQueue[Jar] = queue.SimpleQueue()
    for jar in sorted(jars, key=lambda jar: -jar.size):
        todo.put(jar)
    events: queue.Queue[_Event] = queue.Queue()
    stopped = threading.Event()

    def arrived(size: int) -> None:
        if stopped.is_set():
            raise InterruptedError
        events.put(size)

    def work() -> None:
        with suppress(queue.Empty):
            while not stopped.is_set():
                jar = todo.get_nowait()
                try:
                    _download(jar, workshop, folder, arrived)
                except Exception as error:  # every failure is the caller's to tell
                    events.put(error)
                    return
                events.put(jar)

    # Daemons: one that hangs in the network must not keep the program from ending.
    threads = [threading.Thread(target=work, name="jars", daemon=True) for _ in range(_DOWNLOADS_AT_ONCE)]
    for thread in threads:
        thread.start()
    try:
        yield events
    finally:
        stopped.set()
        shutil.rmtree(workshop, ignore_errors=True)


def _download(jar: Jar, workshop: Path, folder: Path, arrived: Callable[[int], None]) -> None:
    from jgo.config import GlobalSettings
    from jgo.maven import MavenContext, PythonResolver

    @contextmanager
    def counting(_name: str, _size: int) -> Iterator[Callable[[int], None]]:
        yield arrived

    context = MavenContext(resolver=PythonResolver(progress_callback=counting), repo_cache=workshop)
    context.remote_repos.update(GlobalSettings.load().repositories)
    group, artifact, version = jar.coordinate.split(":")
    path = Path(context.project(group, artifact).at_version(version).artifact().resolve())
    found = sha256(path)
    if found != jar.sha256:
        path.unlink()
        raise LocalError(
            f"{jar.filename} as downloaded has the SHA-256 {found}, but kafka.lock.toml says {jar.sha256}. "
            "It was changed on its way, so it was removed. Try again; where it stays so, ask who runs the proxy or "
            "mirror between, or use --kafka memory."
        )
    path.replace(folder / jar.filename)


def sha256(path: Path) -> str:
    """The SHA-256 of a file, in hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _lacks(jar: Jar, folder: Path) -> bool:
    try:
        return (folder / jar.filename).stat().st_size != jar.size
    except OSError:
        return True


def _good(jar: Jar, path: Path) -> bool:
    return not _lacks(jar, path.parent) and sha256(path) == jar.sha256


def _sweep(folder: Path) -> None:
    """Removes what downloads that were killed left behind."""
    for left in folder.glob(".fetching-*"):
        if time.time() - left.stat().st_mtime > _STALE_SECONDS:
            shutil.rmtree(left, ignore_errors=True)


def _told(error: Exception) -> LocalError:
    if isinstance(error, LocalError):
        return error
    return LocalError(
        f"Kafka's jars could not be fetched: {error}. Check the network (a proxy is taken from HTTPS_PROXY, "
        "a mirror from jgo's configuration), or use --kafka memory."
    )
