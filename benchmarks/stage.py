"""The services that all systems share, and what is seen of a system from outside.

Owns: one Kafka and one Valkey for a whole run, topics of its own for each measurement, the processes of the measured
system and the CPU that they use. Refuses: what is measured (throughput.py and its neighbours).
"""

import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import redis
from confluent_kafka import Producer

from silofrei.deploy.local.environment import environment_of
from silofrei.deploy.local.jars import cache_folder, fetch, read_lock
from silofrei.deploy.local.kafka import LocalKafka
from silofrei.deploy.local.redis import LocalRedis
from silofrei.routing.queue import keys
from silofrei.schemas.config import Config
from silofrei.schemas.settings import Settings, load_settings
from silofrei.streams.kafka_clients import admin_client
from silofrei.streams.topics import Topics, plan, provision, raw_record_bytes

ROOT = Path(__file__).parents[1]
BRAND = "demo"
OUTBOX = keys.outbox(BRAND)
_LOOK_SECONDS = 0.01
_ANSWER_SECONDS = 60.0


class Overdue(Exception):  # noqa: N818  # it says what happened
    """What was waited for did not come in time."""


@dataclass(frozen=True)
class Stage:
    """A Kafka and a Valkey that run.

    Attributes:
        settings: those of every process that works on them.
        client: of the Valkey.
        records: folder in which the Kafka keeps its records.
    """

    settings: Settings
    client: redis.Redis
    records: Path

    @contextmanager
    def fresh(self, name: str, config: Config | None = None) -> Iterator[Settings]:
        """An empty Valkey and topics that nobody has used, deleted at the end; yields the settings that name them."""
        settings = self.settings.model_copy(update={"topic_prefix": f"{name}."})
        config = config or Config()
        provision(settings, config)
        self.empty_queue()
        try:
            yield settings
        finally:
            with admin_client(settings) as admin:
                admin.delete_topics([topic.name for topic in plan(settings, config)])

    def empty_queue(self) -> None:
        """A Valkey without tickets, that takes some."""
        self.client.flushall()
        # What `silofrei up` does for a new system: without an epoch the queue takes nothing.
        self.client.set(keys.epoch(BRAND), "bench")

    def applied(self) -> tuple[int, int]:
        """Mentions that were brought to the queue so far, and events that are not yet in Kafka."""
        try:
            found = self.client.xinfo_stream(OUTBOX)
        except redis.ResponseError:
            return 0, 0  # no entry so far
        return int(found["entries-added"]), int(found["length"])

    def wait(self, mentions: int, processes: "Processes", seconds: float) -> None:
        """Return once so many mentions are in the queue and their events in Kafka.

        Raises:
            Overdue: they are not in time.
        """
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            processes.check()
            applied, left = self.applied()
            if applied >= mentions and not left:
                return
            time.sleep(_LOOK_SECONDS)
        raise Overdue(f"only {self.applied()[0]} of {mentions} mentions after {seconds:.0f} s")


@contextmanager
def stage() -> Iterator[Stage]:
    """Start the services; they and their data are gone afterwards."""
    fetch(read_lock(), cache_folder(read_lock().version))
    with tempfile.TemporaryDirectory(prefix="silofrei-bench-") as folder:
        kafka, server = LocalKafka(Path(folder) / "kafka"), LocalRedis(Path(folder) / "redis")
        try:
            kafka.start()
            server.start()
            settings = load_settings(kafka=kafka.bootstrap, redis=server.url, data=Path(folder), metrics_port=0)
            with redis.Redis.from_url(server.url) as client:
                yield Stage(settings, client, kafka.data / "records")
        finally:
            server.stop()
            kafka.stop()


def fill(settings: Settings, records: Iterable[tuple[bytes, bytes]]) -> None:
    """Bring the records to mentions.raw, by their keys; returns once Kafka has them."""
    failed: list[object] = []

    def on_delivery(error: object, _message: object) -> None:
        if error is not None:
            failed.append(error)

    producer = Producer(
        {
            "bootstrap.servers": settings.kafka,
            "acks": "all",
            "linger.ms": 20,
            "message.max.bytes": raw_record_bytes(settings),
        }
    )
    for key, value in records:
        while True:
            try:
                producer.produce(Topics(settings).raw, value, key, on_delivery=on_delivery)
            except BufferError:
                producer.poll(0.05)
            else:
                break
        producer.poll(0)
    if producer.flush(_ANSWER_SECONDS) or failed:
        raise RuntimeError(f"the feed did not reach Kafka: {failed[:1]}")


class Processes:
    """The processes of a measured system.

    Args:
        commands: of each process, from the interpreter on.
        settings: handed to them.
        variables: environment variables on top.
    """

    def __init__(
        self, commands: Iterable[Sequence[str]], settings: Settings, variables: Mapping[str, str] | None = None
    ) -> None:
        environment = {name: value for name, value in os.environ.items() if not name.startswith("SILOFREI_")}
        environment |= environment_of(settings) | {"SILOFREI_LOG_LEVEL": "warning"} | dict(variables or {})
        self._running = [
            subprocess.Popen(command, cwd=ROOT, env=environment, start_new_session=True) for command in commands
        ]

    def __enter__(self) -> "Processes":
        return self

    def __exit__(self, *_: object) -> None:
        for process in self._running:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()

    def check(self) -> None:
        """Raise `Overdue` where one has ended."""
        for process in self._running:
            if process.poll() is not None:
                raise Overdue(f"the measured system ended with exit code {process.returncode}")

    def cpu_each(self) -> list[float]:
        """Seconds of CPU that each process with its children has used (proc(5): user and system, in ticks)."""
        return [sum(cpu_seconds(one) for one in family(process.pid)) for process in self._running]

    def cpu(self) -> float:
        """Seconds of CPU that all of them have used."""
        return sum(self.cpu_each())

    def resident_bytes(self) -> list[int]:
        """Memory that each process holds, without its children."""
        return [_resident_bytes(process.pid) for process in self._running]


def cpu_seconds(pid: int) -> float:
    """Seconds of CPU that one process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def family(pid: int) -> list[int]:
    """The process and all that it started, as far as they still run."""
    children = [
        child
        for task in Path(f"/proc/{pid}/task").iterdir()
        for child in (task / "children").read_text(encoding="utf-8").split()
    ]
    return [pid, *(one for child in children for one in family(int(child)))]


def _resident_bytes(pid: int) -> int:
    pages = Path(f"/proc/{pid}/statm").read_text(encoding="utf-8").split()[1]
    return int(pages) * os.sysconf("SC_PAGE_SIZE")
