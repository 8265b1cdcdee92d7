"""The breaker: an endpoint that fails again and again is left alone for a while.

Owns: when to ask again. Refuses: what counts as a failure (asking.py).
"""

from collections.abc import Callable

FAILURES = 3
"""So many failures in a row open it."""
FIRST_SECONDS = 30.0
MOST_SECONDS = 600.0
"""It is left alone for the first so long; each trial that fails doubles that, up to the second."""


class Breaker:
    """Closed, all may ask. Open, nobody; once its time is over one question is the trial that closes it or not.

    Args:
        clock: seconds that only grow.
        on_change: told whether it is open now.
    """

    def __init__(self, clock: Callable[[], float], on_change: Callable[[bool], None] = lambda _: None) -> None:
        self._clock = clock
        self._on_change = on_change
        self._failures = 0
        self._rest = FIRST_SECONDS
        self._until: float | None = None
        self._trial = False

    @property
    def open(self) -> bool:
        """Whether the endpoint is being left alone, or on trial."""
        return self._until is not None

    @property
    def seconds_left(self) -> float:
        """For how long nobody may ask."""
        return max(self._until - self._clock(), 0.0) if self._until is not None else 0.0

    def allows(self) -> bool:
        """Whether a question may be asked now. Whoever asks one must tell that it began and how it went."""
        return self._until is None or not (self._trial or self._clock() < self._until)

    def began(self) -> None:
        """A question is asked; where this is open, it is the trial."""
        self._trial = self.open

    def succeeded(self) -> None:
        """The endpoint answered."""
        was_open = self.open
        self._failures, self._rest, self._until, self._trial = 0, FIRST_SECONDS, None, False
        if was_open:
            self._on_change(False)

    def failed(self, rest: float = 0.0) -> None:
        """It did not.

        Args:
            rest: for how long it asked to be left alone, seconds; opens the breaker at once.
        """
        if self._until is None:
            self._failures += 1
            if self._failures >= FAILURES or rest > 0:
                self._open(rest)
                self._on_change(True)
        elif self._trial:
            self._rest = min(self._rest * 2, MOST_SECONDS)
            self._open(rest)

    def let_go(self) -> None:
        """The question ended without showing anything; another one may be the trial."""
        self._trial = False

    def _open(self, rest: float) -> None:
        self._trial = False
        self._until = self._clock() + min(max(rest, self._rest), MOST_SECONDS)
