"""Our own processes of a local system: the commands that start them, their ports, and when each is ready."""

import http.client
import socket
import sys
from dataclasses import dataclass, replace
from pathlib import Path

from silofrei.deploy.local.child import Child, LocalError, free_ports, listens
from silofrei.deploy.local.environment import environment_of
from silofrei.deploy.prometheus.targets import Role, Target
from silofrei.schemas.settings import Settings

_HOST = "127.0.0.1"
_ANSWER_SECONDS = 2.0
_GRACE = 7.0
_DESK_PORTS = 50


@dataclass(frozen=True, slots=True)
class Process:
    """One of our processes.

    Attributes:
        child: what the supervisor runs.
        target: its metrics; None where it has none.
    """

    child: Child
    target: Target | None


def our_processes(settings: Settings, logs: Path, workers: int) -> list[Process]:
    """Workers, relay, ledger and desk, each with free ports and these settings in its environment.

    Args:
        settings: with the addresses of broker and Redis, and with a free `desk_port`.
        logs: folder for their logs.
        workers: how many workers.
    """
    roles = [(Role.WORKER, str(slot)) for slot in range(workers)] + [(Role.RELAY, ""), (Role.LEDGER, "")]
    ports = free_ports(len(roles))
    processes = [_measured(settings, logs, role, slot, port) for (role, slot), port in zip(roles, ports, strict=True)]
    return [*processes, _desk(settings, logs)]


def desk_port(settings: Settings) -> int:
    """The desk's port: the one of the settings, or the next free one.

    Raises:
        LocalError: there is none.
    """
    wanted = settings.desk_port
    if wanted == 0:
        return free_ports(1)[0]
    for port in range(wanted, min(wanted + _DESK_PORTS, 65_536)):
        if _free(settings.desk_host, port):
            return port
    raise LocalError(f"no free port for the desk from {wanted} on; set SILOFREI_DESK_PORT to another one, or to 0.")


def _measured(settings: Settings, logs: Path, role: Role, slot: str, port: int) -> Process:
    name = f"{role.value}-{slot}" if slot else role.value
    address = f"{_HOST}:{port}"
    changes: dict[str, object] = {"metrics_host": _HOST, "metrics_port": port}
    if slot:
        changes["worker_slot"] = slot
    child = _child(settings.model_copy(update=changes), logs, role, name)
    target = Target(role, name, address)
    return Process(replace(child, ready=lambda: listens(address)), target)


def _desk(settings: Settings, logs: Path) -> Process:
    child = _child(settings.model_copy(update={"metrics_port": 0}), logs, Role.DESK, Role.DESK.value)
    host, port = settings.desk_host, settings.desk_port
    return Process(replace(child, ready=lambda: _serves(host, port)), None)


def _child(settings: Settings, logs: Path, role: Role, name: str) -> Child:
    argv = (sys.executable, "-m", "silofrei.deploy.cli.main", role.value)
    return Child(name, argv, logs / f"{name}.log", env=environment_of(settings), grace=_GRACE)


def _serves(host: str, port: int) -> bool:
    """Whether the desk answers with a page."""
    connection = http.client.HTTPConnection(host, port, timeout=_ANSWER_SECONDS)
    try:
        connection.request("GET", "/")
        return connection.getresponse().status < 500
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _free(host: str, port: int) -> bool:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        # As servers do, so that a port whose last connections are just ending counts as free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True
