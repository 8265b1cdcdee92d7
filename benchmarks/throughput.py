"""Mentions per second from the topic to the queue: Silofrei's worker beside plain loops that do the same work.

One broker, one Redis and one feed for all; the systems take turns over several rounds. What is measured is the same
for all and lies outside of them: the growth of the outbox in Redis, which has one entry per mention, from the first
entry to the last. Run it with `make bench`.
"""

import argparse
import json
import os
import platform
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

import redis
from kafka import KafkaProducer

from benchmarks.feed import deliveries
from silofrei.deploy.local.environment import environment_of
from silofrei.deploy.local.jars import cache_folder, fetch, read_lock
from silofrei.deploy.local.kafka import LocalKafka
from silofrei.deploy.local.redis import LocalRedis
from silofrei.routing.queue import keys
from silofrei.schemas.config import Config
from silofrei.schemas.settings import Settings, load_settings
from silofrei.streams.kafka_clients import kafka_python_producer_options
from silofrei.streams.topics import Topics, provision, raw_record_bytes

ROOT = Path(__file__).parents[1]
SYSTEMS: dict[str, Sequence[str]] = {
    "silofrei": ("-m", "silofrei.deploy.cli.main", "worker"),
    "kafka-python": ("-m", "benchmarks.peers.kafka_python_batch"),
    "kafka-python, one at a time": ("-m", "benchmarks.peers.kafka_python_single"),
    "aiokafka": ("-m", "benchmarks.peers.aiokafka_batch"),
}
BRAND = "demo"
OUTBOX = keys.outbox(BRAND)
PATIENCE = 300.0


@dataclass(frozen=True)
class Measured:
    """One run of one system."""

    mentions_per_s: float
    cpu_us_per_mention: float


def main() -> None:
    """Measure and print."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--quick", action="store_true", help="one short round, to show that it works")
    options.add_argument("--mentions", type=int, help="mentions in each run")
    options.add_argument("--rounds", type=int, help="runs of each system")
    options.add_argument("--out", type=Path, help="write the results as JSON to this file")
    chosen = options.parse_args()
    mentions = chosen.mentions or (2_000 if chosen.quick else 20_000)
    rounds = chosen.rounds or (1 if chosen.quick else 3)
    found: dict[str, list[Measured]] = {name: [] for name in SYSTEMS}
    fetch(read_lock(), cache_folder(read_lock().version))
    with tempfile.TemporaryDirectory(prefix="silofrei-bench-") as folder:
        kafka, server = LocalKafka(Path(folder) / "kafka"), LocalRedis(Path(folder) / "redis")
        try:
            kafka.start()
            server.start()
            settings = load_settings(kafka=kafka.bootstrap, redis=server.url, data=Path(folder), metrics_port=0)
            for number in range(rounds):
                for name, command in SYSTEMS.items():
                    own = settings.model_copy(update={"topic_prefix": f"r{number}.{len(found[name])}.{_slug(name)}."})
                    measured = _measure(own, command, mentions, server.url)
                    found[name].append(measured)
                    print(f"  round {number + 1}: {name:<28} {measured.mentions_per_s:>8.0f} mentions/s", flush=True)
        finally:
            server.stop()
            kafka.stop()
    results = _results(found, mentions, rounds)
    _print(results)
    if chosen.out:
        chosen.out.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")


def _slug(name: str) -> str:
    return "".join(letter if letter.isalnum() else "-" for letter in name)


def _measure(settings: Settings, command: Sequence[str], mentions: int, url: str) -> Measured:
    provision(settings, Config())
    producer = KafkaProducer(
        **kafka_python_producer_options(settings, max_request_size=raw_record_bytes(settings)), linger_ms=20
    )
    for key, value in deliveries(mentions, datetime.now(UTC)):
        producer.send(Topics(settings).raw, key=key, value=value)
    producer.flush()
    producer.close()
    with redis.Redis.from_url(url) as client:
        client.flushall()
        # What `silofrei up` does for a new system: without an epoch the queue takes nothing.
        client.set(keys.epoch(BRAND), "bench")
        process = subprocess.Popen(
            [sys.executable, *command],
            cwd=ROOT,
            env={**os.environ, **environment_of(settings), "SILOFREI_LOG_LEVEL": "warning"},
            start_new_session=True,
        )
        try:
            return _watch(client, process, mentions)
        finally:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _watch(client: redis.Redis, process: subprocess.Popen[bytes], mentions: int) -> Measured:
    deadline = time.monotonic() + PATIENCE
    first: tuple[float, int, float] | None = None
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise SystemExit(f"the measured system ended with exit code {process.returncode}")
        done, moment = int(client.xlen(OUTBOX)), time.monotonic()
        if done and first is None:
            first = (moment, done, _cpu(process.pid))
        if done >= mentions and first is not None:
            # From the first sign of work on, so that nobody's start counts.
            worked = mentions - first[1]
            return Measured(
                worked / max(moment - first[0], 1e-6), (_cpu(process.pid) - first[2]) / max(worked, 1) * 1e6
            )
        time.sleep(0.01)
    raise SystemExit(f"only {client.xlen(OUTBOX)} of {mentions} mentions after {PATIENCE:.0f} s")


def _cpu(pid: int) -> float:
    """Seconds of CPU that the process has used (proc(5): utime and stime, in ticks)."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _results(found: dict[str, list[Measured]], mentions: int, rounds: int) -> dict[str, object]:
    ours = median(one.mentions_per_s for one in found["silofrei"])
    return {
        "machine": {"cores": os.cpu_count(), "python": platform.python_version(), "system": platform.machine()},
        "mentions": mentions,
        "rounds": rounds,
        "systems": {
            name: {
                "mentions_per_s": _spread([one.mentions_per_s for one in runs]),
                "cpu_us_per_mention": _spread([one.cpu_us_per_mention for one in runs]),
                "silofrei_is_times_as_fast": round(ours / median(one.mentions_per_s for one in runs), 2),
            }
            for name, runs in found.items()
        },
    }


def _spread(values: list[float]) -> dict[str, float]:
    return {"min": round(min(values), 1), "median": round(median(values), 1), "max": round(max(values), 1)}


def _print(results: dict[str, object]) -> None:
    print(f"\n{'from topic to queue':<30}{'mentions/s':>12}{'(min-max)':>18}{'CPU us each':>13}{'silofrei is':>13}")
    systems = results["systems"]
    assert isinstance(systems, dict)
    for name, one in systems.items():
        speed = one["mentions_per_s"]
        print(
            f"{name:<30}{speed['median']:>12.0f}{speed['min']:>10.0f}-{speed['max']:<7.0f}"
            f"{one['cpu_us_per_mention']['median']:>13.0f}{one['silofrei_is_times_as_fast']:>11.2f} x"
        )


if __name__ == "__main__":
    main()
