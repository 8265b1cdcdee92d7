"""TicketQueue: the departments' queues in Redis."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

from silofrei.routing.metrics import LEASES_EXPIRED
from silofrei.routing.queue import keys
from silofrei.routing.queue.codes import EpochMissing, RefusalCode, Refused
from silofrei.routing.queue.effects import Applied, Effect, applied, arguments
from silofrei.routing.queue.moments import milliseconds
from silofrei.routing.queue.outbox import Outbox
from silofrei.routing.queue.refusals import refusal, unknown_department
from silofrei.routing.queue.relay_lease import RelayLease
from silofrei.routing.queue.scripts import Argument, Runner
from silofrei.routing.queue.tickets import read_ticket
from silofrei.schemas.names import Outcome
from silofrei.schemas.settings import Settings
from silofrei.schemas.ticket import HANDOVERS_KEPT, NOTE_LIMIT, REASON_LIMIT, Ticket


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
    """The queues of all brands on one Redis.

    Every method raises `Unavailable` when Redis is away: the call may or may not have been carried out. `apply` may
    simply be repeated; a claim whose answer was lost comes back when its lease runs out.

    Args:
        runner: the Redis.
        lease: how long a claim lasts.
        tombstone: how long a resolved ticket and its mentions are remembered.
        departments: names of all queues; None accepts every name.
    """

    def __init__(
        self,
        runner: Runner,
        *,
        lease: timedelta,
        tombstone: timedelta,
        departments: Collection[str] | None = None,
    ) -> None:
        self._runner = runner
        self._lease = lease
        self._tombstone = milliseconds(tombstone)
        self._departments = None if departments is None else tuple(departments)
        self.outbox = Outbox(runner)
        """The events that are not yet in Kafka."""

    @classmethod
    def connect(cls, settings: Settings, *, departments: Collection[str] | None = None) -> "TicketQueue":
        """A queue on the Redis of `settings`, see `client.connect`."""
        # Only here, so that the queue itself can be imported and tested without redis.
        from silofrei.routing.queue.client import connect

        return connect(settings, departments=departments)

    def relay_lease(self, brand: str, holder: str, *, ttl: timedelta = timedelta(seconds=10)) -> RelayLease:
        """The lease that makes one relay of several the active one for `brand`."""
        return RelayLease(self._runner, brand, holder, ttl)

    async def close(self) -> None:
        """Close all connections."""
        await self._runner.close()

    async def ping(self) -> None:
        """Raise `Unavailable` unless Redis answers."""
        await self._runner.call("PING")

    async def time(self) -> datetime:
        """The clock of Redis, by which all moments of the queue are told."""
        return await self._runner.time()

    async def durability_problems(self) -> list[str]:
        """What in Redis' settings does not keep what `settings.redis_durability` promises, each with its fix."""
        return await self._runner.durability_problems()

    async def begin_epoch(self, brand: str) -> str:
        """Declare the (empty or rebuilt) state of the brand valid; an epoch that stands is kept. Returns the epoch."""
        epoch = await self._runner.run("begin_epoch", [keys.epoch(brand)], [uuid4().hex], durable=True)
        return str(epoch.decode())

    async def epoch(self, brand: str) -> str | None:
        """The epoch, or None when Redis holds no valid state for the brand: data lost, or never begun."""
        epoch = await self._runner.call("GET", keys.epoch(brand))
        return None if epoch is None else str(epoch.decode())

    async def apply(self, brand: str, effects: Sequence[Effect]) -> list[Applied]:
        """Apply a batch in one script call; one answer per effect, in order.

        Whatever was applied before is answered with DUPLICATE, so a batch may be repeated.

        Args:
            brand: to which all of them belong.
            effects: at most `settings.batch_mentions`, so that Redis is not busy for long.

        Raises:
            EpochMissing: Redis has lost the brand's state; nothing was applied.
            Refused: an effect is wrong; nothing was applied.
        """
        if not effects:
            return []
        flat: list[Argument] = [self._tombstone, *arguments(brand, effects)]
        reply = await self._runner.run("open_or_append", [keys.epoch(brand)], flat, durable=True)
        if reply[0] == RefusalCode.EPOCH_MISSING:
            raise EpochMissing(
                f"Redis holds no state of the brand '{brand}' (was its data lost?); nothing was applied. "
                "`silofrei rebuild` restores it from Kafka."
            )
        if reply[0] != 0:
            raise Refused(
                RefusalCode(reply[0]), f"Effect {reply[1]} has a wrong {reply[2].decode()}; none was applied."
            )
        return applied(reply)

    async def claim(
        self,
        brand: str,
        department: str,
        holder: str,
        *,
        ticket_id: str | None = None,
        lease: timedelta | None = None,
    ) -> Ticket | None:
        """Take the most urgent ticket of a queue, or `ticket_id`; None when nothing waits.

        Args:
            brand: whose ticket.
            department: whose queue.
            holder: who takes it, 1 to 120 characters.
            ticket_id: a certain ticket of that queue.
            lease: how long the claim lasts; by default as the settings say.

        Raises:
            Refused: NOT_FOUND, TAKEN, OTHER_DEPARTMENT, ALREADY_RESOLVED (with `ticket_id` alone), UNKNOWN_DEPARTMENT.
        """
        self._known(department)
        if not 1 <= len(holder) <= 120:
            raise Refused(RefusalCode.BAD_ARGUMENT, "The holder needs a name of 1 to 120 characters.")
        span = milliseconds(lease or self._lease)
        reply = await self._run("claim", brand, department, holder, span, ticket_id or "")
        if len(reply) == 1 and reply[0] == 0:
            return None
        return _ticket(brand, reply, ticket_id or "")

    async def extend(self, brand: str, ticket_id: str, token: int, lease: timedelta | None = None) -> Ticket:
        """Make the lease run from now.

        Raises:
            Refused: NOT_FOUND, NOT_CLAIMED, WRONG_TOKEN, LEASE_EXPIRED, ALREADY_RESOLVED.
        """
        reply = await self._run("extend", brand, ticket_id, token, milliseconds(lease or self._lease))
        return _ticket(brand, reply, ticket_id)

    async def release(self, brand: str, ticket_id: str, token: int, reason: str = "") -> Ticket:
        """Give the ticket back to its place in the queue.

        Raises:
            Refused: as `extend`; BAD_ARGUMENT when the reason has more than `REASON_LIMIT` characters.
        """
        reply = await self._run("release", brand, ticket_id, token, reason, self._tombstone, REASON_LIMIT)
        return _ticket(brand, reply, ticket_id)

    async def transfer(
        self, brand: str, ticket_id: str, token: int, to: str, reason: str, *, misrouted: bool = False
    ) -> Ticket:
        """Hand the ticket over to another department, which reads who did so and why; the deadline stays.

        Args:
            brand: whose ticket.
            ticket_id: which one.
            token: the fencing token of the claim.
            to: the department that shall have it.
            reason: why, in words for that department.
            misrouted: whether it should never have come here; training learns from that (docs/classifier.md).

        Raises:
            Refused: as `release`; UNKNOWN_DEPARTMENT, SAME_DEPARTMENT.
        """
        self._known(to)
        limits = (REASON_LIMIT, HANDOVERS_KEPT)
        reply = await self._run("transfer", brand, ticket_id, token, to, reason, *limits, int(misrouted))
        return _ticket(brand, reply, ticket_id)

    async def resolve(self, brand: str, ticket_id: str, token: int, outcome: Outcome, note: str = "") -> Ticket:
        """End the ticket; its thread is free for a new one.

        Raises:
            Refused: as `extend`; BAD_ARGUMENT when the note has more than `NOTE_LIMIT` characters.
        """
        reply = await self._run("resolve", brand, ticket_id, token, outcome.value, note, self._tombstone, NOTE_LIMIT)
        return _ticket(brand, reply, ticket_id)

    async def reap(self, brand: str, limit: int = 100) -> list[str]:
        """Put tickets whose lease ran out back into their queues.

        Args:
            brand: whose tickets.
            limit: most tickets in one call.

        Returns:
            Their ids; they are counted in LEASES_EXPIRED here.
        """
        reply = await self._run("reap", brand, limit, self._tombstone)
        for department in reply[1::2]:
            LEASES_EXPIRED.labels(department.decode()).inc()
        return [ticket_id.decode() for ticket_id in reply[::2]]

    async def ticket(self, brand: str, ticket_id: str) -> Ticket | None:
        """The whole ticket, or None where there is none (any more)."""
        reply = await self._run("read", brand, ticket_id)
        return None if reply[0] == RefusalCode.NOT_FOUND else _ticket(brand, reply, ticket_id)

    async def waiting(self, brand: str, department: str, *, limit: int = 50, offset: int = 0) -> list[Ticket]:
        """Waiting tickets, most urgent first; `mentions` holds the opening and the latest that is not deleted."""
        reply = await self._run("list", brand, "queue", department, offset, limit, HANDOVERS_KEPT)
        return [read_ticket(brand, row) for row in reply]

    async def claimed(self, brand: str, department: str, *, limit: int = 50) -> list[Ticket]:
        """Tickets under a lease, the one that runs out first in front; `mentions` as in `waiting`."""
        reply = await self._run("list", brand, "claims", department, 0, limit, HANDOVERS_KEPT)
        return [read_ticket(brand, row) for row in reply]

    async def depths(self, brand: str, queue_names: Iterable[str]) -> dict[str, Depth]:
        """How full each queue is, all at one moment."""
        names = list(queue_names)
        reply = await self._run("depths", brand, *names)
        rows = zip(names, reply[::4], reply[1::4], reply[2::4], reply[3::4], strict=True)
        return {name: Depth(waiting, claimed, over, age / 1000) for name, waiting, claimed, over, age in rows}

    async def count(self, name: str, by: int = 1) -> int:
        """Add to a counter that outlives processes, such as the watchdog's exits; returns its new value."""
        return int(await self._runner.call("HINCRBY", keys.COUNTERS, name, by))

    async def counted(self, name: str) -> int:
        """The value of such a counter; 0 where it was never counted."""
        return int(await self._runner.call("HGET", keys.COUNTERS, name) or 0)

    async def _run(self, name: str, brand: str, *arguments: Argument) -> Any:
        durable = name not in ("read", "list", "depths")
        return await self._runner.run(name, [keys.epoch(brand)], arguments, durable=durable)

    def _known(self, department: str) -> None:
        if self._departments is not None and department not in self._departments:
            raise unknown_department(department, self._departments)


def _ticket(brand: str, reply: Sequence[Any], ticket_id: str) -> Ticket:
    if reply[0] != 0:
        raise refusal(reply, ticket_id)
    return read_ticket(brand, reply)
