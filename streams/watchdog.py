"""Watchdog: tells a worker that is stuck from one that waits, so that the supervisor can start it anew.

Owns: the judgement. Refuses: measuring (lag.py) and ending the process (worker.py).

Consumers are known to stop without a word: no error, no commit, records waiting. A worker that waits for Redis or Kafka
says so, and is left alone: a restart would not bring them back.
"""

import time
from collections.abc import Callable, Mapping

from aiokafka import TopicPartition

from silofrei.streams.lag import Position

STUCK = 75
"""Exit code of a worker that its watchdog ended: EX_TEMPFAIL, start it again."""


class Watchdog:
    """Remembers since when each partition has had lag and no commit.

    Args:
        patience: how long that may last, seconds.
        monotonic: seconds of a clock that never goes back.
    """

    def __init__(self, patience: float, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._patience = patience
        self._monotonic = monotonic
        self._since: dict[TopicPartition, tuple[int, float]] = {}

    def excuse(self) -> None:
        """The worker waits for a dependency and knows it: the time starts anew."""
        self._since.clear()

    def observe(self, positions: Mapping[TopicPartition, Position]) -> str | None:
        """What is wrong, in a sentence, or None.

        Args:
            positions: where the worker's partitions stand now.
        """
        now = self._monotonic()
        since = {}
        for tp, position in positions.items():
            committed, began = self._since.get(tp, (position.committed, now))
            since[tp] = (
                (committed, began)
                if position.lag and committed == position.committed
                else (
                    position.committed,
                    now,
                )
            )
        self._since = since
        for tp, (committed, began) in since.items():
            if now - began >= self._patience:
                return (
                    f"{tp.topic}, partition {tp.partition}: {positions[tp].lag} records wait and the commit has stood "
                    f"at {committed} for {now - began:.0f} s"
                )
        return None
