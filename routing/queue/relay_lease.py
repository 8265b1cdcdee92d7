"""RelayLease: which one of several relays is the active one."""

from datetime import timedelta
from uuid import uuid4

from silofrei.routing.queue import keys
from silofrei.routing.queue.moments import milliseconds
from silofrei.routing.queue.scripts import Runner


class RelayLease:
    """A lease in Redis with a fencing number; build it with `TicketQueue.relay_lease`.

    Args:
        runner: the Redis.
        brand: whose outbox the relay moves.
        holder: name of the process, for whoever looks into Redis; each object is a holder of its own, so two relays
            of the same name never both hold the lease.
        ttl: how long the lease lasts without `renew`.

    Every method raises `Unavailable` when Redis is away; the lease may then run out unseen, so stop after `ttl`.
    """

    def __init__(self, runner: Runner, brand: str, holder: str, ttl: timedelta) -> None:
        self._runner = runner
        self._keys = keys.relay(brand)
        self._holder = f"{holder}/{uuid4().hex}"
        self._ttl = milliseconds(ttl)
        self.fence = 0
        """Grows with every new holder; 0 while the lease is not held."""

    async def acquire(self) -> bool:
        """Take the lease where it is free; True also when this holder has it already."""
        self.fence = int(await self._runner.run("relay_acquire", self._keys, (self._holder, self._ttl)))
        return self.fence > 0

    async def renew(self) -> bool:
        """Make it run from now; False when it ran out or another holder has it."""
        kept = bool(await self._runner.run("relay_renew", self._keys[:1], (self._holder, self._ttl)))
        if not kept:
            self.fence = 0
        return kept

    async def release(self) -> None:
        """Give it up, if this holder still has it."""
        self.fence = 0
        await self._runner.run("relay_release", self._keys[:1], (self._holder,))
