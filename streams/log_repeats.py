"""Quiet: a message that is logged over and over, as Kafka's clients do in an outage, is shown once in a while."""

import logging
import time
from collections.abc import Callable


class Repeats(logging.Filter):
    """Lets a message through once in `seconds`, whatever its arguments; the next one says how many were left out.

    Args:
        seconds: how long the same message is left out.
        monotonic: seconds of a clock that never goes back.
    """

    def __init__(self, seconds: float = 30.0, monotonic: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._seconds = seconds
        self._monotonic = monotonic
        self._shown: dict[tuple[str, str], float] = {}
        self._left_out: dict[tuple[str, str], int] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether to show the record."""
        key = (record.name, str(record.msg))
        now = self._monotonic()
        if now - self._shown.get(key, -self._seconds) < self._seconds:
            self._left_out[key] = self._left_out.get(key, 0) + 1
            return False
        self._shown[key] = now
        left_out = self._left_out.pop(key, 0)
        if left_out:
            record.msg, record.args = f"{record.getMessage()} (and {left_out} times before)", ()
        return True


def quiet_clients(*names: str) -> None:
    """Let the loggers of these packages repeat themselves less; call it once, after logging is set up."""
    repeats = Repeats()
    for handler in logging.getLogger().handlers:
        handler.addFilter(lambda record: not record.name.startswith(names) or repeats.filter(record))
