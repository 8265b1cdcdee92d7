"""The keys of a brand: all under one hash tag, so that one Redis Cluster slot holds them and scripts stay atomic.

The scripts derive most keys from the epoch's (lua/_ticket.lua lists them); here stand those that Python names.
"""

import re

from silofrei.routing.queue.codes import RefusalCode, Refused

COUNTERS = "sf:counters"
"""Hash of counters that belong to the installation, not to a brand."""

_BRAND = re.compile(r"[a-z][a-z0-9-]{0,39}")


def epoch(brand: str) -> str:
    """Says that the brand's state is whole; every script derives the other keys from it."""
    return _key(brand, "epoch")


def outbox(brand: str) -> str:
    """Stream of the events that are not yet in Kafka."""
    return _key(brand, "outbox")


def relay(brand: str) -> tuple[str, str]:
    """The active relay, and the fencing number of its lease."""
    return _key(brand, "relay"), _key(brand, "relay:fence")


def _key(brand: str, name: str) -> str:
    if not _BRAND.fullmatch(brand):
        raise Refused(
            RefusalCode.BAD_ARGUMENT, f"'{brand}' is no brand name; use lower-case letters, digits and hyphens."
        )
    return f"sf:{{{brand}}}:{name}"
