"""A whole local system around real brokers and a real Redis; small programs stand for our own processes."""

import asyncio
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import redis
from kafka import KafkaConsumer, KafkaProducer

from silofrei.deploy.local import system as system_module
from silofrei.deploy.local.child import Child, LocalError, listens
from silofrei.deploy.local.instance import Instance, read_instance
from silofrei.deploy.local.jars import cache_folder, read_lock
from silofrei.deploy.local.processes import Process
from silofrei.deploy.local.supervisor import Event, EventKind
from silofrei.deploy.local.system import LocalSystem
from silofrei.deploy.prometheus.targets import Role, Target
from silofrei.routing.queue.queue import TicketQueue
from silofrei.schemas.config import Config
from silofrei.schemas.settings import Settings

SLEEPER = "import time; time.sleep(600)"

# Runs a system as `silofrei up` does; notes all process ids once it is up, and each event.
UP = """
import asyncio, json, sys
from pathlib import Path
from silofrei.deploy.local import system
from silofrei.deploy.local.child import Child
from silofrei.deploy.local.processes import Process
from silofrei.schemas.config import Config
from silofrei.schemas.settings import load_settings

data, kafka = Path(sys.argv[1]), sys.argv[2]

def processes(settings, logs, workers):
    argv = (sys.executable, "-c", "import time; time.sleep(600)")
    return [Process(Child(name, argv, logs / f"{name}.log"), None) for name in ("worker-0", "desk")]

def report(event):
    print(json.dumps([event.kind, event.name, event.text]), flush=True)

system.our_processes = processes
whole = system.LocalSystem(load_settings(data=data, _env_file=None), Config(), report=report, kafka=kafka)

async def work(instance):
    (data / "pids.part").write_text(json.dumps(whole.pids()))
    (data / "pids.part").rename(data / "pids")
    await asyncio.sleep(600)

print(asyncio.run(whole.run(work)))
"""


@pytest.fixture(autouse=True)
def small_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    def processes(_settings: Settings, logs: Path, workers: int) -> list[Process]:
        names = [f"worker-{number}" for number in range(workers)] + ["desk"]
        target = Target(Role.WORKER, "worker-0", "127.0.0.1:1")
        return [Process(Child(name, (sys.executable, "-c", SLEEPER), logs / f"{name}.log"), target) for name in names]

    monkeypatch.setattr(system_module, "our_processes", processes)


@pytest.fixture
def up(tmp_path: Path) -> Iterator[Callable[..., "subprocess.Popen[str]"]]:
    """Starts a system in a process of its own, on the data folder tmp_path / "data"; kills what is left."""
    started = []

    def start(kafka: str) -> "subprocess.Popen[str]":
        argv = [sys.executable, "-W", "ignore", "-c", UP, str(tmp_path / "data"), kafka]
        process = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


def wait_for(true: Callable[[], object], within: float = 40.0) -> None:
    until = time.monotonic() + within
    while not true():
        assert time.monotonic() < until, "it took too long"
        time.sleep(0.02)


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def pids_of(data: Path) -> dict[str, int]:
    wait_for((data / "pids").exists)
    pids: dict[str, int] = json.loads((data / "pids").read_text())
    (data / "pids").unlink()
    return pids


def write_event(instance: Instance) -> None:
    producer = KafkaProducer(bootstrap_servers=instance.kafka)
    producer.send("tickets.events", b"{}").get(timeout=20)
    producer.close()


async def test_brings_everything_up_finds_it_and_takes_it_down(make_settings, tmp_path: Path) -> None:
    events: list[Event] = []
    settings = make_settings(desk_port=0)
    system = LocalSystem(settings, Config(brands=("acme", "other")), report=events.append, kafka="memory", workers=2)
    seen: dict[str, int] = {}

    async def work(instance: Instance) -> None:
        seen.update(system.pids())
        assert read_instance(settings.data) == instance
        assert instance.kafka_kind == "memory"
        assert listens(instance.kafka)
        assert instance.metrics == {"worker-0": "127.0.0.1:1"}
        assert instance.prometheus.exists()
        assert instance.ledger == settings.data / "memory" / "ledger"
        queue = TicketQueue.connect(system.settings)
        assert await queue.epoch("acme")
        assert await queue.epoch("other")
        assert await queue.durability_problems() == []
        await queue.close()

    assert await system.run(work)
    assert set(seen) == {"kafka", "redis", "worker-0", "worker-1", "desk"}
    assert not any(alive(pid) for pid in seen.values())
    assert read_instance(settings.data) is None
    assert json.loads((settings.data / "prometheus" / "targets" / "silofrei.json").read_text()) == []
    assert "Kafka: in memory, as you asked." in events[0].text


async def test_memory_begins_empty_each_time(make_settings) -> None:
    settings = make_settings(desk_port=0)
    (settings.data / "memory" / "ledger").mkdir(parents=True)
    (settings.data / "memory" / "ledger" / "old").write_text("")

    async def work(instance: Instance) -> None:
        assert not instance.ledger.exists()
        with redis.Redis.from_url(instance.redis) as client:
            assert client.get("mark") is None
            client.set("mark", 1)

    for _ in range(2):
        assert await LocalSystem(settings, Config(), report=lambda _: None, kafka="memory").run(work)


async def test_a_memory_broker_that_crashes_ends_it_with_a_reason(make_settings) -> None:
    system = LocalSystem(make_settings(desk_port=0), Config(), report=lambda _: None, kafka="memory")
    seen: dict[str, int] = {}

    async def work(_instance: Instance) -> None:
        seen.update(system.pids())
        os.kill(seen["kafka"], signal.SIGKILL)
        await asyncio.sleep(600)

    with pytest.raises(LocalError, match="kafka was ended by SIGKILL; all that was in it is gone"):
        await system.run(work)
    assert not any(alive(pid) for pid in seen.values())


@pytest.mark.usefixtures("kafka_jars")
@pytest.mark.parametrize("name", ["redis", "kafka"])
async def test_a_store_that_crashes_comes_back_with_its_data(make_settings, name: str) -> None:
    back = asyncio.Event()
    crashed = False

    def report(event: Event) -> None:
        nonlocal crashed
        crashed |= event.kind is EventKind.CRASHED
        if crashed and event.kind is EventKind.READY:
            back.set()

    # The default, everysec, does not promise that a crash keeps what was confirmed in the last seconds.
    settings = make_settings(desk_port=0, redis_durability="always")
    system = LocalSystem(settings, Config(), report=report, kafka="local")

    async def work(instance: Instance) -> None:
        write_event(instance)
        with redis.Redis.from_url(instance.redis) as client:
            client.set("mark", 1)
        os.kill(system.pids()[name], signal.SIGKILL)
        async with asyncio.timeout(30):
            await back.wait()
        with redis.Redis.from_url(instance.redis) as client:
            assert client.get("mark") == b"1"
        consumer = KafkaConsumer("tickets.events", bootstrap_servers=instance.kafka, auto_offset_reset="earliest")
        assert next(consumer).value == b"{}"
        consumer.close()

    assert await system.run(work)


async def test_the_next_port_is_taken_and_told_where_the_desks_is_in_use(make_settings) -> None:
    events: list[Event] = []
    async with await asyncio.start_server(lambda _reader, _writer: None, "127.0.0.1", 0) as server:
        taken = server.sockets[0].getsockname()[1]
        system = LocalSystem(make_settings(desk_port=taken), Config(), report=events.append, kafka="memory")

        async def work(instance: Instance) -> None:
            assert taken < instance.desk_port < taken + 50
            assert instance.desk == f"http://127.0.0.1:{instance.desk_port}"
            assert any(f"Port {taken} is taken; the desk is at port" in event.text for event in events)

        assert await system.run(work)


async def test_one_more_child_runs_with_it(make_settings, tmp_path: Path) -> None:
    events: list[Event] = []
    system = LocalSystem(make_settings(desk_port=0), Config(), report=events.append, kafka="memory")

    async def work(_instance: Instance) -> None:
        await system.add(Child("prometheus", (sys.executable, "-c", SLEEPER), tmp_path / "log"))
        assert "prometheus" in system.pids()

    assert await system.run(work)
    assert next(event.name for event in events if event.kind is EventKind.STOPPING) == "prometheus"


def test_an_unreachable_broker_is_one_readable_error(up: Callable[..., "subprocess.Popen[str]"]) -> None:
    _, complaint = up("127.0.0.1:9").communicate(timeout=60)
    assert "ConfigurationError: SILOFREI_KAFKA='127.0.0.1:9': no broker answers" in complaint.splitlines()[-1]


async def test_without_jars_and_network_auto_is_memory(
    make_settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    configuration = tmp_path / "jgo.conf"
    configuration.write_text("[repositories]\ncentral = http://127.0.0.1:9\n")
    monkeypatch.setenv("JGO_CONFIG_FILE", str(configuration))
    events: list[Event] = []

    async def work(instance: Instance) -> None:
        assert instance.kafka_kind == "memory"

    assert await LocalSystem(make_settings(desk_port=0), Config(), report=events.append).run(work)
    assert "did not come within 5 s. Nothing is kept" in events[0].text


@pytest.mark.usefixtures("kafka_jars")
async def test_a_redis_that_was_lost_is_not_taken_for_a_new_one(make_settings) -> None:
    settings = make_settings(desk_port=0)

    async def open_a_ticket(instance: Instance) -> None:
        assert instance.kafka_kind == "local"
        write_event(instance)

    async def nothing(_instance: Instance) -> None:
        pass

    for work in (open_a_ticket, nothing):
        assert await LocalSystem(settings, Config(), report=lambda _: None).run(work)
    shutil.rmtree(settings.data / "local" / "redis")
    with pytest.raises(LocalError, match="holds no tickets, but Kafka has 1 of their events"):
        await LocalSystem(settings, Config(), report=lambda _: None).run(nothing)


@pytest.mark.usefixtures("kafka_jars")
def test_sigterm_stops_all_in_reverse_order_and_a_kill_leaves_no_orphan(
    up: Callable[..., "subprocess.Popen[str]"], tmp_path: Path
) -> None:
    data = tmp_path / "data"
    first = up("local")
    pids = pids_of(data)
    assert set(pids) == {"kafka", "redis", "worker-0", "desk"}

    second = up("memory")
    _, complaint = second.communicate(timeout=20)
    assert f"a system runs on the data folder {data} already (process {first.pid})" in complaint
    assert second.returncode != 0

    begun = time.monotonic()
    first.send_signal(signal.SIGTERM)
    out, _ = first.communicate(timeout=20)
    assert time.monotonic() - begun < 10
    assert out.splitlines()[-1] == "False"
    events = [json.loads(line) for line in out.splitlines()[:-1]]
    stopped = [name for kind, name, _ in events if kind == "stopped"]
    assert set(stopped[:2]) == {"worker-0", "desk"}
    assert set(stopped[2:]) == {"kafka", "redis"}
    assert not any(alive(pid) for pid in pids.values())
    assert not (data / "instance.json").exists()

    third = up("local")
    pids = pids_of(data)
    instance = read_instance(data)
    assert instance is not None
    assert instance.pid == third.pid
    third.kill()
    wait_for(lambda: not any(alive(pid) for pid in pids.values()), within=5)
    assert read_instance(data) is None

    fourth = up("local")
    pids_of(data)
    fourth.send_signal(signal.SIGINT)
    fourth.communicate(timeout=20)
    assert fourth.returncode == 0


def test_a_signal_during_the_start_ends_it_cleanly(up: Callable[..., "subprocess.Popen[str]"], tmp_path: Path) -> None:
    process = up("local" if (cache_folder(read_lock().version)).exists() else "memory")
    assert process.stdout is not None
    while json.loads(process.stdout.readline())[:2] != ["starting", "redis"]:
        pass
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=20)
    assert process.returncode == 0
    assert out.splitlines()[-1] == "False"
    assert not (tmp_path / "data" / "instance.json").exists()
