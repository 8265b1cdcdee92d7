"""How much a site needs, from its mentions a day: a small model over what the benchmarks measured on one machine.

Owns: the arithmetic of docs/capacity.md; `python -m benchmarks.capacity` prints its table. tests/unit/test_capacity.py
holds the model to the measured points. Bytes are bytes, times seconds, unless a name says otherwise.
"""

import json
import math
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

_DAY = 86_400
_YEAR_DAYS = 365
LOADS_PER_DAY = (1_000, 100_000, 1_000_000, 10_000_000, 27_400_000)
"""The last are 10 billion a year."""


@dataclass(frozen=True)
class Measured:
    """What one mention costs.

    Attributes:
        worker_us: CPU of the worker.
        relay_us: CPU of the relay.
        redis_us: CPU of Redis.
        redis_bytes: memory of a ticket with its mention.
        raw_bytes: of a delivery in Kafka, one copy.
        event_bytes: of the event of an opened ticket, with the department's feed, one copy.
        work_event_bytes: of an event of people's work (claimed, resolved), with the feed, one copy.
        parquet_bytes: of an event in the ledger.
    """

    worker_us: float
    relay_us: float
    redis_us: float
    redis_bytes: float
    raw_bytes: float
    event_bytes: float
    work_event_bytes: float
    parquet_bytes: float


@dataclass(frozen=True)
class Site:
    """What is assumed of a site.

    Attributes:
        mentions_per_day: on average.
        peak: how many times the average the busiest hour has.
        busy: how much of a core a process may use then, so that latencies stay low and a backlog can be caught up.
        work_events: events of people's work on a ticket.
        remembered_days: how long a ticket stays in Redis: until it is resolved, and its tombstone.
        raw_days: how long deliveries and feeds stay in Kafka.
        copies: replicas of each Kafka topic.
        primary_bytes: most memory of one Redis: more takes too long to copy and to load.
    """

    mentions_per_day: float
    peak: float = 5.0
    busy: float = 0.5
    work_events: float = 2.0
    remembered_days: float = 33.0
    raw_days: float = 7.0
    copies: int = 3
    primary_bytes: float = 64e9


@dataclass(frozen=True)
class Needs:
    """What it takes.

    Attributes:
        mentions_per_s: on average.
        peak_per_s: in the busiest hour.
        workers: worker processes, a core each.
        partitions: of `mentions.raw`, twice the workers, so that there is room to grow.
        relays: shards of brands, each with a relay of its own.
        redis_shards: primaries, each with a core and at most `primary_bytes`.
        redis_bytes: memory of all of them, without replicas.
        kafka_bytes: disk of all brokers for deliveries and feeds.
        events_bytes_per_year: disk of all brokers that `tickets.events` grows by.
        parquet_bytes_per_year: what the ledger grows by.
    """

    mentions_per_s: float
    peak_per_s: float
    workers: int
    partitions: int
    relays: int
    redis_shards: int
    redis_bytes: float
    kafka_bytes: float
    events_bytes_per_year: float
    parquet_bytes_per_year: float


def measured(results: dict[str, Any]) -> Measured:
    """The costs from results.json: the medians over the growth to a million tickets, and the storage."""
    points, storage = results["growth"]["points"], results["storage"]

    def cost(name: str) -> float:
        return float(median(point[name] for point in points))

    return Measured(
        cost("worker_us_per_mention"),
        cost("relay_us_per_mention"),
        cost("redis_us_per_mention"),
        redis_bytes=storage["redis_bytes"],
        raw_bytes=storage["raw_bytes"],
        event_bytes=storage["event_bytes"],
        work_event_bytes=storage["work_event_bytes"],
        parquet_bytes=storage["parquet_bytes"],
    )


def worker_per_s(costs: Measured, busy: float = 1.0) -> float:
    """Mentions per second of one worker that may use so much of a core."""
    return busy / costs.worker_us * 1e6


def redis_bytes(costs: Measured, tickets: float) -> float:
    """Memory of Redis with so many tickets."""
    return tickets * costs.redis_bytes


def needs(site: Site, costs: Measured) -> Needs:
    """What the site needs."""
    average = site.mentions_per_day / _DAY
    peak = average * site.peak
    workers = math.ceil(peak / worker_per_s(costs, site.busy))
    # The share of events that the feeds have is gone after `raw_days`, as they are; half of the bytes are theirs.
    events = costs.event_bytes + site.work_events * costs.work_event_bytes
    kept = site.mentions_per_day * site.raw_days * (costs.raw_bytes + events / 2) * site.copies
    work_us = costs.relay_us * (1 + site.work_events)
    memory = redis_bytes(costs, site.mentions_per_day * site.remembered_days)
    redis_us = costs.redis_us * (1 + site.work_events)
    return Needs(
        mentions_per_s=average,
        peak_per_s=peak,
        workers=workers,
        partitions=max(4, 2 * workers),
        relays=math.ceil(peak * work_us / 1e6 / site.busy),
        redis_shards=max(math.ceil(peak * redis_us / 1e6 / site.busy), math.ceil(memory / site.primary_bytes)),
        redis_bytes=memory,
        kafka_bytes=kept,
        events_bytes_per_year=site.mentions_per_day * _YEAR_DAYS * events / 2 * site.copies,
        parquet_bytes_per_year=site.mentions_per_day * _YEAR_DAYS * (1 + site.work_events) * costs.parquet_bytes,
    )


def table(costs: Measured) -> str:
    """The table of docs/capacity.md."""
    lines = [
        "| mentions a day | a second: average, peak | workers | partitions | relays | Redis: primaries, memory "
        "| Kafka, 7 days | `tickets.events` a year | Parquet a year |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for load in LOADS_PER_DAY:
        one = needs(Site(load), costs)
        lines.append(
            f"| {load:,} | {one.mentions_per_s:,.1f}, {one.peak_per_s:,.1f} | {one.workers} | {one.partitions} "
            f"| {one.relays} | {one.redis_shards}, {_size(one.redis_bytes)} | {_size(one.kafka_bytes)} "
            f"| {_size(one.events_bytes_per_year)} | {_size(one.parquet_bytes_per_year)} |"
        )
    return "\n".join(lines)


def _size(count: float) -> str:
    for unit in ("MB", "GB", "TB"):
        count /= 1_000 if unit != "MB" else 1e6
        if count < 1_000:
            break
    return f"{count:,.0f} {unit}" if count >= 10 else f"{count:,.1f} {unit}"


if __name__ == "__main__":
    file = Path(__file__).parent / "results.json"
    print(table(measured(json.loads(file.read_text(encoding="utf-8")))))
