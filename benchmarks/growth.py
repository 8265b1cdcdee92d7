"""The same system while a million tickets gather: cost per mention, memory of the worker and of Redis.

One run of worker and relay, with a feed that is brought in ahead of them; at each mark the CPU since the mark before
it is divided by the mentions between the two. No ticket is resolved, so each mention leaves an open one.
"""

import threading
import time
from datetime import UTC, datetime
from typing import Any

from benchmarks.constant import REAL
from benchmarks.feed import deliveries
from benchmarks.stage import Processes, Stage, cpu_seconds, fill
from benchmarks.systems import OURS, SYSTEMS

MARKS = (
    2_000,
    10_000,
    30_000,
    100_000,
    200_000,
    300_000,
    400_000,
    500_000,
    600_000,
    700_000,
    800_000,
    900_000,
    1_000_000,
)
_LOOK_SECONDS = 0.02
_PATIENCE_SECONDS = 900.0


def measure(stage: Stage, mentions: int) -> dict[str, Any]:
    """The section `growth` of results.json.

    Args:
        stage: the services.
        mentions: in the end.
    """
    system = next(one for one in SYSTEMS if one.name == OURS)
    server = int(stage.client.info("server")["process_id"])
    points: list[dict[str, Any]] = []
    with stage.fresh("growth") as settings:
        feed = threading.Thread(target=fill, args=(settings, deliveries(mentions, datetime.now(UTC))))
        feed.start()
        with Processes(system.commands(), settings, {"BENCHMARK_CLASSIFIER": REAL}) as processes:
            before: tuple[int, float, list[float], float] | None = None
            for mark in [one for one in MARKS if one <= mentions]:
                applied = _reach(stage, processes, mark)
                now = (applied, time.monotonic(), processes.cpu_each(), cpu_seconds(server))
                if before:
                    points.append(_point(stage, processes, before, now))
                    print(f"  {points[-1]}", flush=True)
                before = now
            stage.wait(mentions, processes, _PATIENCE_SECONDS)
        feed.join()
    return {"mentions": mentions, "points": points}


def _reach(stage: Stage, processes: Processes, mark: int) -> int:
    end = time.monotonic() + _PATIENCE_SECONDS
    while (applied := stage.applied()[0]) < mark and time.monotonic() < end:
        processes.check()
        time.sleep(_LOOK_SECONDS)
    return applied


def _point(
    stage: Stage,
    processes: Processes,
    before: tuple[int, float, list[float], float],
    now: tuple[int, float, list[float], float],
) -> dict[str, Any]:
    count = now[0] - before[0]
    worker, relay = ((after - earlier) / count * 1e6 for after, earlier in zip(now[2], before[2], strict=True))
    return {
        "open_tickets": now[0],
        "mentions_per_s": round(count / (now[1] - before[1])),
        "worker_us_per_mention": round(worker, 1),
        "relay_us_per_mention": round(relay, 1),
        "redis_us_per_mention": round((now[3] - before[3]) / count * 1e6, 1),
        "worker_mb": round(processes.resident_bytes()[0] / 1e6, 1),
        "redis_mb": round(stage.client.info("memory")["used_memory"] / 1e6, 1),
    }
