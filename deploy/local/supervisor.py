"""Runs children side by side: starts them in order, restarts one that crashes, stops all in reverse order.

It prints nothing; what happens goes to the caller as `Event`s.
"""

import asyncio
import os
import random
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum

from silofrei.deploy.local.child import Child, LocalError, ending

_POLL = 0.05
_FIRST_PAUSE = 0.5
_LONGEST_PAUSE = 30.0
_CALM_SECONDS = 60.0
_KILL_SECONDS = 5.0


class EventKind(StrEnum):
    """What happened."""

    NOTE = "note"
    FETCHING = "fetching"
    STARTING = "starting"
    READY = "ready"
    CRASHED = "crashed"
    STOPPING = "stopping"
    STOPPED = "stopped"
    KILLED = "killed"


@dataclass(frozen=True, slots=True)
class Event:
    """Something a person may want to see.

    Attributes:
        kind: what happened.
        name: to which child; empty where it is about the whole.
        text: a sentence for people.
        share: how much of it is done, 0 to 1, where that is known.
    """

    kind: EventKind
    name: str
    text: str
    share: float | None = None


Report = Callable[[Event], None]


def note(text: str) -> Event:
    """A word to the person about the whole."""
    return Event(EventKind.NOTE, "", text)


class _Ward:
    """One child in our care: its process, and the task that watches it."""

    def __init__(self, child: Child) -> None:
        self.child = child
        self.process: asyncio.subprocess.Process | None = None
        self.watch: asyncio.Task[None] | None = None


class Supervisor:
    """Children in stages; those of one stage start and stop together.

    Use it in an event loop of a thread that lives as long as the children shall: Linux ends them with that thread.

    Args:
        report: told of all that happens; must return at once.
        first_pause: pause before the first restart of a child, seconds; doubles with each crash soon after.
    """

    def __init__(self, report: Report, *, first_pause: float = _FIRST_PAUSE) -> None:
        self._report = report
        self._first_pause = first_pause
        self._stages: list[list[_Ward]] = []
        self.broken: asyncio.Future[LocalError] = asyncio.get_running_loop().create_future()
        """Has a result once a child ended that must not be restarted."""

    async def start(self, *children: Child) -> None:
        """Starts these children as one stage, waits until all are ready, and keeps them running.

        Raises:
            LocalError: one of them ended or was not ready in time.
        """
        stage = [_Ward(child) for child in children]
        self._stages.append(stage)
        first = await asyncio.gather(*(self._start(ward) for ward in stage), return_exceptions=True)
        for failure in first:
            if isinstance(failure, BaseException):
                raise failure
        for ward in stage:
            ward.watch = asyncio.create_task(self._keep(ward), name=f"keep {ward.child.name}")

    def pids(self) -> dict[str, int]:
        """The process ids of the children that run, by name."""
        wards = [ward for stage in self._stages for ward in stage]
        return {ward.child.name: ward.process.pid for ward in wards if _runs(ward) and ward.process is not None}

    async def stop(self) -> None:
        """Ends all children, the stage that was started last first; those that do not end are killed."""
        while self._stages:
            # It leaves the list only when it has ended, so that `kill` reaches it meanwhile.
            stage = self._stages[-1]
            watches = [ward.watch for ward in stage if ward.watch is not None]
            for watch in watches:
                watch.cancel()
            await asyncio.gather(*watches, return_exceptions=True)
            await asyncio.gather(*(self._stop(ward) for ward in stage))
            self._stages.remove(stage)

    def kill(self) -> None:
        """Ends all children at once with SIGKILL; `stop` then has nothing to wait for."""
        for ward in (ward for stage in self._stages for ward in stage):
            _signal_group(ward, signal.SIGKILL)

    async def _start(self, ward: _Ward) -> None:
        child = ward.child
        self._report(Event(EventKind.STARTING, child.name, f"{child.name} starts"))
        begun = time.monotonic()
        log = child.open_log()
        try:
            ward.process = await asyncio.create_subprocess_exec(
                *child.command(),
                env=child.environment(),
                cwd=child.cwd,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        finally:
            os.close(log)
        while not await asyncio.to_thread(child.ready):
            if ward.process.returncode is not None:
                raise child.failure(ending(ward.process.returncode))
            if time.monotonic() - begun > child.ready_within:
                await self._stop(ward)
                raise child.failure(f"was not ready within {child.ready_within:g} s")
            await asyncio.sleep(_POLL)
        if ward.process.returncode is not None:
            raise child.failure(ending(ward.process.returncode))
        text = f"{child.name} is ready after {time.monotonic() - begun:.1f} s"
        self._report(Event(EventKind.READY, child.name, text))

    async def _keep(self, ward: _Ward) -> None:
        """Restarts the child whenever it ends, until it is cancelled."""
        child = ward.child
        pause = self._first_pause
        while ward.process is not None:
            begun = time.monotonic()
            ended = ending(await ward.process.wait())
            while True:
                if child.irreplaceable:
                    self._report(Event(EventKind.CRASHED, child.name, f"{child.name} {ended}"))
                    if not self.broken.done():
                        self.broken.set_result(child.failure(f"{ended}; {child.irreplaceable}"))
                    return
                if time.monotonic() - begun > _CALM_SECONDS:
                    pause = self._first_pause
                seconds = pause * random.uniform(0.8, 1.2)  # noqa: S311 # only spreads the load
                text = f"{child.name} {ended}; it is started again in {seconds:.1f} s. The end of its log:"
                self._report(Event(EventKind.CRASHED, child.name, f"{text}\n{child.last_lines()}"))
                await asyncio.sleep(seconds)
                pause = min(pause * 2, _LONGEST_PAUSE)
                begun = time.monotonic()
                try:
                    await self._start(ward)
                    break
                except (LocalError, OSError) as error:
                    ended = f"did not start again ({str(error).partition(chr(10))[0]})"

    async def _stop(self, ward: _Ward) -> None:
        if ward.process is None or not _runs(ward):
            return
        name = ward.child.name
        self._report(Event(EventKind.STOPPING, name, f"{name} stops"))
        with suppress(ProcessLookupError):
            ward.process.terminate()
        try:
            await asyncio.wait_for(ward.process.wait(), ward.child.grace)
            self._report(Event(EventKind.STOPPED, name, f"{name} has stopped"))
        except TimeoutError:
            self._report(Event(EventKind.KILLED, name, f"{name} did not stop in {ward.child.grace:g} s and is killed"))
            _signal_group(ward, signal.SIGKILL)
            with suppress(TimeoutError):
                await asyncio.wait_for(ward.process.wait(), _KILL_SECONDS)


def _runs(ward: _Ward) -> bool:
    return ward.process is not None and ward.process.returncode is None


def _signal_group(ward: _Ward, number: signal.Signals) -> None:
    """Reaches the child and what it started: it leads a process group of its own."""
    if ward.process is not None and _runs(ward):
        with suppress(ProcessLookupError):
            os.killpg(ward.process.pid, number)
