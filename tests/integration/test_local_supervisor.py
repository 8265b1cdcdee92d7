"""The supervisor, with small Python programs as children."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from silofrei.deploy.local.child import Child, LocalError, ending
from silofrei.deploy.local.supervisor import Event, EventKind, Supervisor

# Says that it is up, notes its end, and takes `slow` seconds for it.
PROGRAM = """
import os, signal, sys, time
name, folder, slow = sys.argv[1], sys.argv[2], float(sys.argv[3])
def end(*_):
    time.sleep(slow)
    with open(folder + "/ended", "a") as file:
        file.write(name + "\\n")
    os._exit(0)
signal.signal(signal.SIGTERM, end)
with open(f"{folder}/{name}.{os.getpid()}", "w"):
    pass
while True:
    signal.pause()
"""

# Starts two children, notes their ids and waits.
PARENT = """
import asyncio, sys
from pathlib import Path
from silofrei.deploy.local.child import Child
from silofrei.deploy.local.supervisor import Supervisor
async def main():
    folder = Path(sys.argv[1])
    supervisor = Supervisor(lambda event: None)
    sleeps = "import time; time.sleep(600)"
    for name in ("one", "two"):
        await supervisor.start(Child(name, (sys.executable, "-c", sleeps), folder / f"{name}.log"))
    (folder / "pids.part").write_text(" ".join(map(str, supervisor.pids().values())))
    (folder / "pids.part").rename(folder / "pids")
    await asyncio.sleep(600)
asyncio.run(main())
"""


def child(folder: Path, name: str, *, slow: float = 0, grace: float = 5.0, irreplaceable: str = "") -> Child:
    return Child(
        name,
        (sys.executable, "-c", PROGRAM, name, str(folder), str(slow)),
        folder / f"{name}.log",
        ready=lambda: bool(list(folder.glob(f"{name}.[0-9]*"))),
        ready_within=20,
        grace=grace,
        irreplaceable=irreplaceable,
    )


async def until(true: Callable[[], object], within: float = 20.0) -> None:
    async with asyncio.timeout(within):
        while not true():  # noqa: ASYNC110 # what it waits for happens in other processes
            await asyncio.sleep(0.02)


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


async def test_stops_the_stages_in_reverse_order(tmp_path: Path) -> None:
    events: list[Event] = []
    supervisor = Supervisor(events.append)
    for stage in (["broker"], ["redis"], ["worker", "desk"]):
        await supervisor.start(*(child(tmp_path, name) for name in stage))
    pids = supervisor.pids()
    assert set(pids) == {"broker", "redis", "worker", "desk"}
    await supervisor.stop()
    ended = (tmp_path / "ended").read_text().split()
    assert set(ended[:2]) == {"worker", "desk"}
    assert ended[2:] == ["redis", "broker"]
    assert not any(alive(pid) for pid in pids.values())
    assert [event.kind for event in events if event.name == "broker"] == [
        EventKind.STARTING,
        EventKind.READY,
        EventKind.STOPPING,
        EventKind.STOPPED,
    ]


async def test_restarts_and_reports_a_crashed_child_with_the_end_of_its_log(tmp_path: Path) -> None:
    events: list[Event] = []
    supervisor = Supervisor(events.append, first_pause=0.05)
    worker = child(tmp_path, "worker")
    worker.log.write_text("something went wrong\n")
    await supervisor.start(worker)
    first = supervisor.pids()["worker"]
    os.kill(first, signal.SIGKILL)
    await until(lambda: supervisor.pids().get("worker", first) != first)
    await until(lambda: [event.kind for event in events].count(EventKind.READY) == 2)
    crash = next(event for event in events if event.kind is EventKind.CRASHED)
    assert "worker was ended by SIGKILL; it is started again" in crash.text
    assert "something went wrong" in crash.text
    await supervisor.stop()


async def test_pauses_longer_with_each_crash(tmp_path: Path) -> None:
    events: list[tuple[float, Event]] = []
    supervisor = Supervisor(lambda event: events.append((time.monotonic(), event)), first_pause=0.1)
    await supervisor.start(Child("flaky", (sys.executable, "-c", "import time; time.sleep(0.2)"), tmp_path / "log"))
    await until(lambda: [event.kind for _, event in events].count(EventKind.STARTING) == 4)
    await supervisor.stop()
    crashed = [when for when, event in events if event.kind is EventKind.CRASHED]
    started = [when for when, event in events if event.kind is EventKind.STARTING][1:]
    pauses = [start - crash for crash, start in zip(crashed, started, strict=False)]
    assert pauses[0] >= 0.08
    assert pauses[1] >= 0.16
    assert pauses[2] >= 0.32


async def test_an_irreplaceable_child_breaks_the_system(tmp_path: Path) -> None:
    events: list[Event] = []
    supervisor = Supervisor(events.append)
    await supervisor.start(child(tmp_path, "memory", irreplaceable="everything is gone."))
    os.kill(supervisor.pids()["memory"], signal.SIGKILL)
    async with asyncio.timeout(10):
        error = await supervisor.broken
    assert "memory was ended by SIGKILL; everything is gone." in str(error)
    assert events[-1].kind is EventKind.CRASHED
    await supervisor.stop()


async def test_a_start_that_fails_ends_with_the_log_and_leaves_nothing(tmp_path: Path) -> None:
    supervisor = Supervisor(lambda event: None)
    await supervisor.start(child(tmp_path, "redis"))
    crash = Child("bad", (sys.executable, "-c", "raise SystemExit('no topics')"), tmp_path / "log", ready=lambda: False)
    with pytest.raises(LocalError, match=r"bad ended with exit code 1.*\n.*no topics"):
        await supervisor.start(child(tmp_path, "worker"), crash)
    pids = supervisor.pids()
    assert set(pids) == {"redis", "worker"}
    await supervisor.stop()
    assert not any(alive(pid) for pid in pids.values())


async def test_a_child_that_is_never_ready_is_ended(tmp_path: Path) -> None:
    supervisor = Supervisor(lambda event: None)
    never = Child(
        "never",
        (sys.executable, "-c", "import time; time.sleep(600)"),
        tmp_path / "log",
        ready=lambda: False,
        ready_within=0.3,
    )
    with pytest.raises(LocalError, match=r"never was not ready within 0\.3 s"):
        await supervisor.start(never)
    assert supervisor.pids() == {}
    await supervisor.stop()


async def test_a_program_that_is_not_there_is_told(tmp_path: Path) -> None:
    supervisor = Supervisor(lambda event: None)
    with pytest.raises(LocalError, match="No such file or directory"):
        await supervisor.start(Child("absent", ("/nowhere/absent",), tmp_path / "log", ready=lambda: False))
    await supervisor.stop()


async def test_a_child_that_does_not_end_is_killed_with_all_that_it_started(tmp_path: Path) -> None:
    events: list[Event] = []
    supervisor = Supervisor(events.append)
    note = tmp_path / "grandchild"
    program = f"sleep 600 & echo $! > {note}.part; mv {note}.part {note}; trap '' TERM; wait; wait"
    await supervisor.start(
        Child("stubborn", ("/bin/sh", "-c", program), tmp_path / "stubborn.log", ready=note.exists, grace=0.3)
    )
    pids = [supervisor.pids()["stubborn"], int(note.read_text())]
    assert all(alive(pid) for pid in pids)
    begun = time.monotonic()
    await supervisor.stop()
    assert time.monotonic() - begun < 5
    assert events[-1].kind is EventKind.KILLED
    await until(lambda: not any(alive(pid) for pid in pids), within=5)


async def test_kill_ends_everything_at_once_even_while_it_stops(tmp_path: Path) -> None:
    events: list[Event] = []
    supervisor = Supervisor(events.append)
    for name in ("broker", "worker"):
        await supervisor.start(child(tmp_path, name, slow=60, grace=60))
    pids = supervisor.pids()
    stop = asyncio.create_task(supervisor.stop())
    await until(lambda: events[-1].kind is EventKind.STOPPING)
    supervisor.kill()
    async with asyncio.timeout(5):
        await stop
    assert not any(alive(pid) for pid in pids.values())


def test_children_die_with_a_parent_that_is_killed(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", PARENT, str(tmp_path)]) as parent:
        asyncio.run(until((tmp_path / "pids").exists))
        pids = [int(pid) for pid in (tmp_path / "pids").read_text().split()]
        assert len(pids) == 2
        assert all(alive(pid) for pid in pids)
        # Each stands in a session of its own, out of reach of a Ctrl-C in the terminal.
        assert {os.getsid(pid) for pid in pids} == set(pids)
        parent.kill()
    asyncio.run(until(lambda: not any(alive(pid) for pid in pids), within=5))


def test_the_end_of_a_process_in_words() -> None:
    assert ending(3) == "ended with exit code 3"
    assert ending(-signal.SIGTERM) == "was ended by SIGTERM"
