"""The departments' queues in Redis: one atomic Lua script per transition, an outbox for the events.

Owns: keys, scripts, codes, tickets, outbox and the relay's lease. Refuses: deciding where a mention belongs
(routing/policy.py) and Kafka. Only client.py imports redis.
"""

from silofrei.routing.queue.codes import ApplyCode, EpochMissing, RefusalCode, Refused, Unavailable
from silofrei.routing.queue.effects import Applied, Effect
from silofrei.routing.queue.outbox import Outbox, OutboxEntry
from silofrei.routing.queue.queue import Depth, TicketQueue
from silofrei.routing.queue.relay_lease import RelayLease

__all__ = [
    "Applied",
    "ApplyCode",
    "Depth",
    "Effect",
    "EpochMissing",
    "Outbox",
    "OutboxEntry",
    "RefusalCode",
    "Refused",
    "RelayLease",
    "TicketQueue",
    "Unavailable",
]
