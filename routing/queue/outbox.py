"""Outbox: the events that the scripts wrote and the relay has not yet moved to Kafka."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class OutboxEntry:
    """One event of the outbox.

    Attributes:
        entry_id: id in the stream, for `Outbox.remove`.
        type: `ticket.opened` and so on, see schemas/event.py.
        key: Kafka key: the ticket id, or the mention id of a discard.
        department: owner after the event; None for a discard.
        from_department: former owner, for a transfer alone.
        at: when the queue applied it, by the clock of Redis.
    """

    entry_id: str
    type: str
    key: str
    department: str | None
    from_department: str | None
    at: datetime

    def value(self) -> bytes:
        """The TicketEvent as JSON."""
        raise NotImplementedError


class Outbox:
    """The outbox of each brand."""

    async def read(self, brand: str, count: int = 500) -> list[OutboxEntry]:
        """The oldest entries, in order; they stay until removed."""
        raise NotImplementedError

    async def remove(self, brand: str, entry_ids: Sequence[str]) -> None:
        """Forget entries that are safe in Kafka."""
        raise NotImplementedError

    async def length(self, brand: str) -> int:
        """Events not yet moved."""
        raise NotImplementedError
