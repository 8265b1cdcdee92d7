"""TicketQueue: the departments' queues in Redis."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Self

from silofrei.routing.queue.effects import Applied, Effect
from silofrei.routing.queue.outbox import Outbox
from silofrei.routing.queue.relay_lease import RelayLease
from silofrei.schemas.names import Outcome
from silofrei.schemas.settings import Settings
from silofrei.schemas.ticket import Ticket


@dataclass(frozen=True, slots=True)
class Depth:
    """How full one queue is.

    Attributes:
        waiting: tickets that wait.
        claimed: tickets under a lease.
        overdue: waiting tickets past their deadline.
        oldest_age_seconds: age of the oldest waiting ticket; 0.0 where none waits.
    """

    waiting: int
    claimed: int
    overdue: int
    oldest_age_seconds: float


class TicketQueue:
    """The queues of all brands on one Redis. Every method raises `Unavailable` when Redis is away."""

    @classmethod
    def connect(cls, settings: Settings, *, departments: Collection[str] | None = None) -> Self:
        """A queue on the Redis of `settings`; connects at the first call.

        Args:
            settings: where Redis is and how durable a write must be.
            departments: `config.queue_names()`; with it, a transfer or claim elsewhere is refused.
        """
        raise NotImplementedError

    @property
    def outbox(self) -> Outbox:
        """The events that are not yet in Kafka."""
        raise NotImplementedError

    def relay_lease(self, brand: str, holder: str, *, ttl: timedelta = timedelta(seconds=10)) -> RelayLease:
        """The lease that makes one relay of several the active one for `brand`."""
        raise NotImplementedError

    async def close(self) -> None:
        """Close all connections."""

    async def ping(self) -> None:
        """Raise `Unavailable` unless Redis answers."""

    async def durability_problems(self) -> list[str]:
        """What in Redis' settings does not keep what `settings.redis_durability` promises, each with its fix."""
        raise NotImplementedError

    async def begin_epoch(self, brand: str) -> str:
        """Declare the (empty or rebuilt) state valid; an epoch that stands is kept. Returns the epoch."""
        raise NotImplementedError

    async def epoch(self, brand: str) -> str | None:
        """The epoch, or None when Redis holds no valid state for the brand."""
        raise NotImplementedError

    async def apply(self, brand: str, effects: Sequence[Effect]) -> list[Applied]:
        """Apply a batch in one script call; one answer per effect, in order.

        Raises:
            EpochMissing: nothing was applied.
            Refused: an argument is wrong; nothing was applied.
        """
        raise NotImplementedError

    async def claim(
        self,
        brand: str,
        department: str,
        holder: str,
        *,
        ticket_id: str | None = None,
        lease: timedelta | None = None,
    ) -> Ticket | None:
        """Take the most urgent ticket of a queue, or `ticket_id`; None when nothing waits."""
        raise NotImplementedError

    async def extend(self, brand: str, ticket_id: str, token: int, lease: timedelta | None = None) -> Ticket:
        """Make the lease run from now."""
        raise NotImplementedError

    async def release(self, brand: str, ticket_id: str, token: int, reason: str = "") -> Ticket:
        """Give the ticket back to its place in the queue."""
        raise NotImplementedError

    async def transfer(self, brand: str, ticket_id: str, token: int, to: str, reason: str) -> Ticket:
        """Hand the ticket over to another department; the customer's deadline stays."""
        raise NotImplementedError

    async def resolve(self, brand: str, ticket_id: str, token: int, outcome: Outcome, note: str = "") -> Ticket:
        """End the ticket; its thread is free for a new one."""
        raise NotImplementedError

    async def reap(self, brand: str, limit: int = 100) -> list[str]:
        """Put tickets whose lease ran out back; returns their ids and counts them in LEASES_EXPIRED."""
        raise NotImplementedError

    async def ticket(self, brand: str, ticket_id: str) -> Ticket | None:
        """The whole ticket, or None."""
        raise NotImplementedError

    async def waiting(self, brand: str, department: str, *, limit: int = 50, offset: int = 0) -> list[Ticket]:
        """Waiting tickets, most urgent first; `mentions` holds the opening and the latest mention alone."""
        raise NotImplementedError

    async def claimed(self, brand: str, department: str, *, limit: int = 50) -> list[Ticket]:
        """Tickets under a lease, the one that runs out first in front; `mentions` as in `waiting`."""
        raise NotImplementedError

    async def depths(self, brand: str, queue_names: Iterable[str]) -> dict[str, Depth]:
        """How full each queue is, at one moment."""
        raise NotImplementedError

    async def count(self, name: str, by: int = 1) -> int:
        """Add to a counter that outlives processes; returns its new value."""
        raise NotImplementedError

    async def counted(self, name: str) -> int:
        """The value of such a counter."""
        raise NotImplementedError
