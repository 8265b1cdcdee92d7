"""From publication to queue, at a part of the sustainable rate, and beyond it.

A producer sends at an even rate; each mention is published at the moment of its sending (to the microsecond), and its
event says when the queue had it, by a clock of the same machine. So every mention counts, none is sampled.
"""

import threading
import time
from bisect import bisect_left
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any, NamedTuple

from confluent_kafka import Consumer, Producer
from pydantic_core import from_json

from benchmarks.feed import deliveries
from benchmarks.stage import Overdue, Processes, Stage
from benchmarks.systems import OURS, SYSTEMS
from silofrei.schemas.settings import Settings
from silofrei.streams.topics import Topics

BOUNDS_MS = (1, 2, 5, 10, 15, 20, 30, 40, 60, 80, 100, 150, 250, 500, 1_000, 2_500, 5_000, 10_000, 30_000)
SHARES = (0.5, 0.9, 1.1)
_STEP_SECONDS = 0.002
_WARM_SECONDS = 2.0
"""What is published in the first seconds does not count: connections are made, code is loaded."""
_PATIENCE_SECONDS = 120.0
_STAMP = datetime(2000, 1, 1, 0, 0, 0, 123456, UTC)
_TOO_MUCH_PER_S = 9_000
"""More than one worker of this machine takes."""


class Mention(NamedTuple):
    """When a mention was published and when the queue had it, seconds since 1970."""

    published: float
    queued: float


class _Feeder(threading.Thread):
    """Sends records at a rate; keeps what it sent."""

    def __init__(self, settings: Settings, rate: float, seconds: float, first: int = 0) -> None:
        super().__init__()
        self._settings = settings
        self._rate = rate
        self._seconds = seconds
        self._records = list(deliveries(int(rate * seconds) + 1, _STAMP, first=first, apart=timedelta(0)))
        self.sent = 0

    def run(self) -> None:
        """Send until the time is over."""
        producer = Producer({"bootstrap.servers": self._settings.kafka, "acks": "1", "linger.ms": 0})
        topic = Topics(self._settings).raw
        mark = _text(_STAMP).encode()
        began = time.monotonic()
        while (now := time.monotonic()) < began + self._seconds:
            stamp = _text(datetime.now(UTC)).encode()
            for _ in range(int((now - began) * self._rate) - self.sent):
                key, value = self._records[self.sent]
                producer.produce(topic, value.replace(mark, stamp), key)
                self.sent += 1
            producer.poll(0)
            time.sleep(_STEP_SECONDS)
        producer.flush(30)


def measure(stage: Stage, seconds: float, rate: float | None = None) -> dict[str, Any]:
    """The section `latency` of results.json.

    Args:
        stage: the services.
        seconds: how long each level lasts.
        rate: mentions per second that can be sustained; measured under overload where it is None.
    """
    sustainable = rate or _sustainable(stage, seconds)
    print(f"  sustainable while a producer sends: {sustainable:.0f} mentions/s", flush=True)
    levels = []
    for share in SHARES:
        level = _level(stage, sustainable * share, seconds)
        levels.append({"share": share, **level})
        print(
            f"  at {share:.0%}: p50 {level['p50_ms']:.1f} ms, p99 {level['p99_ms']:.1f} ms, {level['backlog']}",
            flush=True,
        )
    return {"sustainable_per_s": round(sustainable), "seconds": seconds, "bounds_ms": BOUNDS_MS, "levels": levels}


def _sustainable(stage: Stage, seconds: float) -> float:
    """What the queue takes per second while more than that comes in."""
    system = next(one for one in SYSTEMS if one.name == OURS)
    with stage.fresh("latency-overload") as settings, Processes(system.commands(), settings) as processes:
        _, feeder = _started(stage, processes, settings, rate=_TOO_MUCH_PER_S, seconds=seconds)
        begun, at = stage.applied()[0], time.monotonic()
        feeder.join()
        applied, passed = stage.applied()[0] - begun, time.monotonic() - at
    return applied / passed


def _level(stage: Stage, rate: float, seconds: float) -> dict[str, Any]:
    system = next(one for one in SYSTEMS if one.name == OURS)
    with stage.fresh(f"latency-{rate:.0f}") as settings, Processes(system.commands(), settings) as processes:
        ahead, feeder = _started(stage, processes, settings, rate, seconds + _WARM_SECONDS)
        time.sleep(_WARM_SECONDS + seconds / 2)
        middle = ahead + feeder.sent - stage.applied()[0]
        feeder.join()
        sent = ahead + feeder.sent
        end = sent - stage.applied()[0]
        stage.wait(sent, processes, _PATIENCE_SECONDS)
        mentions = _read(settings, sent)
    last = max(one.published for one in mentions)
    first = last - seconds
    spans = sorted((one.queued - one.published) * 1000 for one in mentions if one.published >= first)
    counts = [bisect_left(spans, bound) for bound in BOUNDS_MS]
    return {
        "rate_per_s": round(rate),
        "mentions": len(spans),
        "p50_ms": round(_quantile(spans, 0.5), 2),
        "p99_ms": round(_quantile(spans, 0.99), 2),
        "max_ms": round(spans[-1], 2),
        "histogram": [counts[0], *(after - before for before, after in pairwise(counts)), len(spans) - counts[-1]],
        "backlog": {"halfway": middle, "end": end, "queued_in_the_end": len(mentions)},
    }


def _started(
    stage: Stage, processes: Processes, settings: Settings, rate: float, seconds: float
) -> tuple[int, _Feeder]:
    """A feeder that sends, once the system works: some mentions go ahead and are waited for; how many."""
    ahead = _Feeder(settings, rate=100, seconds=0.25)
    feeder = _Feeder(settings, rate, seconds, first=1_000)
    ahead.start()
    ahead.join()
    stage.wait(ahead.sent, processes, _PATIENCE_SECONDS)
    feeder.start()
    return ahead.sent, feeder


def _read(settings: Settings, count: int) -> list[Mention]:
    """When each mention was published and queued, from `tickets.events`."""
    consumer = Consumer(
        {
            "bootstrap.servers": settings.kafka,
            "group.id": f"{settings.topic_prefix}latency",
            "auto.offset.reset": "earliest",
            "enable.auto.commit": False,
        }
    )
    consumer.subscribe([Topics(settings).events])
    found: dict[str, Mention] = {}
    end = time.monotonic() + _PATIENCE_SECONDS
    try:
        while len(found) < count and time.monotonic() < end:
            for message in consumer.consume(1_000, timeout=0.2):
                event = from_json(message.value() or b"")
                mention = event["mention"]
                found[mention["id"]] = Mention(_seconds(mention["created_at"]), _seconds(event["at"]))
    finally:
        consumer.close()
    if len(found) < count:
        raise Overdue(f"only {len(found)} of {count} events in Kafka")
    return list(found.values())


def _seconds(moment: str) -> float:
    return datetime.fromisoformat(moment).timestamp()


def _text(moment: datetime) -> str:
    return moment.isoformat(timespec="microseconds").replace("+00:00", "Z")


def _quantile(ordered: Sequence[float], share: float) -> float:
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]
