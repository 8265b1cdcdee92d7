"""The systems that are measured: how each is started, and which guarantee it cannot give."""

import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version

from benchmarks.stage import ROOT

OURS = "silofrei"
_PEERS_PYTHON = ROOT / ".venv-peers" / "bin" / "python"

_RELAY = ("silofrei.deploy.cli.main", "relay")


@dataclass(frozen=True)
class System:
    """One system.

    Attributes:
        name: as in results.json.
        modules: what each of its processes runs, after `python -m`.
        packages: whose versions stand in the results.
        elsewhere: whether it runs in the peers' environment; the others run in ours.
        weaker: what it does not guarantee, for the table; empty where it gives what Silofrei gives.
        variables: environment variables for its processes.
        share: of the mentions of a run, for a system so slow that more would only take time.
    """

    name: str
    modules: tuple[tuple[str, ...], ...]
    packages: tuple[str, ...]
    elsewhere: bool = False
    weaker: str = ""
    share: float = 1.0
    variables: tuple[tuple[str, str], ...] = ()

    def commands(self) -> list[Sequence[str]]:
        """The command of each process."""
        python = str(_PEERS_PYTHON) if self.elsewhere else sys.executable
        return [(python, "-m", *module) for module in self.modules]

    def missing(self) -> str | None:
        """Why it cannot be measured here, or None where it can."""
        if not self.elsewhere:
            return None
        if not _PEERS_PYTHON.exists():
            return "the peers' environment is missing; make it with `make peers`"
        return None if all(_peer_version(package) for package in self.packages) else "it is not installed"

    def versions(self) -> dict[str, str]:
        """Versions of its packages."""
        return {name: _peer_version(name) if self.elsewhere else version(name) for name in self.packages}


SYSTEMS = (
    System(
        OURS,
        (("benchmarks.worker",), _RELAY),
        ("silofrei", "faust-streaming", "aiokafka"),
    ),
    System("kafka-python, one at a time", (("benchmarks.peers.kafka_python_single",),), ("kafka-python",), share=0.05),
    System("kafka-python", (("benchmarks.peers.kafka_python_batch",),), ("kafka-python",)),
    System("aiokafka", (("benchmarks.peers.aiokafka_batch",),), ("aiokafka",)),
    System("quix-streams", (("benchmarks.peers.quix_streams",),), ("quixstreams", "confluent-kafka"), elsewhere=True),
    System(
        "bytewax",
        (("bytewax.run", "benchmarks.peers.bytewax_flow:flow()"),),
        ("bytewax", "confluent-kafka"),
        elsewhere=True,
        weaker="commits no offsets; an event leaves the outbox before Kafka has it",
    ),
    System("librdkafka", (("benchmarks.peers.librdkafka_batch",),), ("confluent-kafka",)),
    System(
        "librdkafka with our relay",
        (("benchmarks.peers.librdkafka_batch",), _RELAY),
        ("confluent-kafka",),
        variables=(("BENCHMARK_EVENTS", "relay"),),
    ),
)


@cache
def _peer_version(package: str) -> str:
    """The package's version in the peers' environment; empty where it is not there."""
    code = f"import importlib.metadata as m; print(m.version({package!r}))"
    asked = subprocess.run((str(_PEERS_PYTHON), "-c", code), capture_output=True, text=True, check=False)
    return asked.stdout.strip() if asked.returncode == 0 else ""
