"""What runs on a data folder: one system at most (`DataLock`), and where it can be reached (`Instance`).

The file `instance.json` lets a command in another shell find the running system. One that was left behind by a
system that is gone is told by its process and ignored.
"""

import fcntl
import os
from datetime import datetime
from pathlib import Path
from typing import Literal, Self

from pydantic import ValidationError

from silofrei.deploy.local.child import LocalError
from silofrei.schemas.base import Contract, Moment

_FILE = "instance.json"
_LOCK = "lock"
_ENDED = "ZX"  # a zombie keeps its entry until its parent asks for it


class Instance(Contract):
    """A running local system.

    Attributes:
        pid: process id of its supervisor.
        process: what tells that process from a later one with the same id.
        started_at: when it started.
        kafka_kind: `local`, `memory` or `external`.
        kafka: bootstrap servers.
        redis: URL of its Redis.
        ledger: folder of the Parquet ledger.
        desk_host: address of the desk.
        desk_port: port of the desk.
        topic_prefix: put before every topic name.
        config: silofrei.toml where one was named.
        metrics: HOST:PORT of the metrics, by child.
        prometheus: configuration that a Prometheus can be started with.
    """

    version: Literal[1] = 1
    pid: int
    process: str
    started_at: Moment
    kafka_kind: Literal["local", "memory", "external"]
    kafka: str
    redis: str
    ledger: Path
    desk_host: str
    desk_port: int
    topic_prefix: str = ""
    config: Path | None = None
    metrics: dict[str, str]
    prometheus: Path

    @property
    def desk(self) -> str:
        """Address of the desk for a browser."""
        return f"http://{self.desk_host}:{self.desk_port}"

    def settings(self) -> dict[str, object]:
        """The settings that lead another process to this system."""
        found: dict[str, object] = {
            "kafka": self.kafka,
            "kafka_memory": self.kafka_kind == "memory",
            "redis": self.redis,
            "ledger": self.ledger,
            "desk_host": self.desk_host,
            "desk_port": self.desk_port,
            "topic_prefix": self.topic_prefix,
        }
        return found | ({"config": self.config} if self.config is not None else {})

    @classmethod
    def of_this_process(cls, started_at: datetime, **addresses: object) -> Self:
        """An instance whose supervisor is this process."""
        pid = os.getpid()
        values = {"pid": pid, "process": _identity(pid), "started_at": started_at, **addresses}
        return cls.model_validate(values)


def write_instance(data: Path, instance: Instance) -> None:
    """Lets others find this system; only its user may read the file."""
    data.mkdir(mode=0o700, parents=True, exist_ok=True)
    part = data / f"{_FILE}.part"
    part.unlink(missing_ok=True)
    with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        file.write(instance.model_dump_json(indent=2) + "\n")
    part.replace(data / _FILE)


def remove_instance(data: Path) -> None:
    """Says that nothing runs any more."""
    (data / _FILE).unlink(missing_ok=True)


def read_instance(data: Path) -> Instance | None:
    """The system that runs on this data folder, or None where none does."""
    try:
        instance = Instance.model_validate_json((data / _FILE).read_bytes())
    except (OSError, ValidationError):
        # A file of another version belongs to a system that this one cannot speak with either.
        return None
    return instance if _identity(instance.pid) == instance.process else None


class DataLock:
    """Keeps a second system away from a data folder, for as long as this process lives.

    Args:
        data: the folder; made, for its user alone, where it is missing.

    Raises:
        LocalError: another system has it, or it cannot be written.
    """

    def __init__(self, data: Path) -> None:
        try:
            data.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._file = os.open(data / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise LocalError(f"{data}: {error.strerror}; choose another folder with --data or SILOFREI_DATA.") from None
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.read(self._file, 20).decode(errors="replace").strip()
            os.close(self._file)
            raise LocalError(
                f"a system runs on the data folder {data} already (process {holder or 'unknown'}). Stop that one, or "
                "choose another folder with --data or SILOFREI_DATA."
            ) from None
        os.ftruncate(self._file, 0)
        os.pwrite(self._file, f"{os.getpid()}\n".encode(), 0)

    def release(self) -> None:
        """Lets the next system in."""
        os.close(self._file)


def _identity(pid: int) -> str | None:
    """What tells this process from others that had or will have its id; None where it does not run."""
    try:
        # After the name, which may hold spaces, come state and, 19 fields later, the start in ticks (proc(5)).
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
        return fields[19] if fields[0] not in _ENDED else None
    except FileNotFoundError:
        if Path("/proc/self/stat").exists():
            return None
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return None
    except PermissionError:
        pass
    return "runs"
