"""Bytes that a mention takes: in Kafka (deliveries; events with the departments' feeds), in Parquet, in Redis.

Besides opened tickets, some are claimed and resolved, for the size of those events and of a finished ticket.
"""

import asyncio
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from benchmarks.constant import REAL
from benchmarks.feed import deliveries
from benchmarks.stage import BRAND, Overdue, Processes, Stage, fill
from benchmarks.systems import OURS, SYSTEMS
from silofrei.routing.queue import TicketQueue
from silofrei.schemas.names import Outcome
from silofrei.schemas.settings import Settings

_PATIENCE_SECONDS = 300.0
_LOOK_SECONDS = 0.2


def measure(stage: Stage, mentions: int) -> dict[str, Any]:
    """The section `storage` of results.json.

    Args:
        stage: the services.
        mentions: how many.
    """
    commands = next(one for one in SYSTEMS if one.name == OURS).commands()
    ledger = (sys.executable, "-m", "silofrei.deploy.cli.main", "ledger")
    found: dict[str, Any] = {"mentions": mentions}
    with stage.fresh("storage") as settings:
        empty = int(stage.client.info("memory")["used_memory"])
        fill(settings, deliveries(mentions, datetime.now(UTC)))
        found["raw_bytes"] = _size(stage.records, "storage.mentions.raw-") / mentions
        with Processes([*commands, ledger], settings, {"BENCHMARK_CLASSIFIER": REAL}) as processes:
            stage.wait(mentions, processes, _PATIENCE_SECONDS)
            _rows(settings, processes, mentions)
            found["event_bytes"] = _size(stage.records, "storage.tickets.") / mentions
            found["parquet_bytes"] = _parquet(settings) / mentions
            found["redis_bytes"] = (int(stage.client.info("memory")["used_memory"]) - empty) / mentions
            resolved = asyncio.run(_resolve(settings, mentions // 10))
            stage.wait(mentions + 2 * resolved, processes, _PATIENCE_SECONDS)
            _rows(settings, processes, mentions + 2 * resolved)
            after = _size(stage.records, "storage.tickets.") / mentions - found["event_bytes"]
            found["work_event_bytes"] = after * mentions / (2 * resolved)
    found = {name: round(value, 1) for name, value in found.items()}
    print(f"  {found}", flush=True)
    return found


async def _resolve(settings: Settings, count: int) -> int:
    """Claim and resolve so many tickets; returns how many that were."""
    queue = TicketQueue.connect(settings)
    try:
        for done in range(count):
            ticket = await queue.claim(BRAND, "service", "bench")
            if ticket is None or ticket.lease is None:
                return done
            await queue.resolve(BRAND, ticket.id, ticket.lease.token, Outcome.ANSWERED, "Sent a new part.")
        return count
    finally:
        await queue.close()


def _rows(settings: Settings, processes: Processes, count: int) -> None:
    """Return once so many events are in the ledger."""
    end = time.monotonic() + _PATIENCE_SECONDS
    while time.monotonic() < end:
        processes.check()
        if sum(pq.read_metadata(path).num_rows for path in settings.ledger_folder.rglob("*.parquet")) >= count:
            return
        time.sleep(_LOOK_SECONDS)
    raise Overdue(f"fewer than {count} events in the ledger")


def _parquet(settings: Settings) -> int:
    return sum(path.stat().st_size for path in settings.ledger_folder.rglob("*.parquet"))


def _size(records: Path, prefix: str) -> int:
    """Bytes of the segments of the topics whose names begin so; their indexes are sparse files and not counted."""
    return sum(path.stat().st_size for path in records.glob(f"{prefix}*/*.log"))
