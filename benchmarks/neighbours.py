"""How much of the machine others use: what is measured beside them must say so, and can wait."""

import os
import time
from pathlib import Path

from benchmarks.stage import cpu_seconds, family

_QUIET_CORES = 0.3
_LOOK_SECONDS = 1.0


class Neighbours:
    """The cores that others keep busy, from its beginning until it is asked.

    Ours are this process and all that it started: the services and the measured system.
    """

    def __init__(self) -> None:
        self._at = time.monotonic()
        self._before = busy_seconds() - _own_seconds()

    def cores(self) -> float:
        """Their average so far; ask before the measured processes end."""
        return max(0.0, (busy_seconds() - _own_seconds() - self._before) / (time.monotonic() - self._at))


def wait_for_quiet(seconds: float) -> None:
    """Return once others use little, or after so many seconds."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        neighbours = Neighbours()
        time.sleep(_LOOK_SECONDS)
        if neighbours.cores() < _QUIET_CORES:
            return


def busy_share(before: float, seconds: float) -> float:
    """Share of all cores that were busy since `busy_seconds()` was `before`, so many seconds ago."""
    return (busy_seconds() - before) / seconds / (os.cpu_count() or 1)


def busy_seconds() -> float:
    """Seconds that all cores together were not idle since the start of the machine."""
    # proc(5): the first line of /proc/stat; the fourth and the fifth number are idle and waiting for a disk, and the
    # last two (guests) are counted in the first two.
    ticks = [int(part) for part in Path("/proc/stat").read_text(encoding="utf-8").splitlines()[0].split()[1:9]]
    return (sum(ticks) - ticks[3] - ticks[4]) / os.sysconf("SC_CLK_TCK")


def _own_seconds() -> float:
    return sum(cpu_seconds(pid) for pid in family(os.getpid()))
