"""RelayLease: which one of several relays is the active one."""


class RelayLease:
    """A lease in Redis with a fencing number; build it with `TicketQueue.relay_lease`."""

    fence: int
    """Grows with every new holder; 0 while the lease is not held."""

    async def acquire(self) -> bool:
        """Take the lease where it is free; True also when this holder has it already."""
        raise NotImplementedError

    async def renew(self) -> bool:
        """Make it run from now; False when another holder has it."""
        raise NotImplementedError

    async def release(self) -> None:
        """Give it up, if this holder still has it."""
        raise NotImplementedError
