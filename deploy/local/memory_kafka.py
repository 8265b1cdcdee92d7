"""A Kafka that keeps nothing: librdkafka's in-memory cluster in a process of its own.

For a first look and fast tests. It knows no CreateTopics (topics come by auto-creation, with 4 partitions), no
idempotence for kafka-python, no SASL; beyond 5 MiB or 100,000 records a partition it drops the oldest without a word.
"""

import argparse
import importlib.util
import os
import signal
import sys
from pathlib import Path

from silofrei.deploy.local.child import Child, LocalError, Running, listens

_ANSWER_SECONDS = 10


def memory_kafka_missing() -> str | None:
    """Why there can be no Kafka in memory here, or None where there can."""
    if importlib.util.find_spec("confluent_kafka") is None:
        return "confluent-kafka, which carries the memory cluster, is not installed; pip install 'silofrei[local]'"
    return None


class MemoryKafka(Running):
    """A one-broker Kafka cluster in memory.

    Args:
        data: folder for its address and its log; made where it is missing.

    Raises:
        LocalError: confluent-kafka is not installed.
    """

    def __init__(self, data: Path) -> None:
        missing = memory_kafka_missing()
        if missing:
            raise LocalError(missing)
        data.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._address = data.absolute() / "kafka.address"
        self._address.unlink(missing_ok=True)
        argv = (sys.executable, "-m", __name__, "--address-file", str(self._address))
        super().__init__(
            Child(
                "kafka",
                argv,
                data.absolute() / "kafka.log",
                ready=self._ready,
                grace=5.0,
                irreplaceable="all that was in it is gone with it, so everything must be started anew.",
            )
        )

    @property
    def bootstrap(self) -> str:
        """HOST:PORT of its broker, once it is ready."""
        return self._address.read_text()

    def start(self) -> None:
        """Starts it, empty; it gets another address each time."""
        self._address.unlink(missing_ok=True)
        super().start()

    def _ready(self) -> bool:
        return self._address.exists() and listens(self.bootstrap)


def main() -> int:
    """Hosts the cluster until SIGTERM or SIGINT."""
    parser = argparse.ArgumentParser(description="Host librdkafka's memory cluster.")
    parser.add_argument("--address-file", type=Path, required=True, help="takes HOST:PORT once the cluster runs")
    file: Path = parser.parse_args().address_file
    ends = {signal.SIGTERM, signal.SIGINT}
    signal.pthread_sigmask(signal.SIG_BLOCK, ends)

    from confluent_kafka import Producer

    # The cluster lives as long as the client that was configured to make it.
    host = Producer({"test.mock.num.brokers": 1})
    brokers = host.list_topics(timeout=_ANSWER_SECONDS).brokers
    unfinished = file.with_name(f"{file.name}.{os.getpid()}")
    unfinished.write_text(",".join(f"{broker.host}:{broker.port}" for broker in brokers.values()))
    unfinished.replace(file)
    signal.sigwait(ends)
    return 0


if __name__ == "__main__":
    sys.exit(main())
