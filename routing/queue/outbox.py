"""Outbox: the events that the scripts wrote and the relay has not yet moved to Kafka."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from pydantic_core import to_json

from silofrei.routing.queue import keys
from silofrei.routing.queue.moments import from_microseconds, from_milliseconds
from silofrei.routing.queue.scripts import Runner

_PLAIN = {
    "ticket.claimed": ("holder", "token", "lease_until"),
    "ticket.released": ("holder", "reason"),
    "lease.expired": ("holder", "attempts"),
    "ticket.transferred": ("holder", "from_department", "reason", "misrouted"),
    "ticket.resolved": ("holder", "outcome", "note"),
    "mention.deleted": ("mention_id",),
}
"""What the events without a mention carry beside the common fields, in the order of schemas/event.py."""

_SHORT = {"lease_until": b"until", "from_department": b"from", "mention_id": b"i"}
"""Fields that the scripts name shorter."""

_NUMBERS = ("token", "attempts")
_FLAGS = ("misrouted",)
"""Written only where they are true: a reader of before knows the other events."""


@dataclass(frozen=True, slots=True)
class OutboxEntry:
    """One event of the outbox.

    Attributes:
        entry_id: id in the stream, for `Outbox.remove`.
        type: `ticket.opened` and so on, see schemas/event.py; empty where the entry is none of ours.
        key: Kafka key: the ticket id, or the mention id of a discard.
        department: owner after the event; None for a discard.
        from_department: former owner, for a transfer alone.
        at: when the queue applied it, by the clock of Redis.
        brand: whose event it is.
        fields: as the script wrote them.
    """

    entry_id: str
    type: str
    key: str
    department: str | None
    from_department: str | None
    at: datetime
    brand: str
    fields: Mapping[bytes, bytes] = field(repr=False)

    @property
    def event_id(self) -> str:
        """Deterministic: the same on every replay of its cause."""
        if self.department is None:
            return f"d-{self.fields[b'e'].decode()}"
        return f"{self.key}:{self.fields[b's'].decode()}"

    def value(self) -> bytes:
        """The TicketEvent as JSON: the parts that Python wrote before the script, joined.

        Raises:
            KeyError: a field is missing; the entry is none of ours.
            ValueError: a field is broken.
        """
        head = (
            f'{{"v":1,"type":"{self.type}","event_id":"{self.event_id}","brand":"{self.brand}"'
            f',"at":"{self.at.isoformat()}"'
        )
        if self.department is not None:
            seq = self.fields[b"s"].decode()
            head += f',"ticket_id":"{self.key}","seq":{seq},"department":"{self.department}"'
        return b"".join((head.encode(), *self._rest(), b"}"))

    def _rest(self) -> list[bytes]:
        plain = _PLAIN.get(self.type)
        if plain is not None:
            told = (name for name in plain if name not in _FLAGS or name.encode() in self.fields)
            return [b",", to_json({name: self._plain(name) for name in told})[1:-1]]
        fields = self.fields
        parts = [b',"mention":', fields[b"m"]]
        if b"b" in fields:
            parts += (b",", fields[b"b"])
        if fields.get(b"c"):
            parts += (b',"classification":', fields[b"c"])
        if b"r" in fields:
            parts += (b',"revision":', fields[b"r"])
        return parts

    def _plain(self, name: str) -> str | int | bool | datetime | None:
        raw = self.fields.get(_SHORT.get(name, name.encode()))
        if raw is None:
            return None
        if name == "lease_until":
            return from_milliseconds(raw)
        if name in _FLAGS:
            return raw == b"1"
        return int(raw) if name in _NUMBERS else raw.decode()


class Outbox:
    """The outbox of each brand."""

    def __init__(self, runner: Runner) -> None:
        self._runner = runner

    async def read(self, brand: str, count: int = 500) -> list[OutboxEntry]:
        """The oldest entries, in order; they stay until removed.

        Args:
            brand: whose events.
            count: most entries.

        Raises:
            Unavailable: Redis is away.
        """
        rows = await self._runner.call("XRANGE", keys.outbox(brand), "-", "+", "COUNT", count)
        return [_entry(brand, entry_id, fields) for entry_id, fields in rows]

    async def wait(self, brand: str, seconds: float) -> bool:
        """Whether an entry is there, or comes within so many seconds.

        Args:
            brand: whose events.
            seconds: longest wait; stay below the time-out of Redis calls.

        Raises:
            Unavailable: Redis is away.
        """
        milliseconds = max(1, int(seconds * 1000))
        command = ("XREAD", "COUNT", 1, "BLOCK", milliseconds, "STREAMS", keys.outbox(brand), "0-0")
        return bool(await self._runner.call(*command))

    async def remove(self, brand: str, entry_ids: Sequence[str]) -> None:
        """Forget entries that are safe in Kafka; those that are gone already are no error.

        Raises:
            Unavailable: Redis is away; some of them may be left.
        """
        if entry_ids:
            await self._runner.call("XDEL", keys.outbox(brand), *entry_ids)

    async def length(self, brand: str) -> int:
        """Events not yet moved.

        Raises:
            Unavailable: Redis is away.
        """
        return int(await self._runner.call("XLEN", keys.outbox(brand)))


def _entry(brand: str, entry_id: bytes, fields: Mapping[bytes, bytes]) -> OutboxEntry:
    try:
        department, source = fields.get(b"d"), fields.get(b"from")
        return OutboxEntry(
            entry_id=entry_id.decode(),
            type=fields[b"t"].decode(),
            key=fields[b"k"].decode(),
            department=department.decode() if department is not None else None,
            from_department=source.decode() if source is not None else None,
            at=from_microseconds(fields[b"at"]),
            brand=brand,
            fields=fields,
        )
    except (KeyError, ValueError, OverflowError):
        # No script of ours wrote it. It must not hold up those behind it, so it is handed out; `value` fails.
        name = entry_id.decode()
        at = from_milliseconds(entry_id.partition(b"-")[0])
        return OutboxEntry(name, "", name, None, None, at, brand, fields)
