"""One program that we run beside us: how it is started, when it is ready, how it is stopped.

`Child` describes it, `Running` runs it without an event loop (tests, single commands), `Supervisor` runs several.
"""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from silofrei.schemas.settings import ConfigurationError

_TIED = Path(__file__).with_name("tied.py")
_POLL = 0.02
_CONNECT_SECONDS = 1.0
_KEEP_LOG_BYTES = 10_000_000


class LocalError(ConfigurationError):
    """A program that a local system needs is missing or did not start; the message says which and what to do."""


@dataclass(frozen=True, slots=True)
class Child:
    """A program to run; it dies with us and stands in its own session, so that Ctrl-C reaches us alone.

    Attributes:
        name: what people call it.
        argv: the command and its arguments.
        log: file that takes what it prints.
        env: added to our own environment.
        cwd: its working folder; ours by default.
        ready: asks once whether it can be used; called from any thread, answers within about a second.
        ready_within: longest wait for that, seconds.
        grace: longest wait between SIGTERM and SIGKILL, seconds.
        irreplaceable: why nothing can go on once it has ended, as a sentence; empty where it may be restarted.
    """

    name: str
    argv: tuple[str, ...]
    log: Path
    env: Mapping[str, str] = field(default_factory=dict)
    cwd: Path | None = None
    ready: Callable[[], bool] = lambda: True
    ready_within: float = 60.0
    grace: float = 10.0
    irreplaceable: str = ""

    def command(self) -> list[str]:
        """The command line that ties it to this process."""
        return [sys.executable, "-I", "-S", str(_TIED), str(os.getpid()), *self.argv]

    def environment(self) -> dict[str, str]:
        """The whole environment that it gets."""
        return {**os.environ, **self.env}

    def open_log(self) -> int:
        """A file descriptor that appends to the log; a large log is put aside first."""
        self.log.parent.mkdir(parents=True, exist_ok=True)
        if self.log.exists() and self.log.stat().st_size > _KEEP_LOG_BYTES:
            self.log.replace(self.log.with_suffix(".log.1"))
        return os.open(self.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)

    def last_lines(self, count: int = 5) -> str:
        """The end of its log, for an error message."""
        try:
            with self.log.open("rb") as log:
                log.seek(max(0, self.log.stat().st_size - 8192))
                lines = log.read().decode(errors="replace").splitlines()
        except OSError:
            return ""
        return "\n".join(f"  | {line}" for line in lines[-count:])

    def failure(self, what: str) -> LocalError:
        """An error that tells what happened, with the end of the log."""
        return LocalError(f"{self.name} {what}. Its log is {self.log}:\n{self.last_lines()}")


def listens(address: str) -> bool:
    """Whether something on this machine accepts connections at HOST:PORT."""
    host, _, port = address.rpartition(":")
    try:
        with socket.create_connection((host, int(port)), timeout=_CONNECT_SECONDS):
            return True
    except OSError:
        return False


def free_ports(count: int) -> list[int]:
    """Different loopback ports that nobody uses now."""
    with ExitStack() as probes:
        ports: list[int] = []
        for _ in range(count):
            probe = probes.enter_context(socket.socket())
            probe.bind(("127.0.0.1", 0))
            ports.append(probe.getsockname()[1])
        return ports


def ending(code: int) -> str:
    """How a process ended, in words.

    Args:
        code: its exit code, negative for a signal.
    """
    return f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"


class Running:
    """A child that runs from `start` to `stop`.

    Call `start` in a thread that lives as long as the child shall: Linux ends the child with that thread.
    """

    def __init__(self, child: Child) -> None:
        self.child = child
        self._popen: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int | None:
        """Its process id while it runs."""
        return self._popen.pid if self._popen is not None and self._popen.poll() is None else None

    def start(self) -> None:
        """Starts it and waits until it is ready.

        Raises:
            LocalError: it ended or was not ready in time.
        """
        log = self.child.open_log()
        try:
            self._popen = subprocess.Popen(  # noqa: S603 # the command is ours
                self.child.command(),
                env=self.child.environment(),
                cwd=self.child.cwd,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        finally:
            os.close(log)
        until = time.monotonic() + self.child.ready_within
        while True:
            code = self._popen.poll()
            if code is not None:
                self._popen = None
                raise self.child.failure(ending(code))
            if self.child.ready():
                return
            if time.monotonic() > until:
                self.kill()
                raise self.child.failure(f"was not ready within {self.child.ready_within:g} s")
            time.sleep(_POLL)

    def stop(self) -> None:
        """Ends it with SIGTERM, and with SIGKILL where that took longer than its grace."""
        if self._popen is None:
            return
        self._popen.terminate()
        try:
            self._popen.wait(self.child.grace)
            self._popen = None
        except subprocess.TimeoutExpired:
            self.kill()

    def kill(self) -> None:
        """Ends it and what it started with SIGKILL, as a crash would."""
        if self._popen is None:
            return
        if self._popen.poll() is None:
            os.killpg(self._popen.pid, signal.SIGKILL)
        self._popen.wait()
        self._popen = None
