"""A real Apache Kafka on this machine: one node that is broker and controller (KRaft), on loopback, data kept.

What is written survives a kill of the process at once and a loss of power after a second, as with our Redis.
"""

import base64
import os
import re
import socket
import subprocess
import uuid
from pathlib import Path

from silofrei.deploy.local.child import Child, LocalError, Running, ending, free_ports, listens
from silofrei.deploy.local.jars import KafkaLock, cache_folder, is_cached, read_lock
from silofrei.deploy.local.java import find_java

_LOG4J = Path(__file__).with_name("log4j2.properties")
# A CDS archive would save 0.4 s of the 2 s to start; it takes 7 s and 66 MB to make, so there is none.
_JVM = ("-Xms128m", "-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-XX:+ExitOnOutOfMemoryError")
_ANSWER_SECONDS = 1.0
_API_VERSIONS = b"\x00\x12\x00\x00\x00\x00\x00\x01\xff\xff"  # request 18, version 0, correlation 1, no client id

_PROPERTIES = """\
# Written at each start.
process.roles=broker,controller
node.id=1
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}
controller.listener.names=CONTROLLER
controller.quorum.voters=1@127.0.0.1:{controller}
log.dirs=records
# Topics are made by `silofrei topics`, with the settings that they shall have.
auto.create.topics.enable=false
num.partitions=4
offsets.topic.replication.factor=1
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=4
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
share.coordinator.state.topic.num.partitions=4
group.initial.rebalance.delay.ms=0
# After a crash the node waits for the end of its own former session.
broker.session.timeout.ms=3000
broker.heartbeat.interval.ms=500
# There is no second copy, so the disk has to have it soon.
log.flush.interval.ms=1000
log.flush.scheduler.interval.ms=1000
log.cleaner.dedupe.buffer.size=33554432
"""


class LocalKafka(Running):
    """A single-node Apache Kafka that keeps its records in a folder.

    Args:
        data: its folder; made where it is missing. Kafka's port stays the same over restarts where it is free.
        lock: which Kafka; the one of kafka.lock.toml by default.
        jars: folder that holds its jars, see jars.fetch; the user's cache by default.

    Raises:
        LocalError: the jars or a Java are missing.
    """

    def __init__(self, data: Path, lock: KafkaLock | None = None, jars: Path | None = None) -> None:
        lock = lock or read_lock()
        jars = jars or cache_folder(lock.version)
        if not is_cached(lock, jars):
            raise LocalError(f"{jars} lacks jars of Kafka {lock.version}; fetch them with `silofrei up --kafka local`.")
        self.data = data.absolute()
        self.data.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._properties = self.data / "server.properties"
        fresh, self._controller = free_ports(2)
        self._port = self._former_port() or fresh
        self._java = (
            str(find_java()),
            *_JVM,
            f"-Dlog4j2.configurationFile={_LOG4J.as_uri()}",
            "-cp",
            os.pathsep.join(str(jars / jar.filename) for jar in lock.jars),
        )
        super().__init__(self._run("kafka.Kafka", self._properties.name))

    @property
    def bootstrap(self) -> str:
        """HOST:PORT of its broker."""
        return f"127.0.0.1:{self._port}"

    def start(self) -> None:
        """Starts it, new or with the records of last time.

        Raises:
            LocalError: it did not start.
        """
        self.prepare()
        super().start()

    def prepare(self) -> None:
        """Writes its configuration, and formats its storage where it is new.

        Raises:
            LocalError: the storage could not be formatted.
        """
        self._properties.write_text(_PROPERTIES.format(port=self._port, controller=self._controller))
        if (self.data / "records" / "meta.properties").exists():
            return
        # A UUID as Kafka writes it; its tools take a leading hyphen for an option.
        cluster = "A" + base64.urlsafe_b64encode(uuid.uuid4().bytes).decode()[1:22]
        tool = self._run("kafka.tools.StorageTool", "format", "-t", cluster, "-c", self._properties.name)
        log = tool.open_log()
        try:
            done = subprocess.run(  # noqa: S603 # the command is ours
                tool.command(), env=tool.environment(), cwd=tool.cwd, stdout=log, stderr=log, check=False
            )
        finally:
            os.close(log)
        if done.returncode != 0:
            raise tool.failure(f"could not format its storage: the tool {ending(done.returncode)}")

    def _run(self, *arguments: str) -> Child:
        return Child(
            "kafka",
            (*self._java, *arguments),
            self.data / "kafka.log",
            # Java reads paths that are not ASCII by the locale.
            env={"LC_ALL": "C.UTF-8"},
            cwd=self.data,
            ready=lambda: _answers(self._port),
            grace=8.0,
        )

    def _former_port(self) -> int | None:
        try:
            match = re.search(r"PLAINTEXT://127\.0\.0\.1:(\d+)", self._properties.read_text())
        except OSError:
            return None
        return int(match[1]) if match and not listens(f"127.0.0.1:{match[1]}") else None


def _answers(port: int) -> bool:
    """Whether the broker answers requests, which it does once it has its cluster."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=_ANSWER_SECONDS) as connection:
            connection.sendall(len(_API_VERSIONS).to_bytes(4, "big") + _API_VERSIONS)
            return len(connection.recv(4)) == 4
    except OSError:
        return False
