"""Which Kafka a local system runs on, and what that means for the person who started it."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from silofrei.deploy.local.jars import KafkaLock, can_fetch, fetch_missing, is_cached
from silofrei.deploy.local.java import java_missing
from silofrei.deploy.local.memory_kafka import memory_kafka_missing
from silofrei.schemas.settings import ConfigurationError

_ADDRESSES = re.compile(r"[^\s,:]+:\d+(,[^\s,:]+:\d+)*")
_REACH_SECONDS = 5.0


class KafkaKind(StrEnum):
    """Where the records are."""

    LOCAL = "local"
    MEMORY = "memory"
    EXTERNAL = "external"


@dataclass(frozen=True, slots=True)
class Choice:
    """A kind of Kafka.

    Attributes:
        kind: which.
        why: a sentence for people: which Kafka it is, why, and what that means.
        address: bootstrap servers where they are not ours to choose.
        fallback: whether memory may stand in where this does not work out.
    """

    kind: KafkaKind
    why: str
    address: str = ""
    fallback: bool = False


@dataclass(frozen=True, slots=True)
class Means:
    """What this machine has for a Kafka; each asks once, and may take some seconds.

    Attributes:
        cached: whether the jars are there.
        reachable: whether they can be fetched now.
        no_local: why a real Kafka cannot run here, or None.
        no_fetch: why jars cannot be fetched here, or None.
        no_memory: why a Kafka in memory cannot run here, or None.
    """

    cached: Callable[[], bool]
    reachable: Callable[[], bool]
    no_local: Callable[[], str | None] = java_missing
    no_fetch: Callable[[], str | None] = fetch_missing
    no_memory: Callable[[], str | None] = memory_kafka_missing


def means(lock: KafkaLock, jars: Path) -> Means:
    """What this machine has, for this Kafka in this cache folder."""
    return Means(cached=lambda: is_cached(lock, jars), reachable=lambda: can_fetch(lock, jars, _REACH_SECONDS))


def choose_kafka(asked: str, version: str, have: Means) -> Choice:
    """The Kafka for `--kafka ASKED`.

    Args:
        asked: `auto`, `local`, `memory`, or bootstrap servers.
        version: of the Kafka that would run here.
        have: what this machine has.

    Raises:
        ConfigurationError: it is none of these, or cannot be had here.
    """
    if asked == "auto":
        return _automatic(version, have)
    if asked == "memory":
        return memory("as you asked", have)
    if asked == "local":
        cached = have.cached()
        missing = have.no_local() or (None if cached else have.no_fetch())
        if missing:
            raise ConfigurationError(f"--kafka local: {missing}")
        return _local(version, cached=cached)
    if not _ADDRESSES.fullmatch(asked):
        raise ConfigurationError(f"--kafka {asked}: write auto, memory, local, or the HOST:PORT of a broker")
    return Choice(KafkaKind.EXTERNAL, f"Kafka: yours at {asked}; it keeps what comes in.", address=asked)


def memory(reason: str, have: Means) -> Choice:
    """A Kafka in memory.

    Args:
        reason: why, as the end of a sentence.
        have: what this machine has.

    Raises:
        ConfigurationError: it cannot be had here either.
    """
    missing = have.no_memory()
    if missing:
        raise ConfigurationError(f"No Kafka in memory ({reason}): {missing}")
    return Choice(
        KafkaKind.MEMORY,
        f"Kafka: in memory, {reason}. Nothing is kept: when this ends, all mentions and tickets are gone.",
    )


def _automatic(version: str, have: Means) -> Choice:
    missing = have.no_local()
    if missing:
        return memory(f"because a real one cannot run here: {missing}", have)
    if have.cached():
        return _local(version, cached=True)
    missing = have.no_fetch()
    if missing:
        return memory(f"because the real one is not here: {missing}", have)
    if not have.reachable():
        reason = f"because the jars of the real one are not here and did not come within {_REACH_SECONDS:g} s"
        return memory(reason, have)
    return _local(version, cached=False, fallback=True)


def _local(version: str, *, cached: bool, fallback: bool = False) -> Choice:
    source = "its jars are in the cache" if cached else "its jars are fetched now, once"
    text = f"Kafka: Apache Kafka {version} on this machine, {source}. What comes in is kept in the data folder."
    return Choice(KafkaKind.LOCAL, text, fallback=fallback)
