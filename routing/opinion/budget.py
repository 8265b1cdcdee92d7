"""The budget: how many questions may be asked.

Owns: counting in windows that slide. Refuses: remembering across a restart, and other workers' questions.
"""

from collections import deque
from collections.abc import Callable

MINUTE, DAY = 60.0, 86_400.0


class Budget:
    """At most so many questions within any minute and any 24 hours.

    Args:
        per_minute: most within 60 seconds.
        per_day: most within 86,400 seconds.
        clock: seconds that only grow.
    """

    def __init__(self, per_minute: int, per_day: int, clock: Callable[[], float]) -> None:
        self._limits = ((per_minute, MINUTE), (per_day, DAY))
        self._asked: deque[float] = deque(maxlen=max(per_minute, per_day))
        self._clock = clock

    def has_room(self) -> bool:
        """Whether one more question may be asked now."""
        now = self._clock()
        # The question that must be old enough is the one as far back as the limit is high.
        return all(len(self._asked) < most or now - self._asked[-most] >= seconds for most, seconds in self._limits)

    def spend(self) -> None:
        """One question is asked now."""
        self._asked.append(self._clock())
