"""Whether a Redis is set up to keep what it is told."""

from collections.abc import Mapping

from silofrei.schemas.names import Durability

OLDEST = (7, 2)
"""Redis version with all that the queue needs: script flags (7.0) and WAITAOF (7.2); every Valkey reports this one."""


def problems(durability: Durability, options: Mapping[str, str], facts: Mapping[str, str]) -> list[str]:
    """What does not keep the promise of `durability`, one sentence each with its fix.

    Args:
        durability: what the settings promise.
        options: `CONFIG GET`; empty where the server does not show it.
        facts: `INFO server` and `INFO persistence`.
    """
    found = []
    version = facts.get("redis_version", "0")
    if tuple(int(part) for part in version.split(".")[:2] if part.isdigit()) < OLDEST:
        found.append(f"Redis {version} is too old; use Redis 7.2 or newer, or any Valkey.")
    if facts.get("aof_enabled") == "0":
        found.append("appendonly is off, so a restart loses tickets; set 'appendonly yes'.")
    if facts.get("aof_last_write_status", "ok") != "ok":
        found.append("the last write to the append-only file failed; look for a full disk in the server's log.")
    if not options:
        found.append("the server does not show its options (CONFIG GET is forbidden); check by hand that appendonly is "
                     "yes, appendfsync is at least everysec and maxmemory-policy is noeviction.")  # fmt: skip
        return found
    fsync, policy = options.get("appendfsync"), options.get("maxmemory-policy")
    if durability is Durability.ALWAYS and fsync != "always":
        found.append(f"appendfsync is '{fsync}' although SILOFREI_REDIS_DURABILITY=always; set 'appendfsync always'.")
    elif fsync == "no":
        found.append("appendfsync is 'no', so a crash may lose half a minute; set 'appendfsync everysec'.")
    if policy != "noeviction":
        found.append(f"maxmemory-policy is '{policy}', so tickets may be evicted; set 'maxmemory-policy noeviction'.")
    return found
