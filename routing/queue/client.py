"""The Redis behind the queue: connections, scripts, and every failure in one of two words. Alone imports redis."""

from collections.abc import Awaitable, Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any

import hiredis
from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.connection import AbstractConnection
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import (
    AuthenticationError,
    NoPermissionError,
    NoScriptError,
    OutOfMemoryError,
    RedisError,
    ResponseError,
)

from silofrei.routing.queue import durability
from silofrei.routing.queue.codes import RefusalCode, Refused, Unavailable
from silofrei.routing.queue.moments import from_microseconds
from silofrei.routing.queue.queue import TicketQueue
from silofrei.routing.queue.scripts import Argument, script
from silofrei.schemas.names import Durability
from silofrei.schemas.settings import Settings

CONNECTIONS = 50
"""Most connections of one process; further calls wait for a free one."""


def connect(settings: Settings, *, departments: Collection[str] | None = None) -> TicketQueue:
    """A queue on the Redis of `settings`; connects at the first call.

    Args:
        settings: where Redis is, its time-out, and how durable a write must be.
        departments: `config.queue_names()`; with it, claims and transfers elsewhere are refused.
    """
    return TicketQueue(
        RedisClient(settings),
        lease=timedelta(seconds=settings.lease),
        tombstone=timedelta(hours=settings.tombstone_hours),
        departments=departments,
    )


def _packed(base: type[AbstractConnection]) -> type[AbstractConnection]:
    """`base`, packing its commands in C: redis does so in blocking clients alone; a batch has thousands of parts."""

    class Packed(base):  # type: ignore[valid-type,misc]  # which class it is depends on the URL
        def pack_command(self, *parts: Any) -> list[bytes]:
            # redis writes commands of two words as one part, such as "CONFIG GET".
            return [hiredis.pack_command((*parts[0].split(), *parts[1:]))]

    return Packed


class RedisClient:
    """A pool of connections to one Redis. Nothing is repeated here: a failure is the caller's to repeat."""

    def __init__(self, settings: Settings) -> None:
        self._where = settings.redis
        self._timeout = settings.redis_timeout
        self._durability = settings.redis_durability
        password = settings.redis_password
        pool = BlockingConnectionPool.from_url(
            settings.redis,
            max_connections=CONNECTIONS,
            timeout=settings.redis_timeout,
            username=settings.redis_username or None,
            password=password.get_secret_value() if password else None,
            socket_timeout=settings.redis_timeout,
            socket_connect_timeout=settings.redis_timeout,
            retry=Retry(NoBackoff(), 0),
            protocol=2,
        )
        pool.connection_class = _packed(pool.connection_class)
        self._redis = Redis.from_pool(pool)
        # redis leaves it without types.
        self._execute: Callable[..., Awaitable[Any]] = self._redis.execute_command

    async def close(self) -> None:
        """Close all connections."""
        await self._redis.aclose()

    async def call(self, *command: Argument) -> Any:
        """The reply of one command.

        Raises:
            Unavailable: Redis is away, slow, loading, read-only or full.
        """
        with self._translated():
            return await self._execute(*command)

    async def run(self, name: str, keys: Sequence[str], arguments: Sequence[Argument], *, durable: bool = False) -> Any:
        """The reply of the script lua/`name`.lua.

        Args:
            name: of the script.
            keys: its KEYS.
            arguments: its ARGV.
            durable: wait until the write is on disk, where the settings say waitaof.

        Raises:
            Unavailable: Redis is away, slow, loading, read-only or full; the script may have run all the same.
            Refused: the script failed for a reason that repeating cannot mend.
        """
        with self._translated():
            code = script(name)
            command = (len(keys), *keys, *arguments)
            try:
                return await self._evaluate(code.sha, command, durable)
            except NoScriptError:
                # A restarted or failed-over server has forgotten it.
                await self._execute("SCRIPT", "LOAD", code.text)
                return await self._evaluate(code.sha, command, durable)

    async def time(self) -> datetime:
        """The server's clock."""
        with self._translated():
            seconds, microseconds = await self._redis.time()
        return from_microseconds(seconds * 1_000_000 + microseconds)

    async def durability_problems(self) -> list[str]:
        """What in the server's options does not keep what the settings promise, each with its fix."""
        with self._translated():
            facts = {**await self._redis.info("server"), **await self._redis.info("persistence")}
            try:
                options = await self._redis.config_get("appendfsync", "maxmemory-policy")
            except ResponseError:
                options = {}
        return durability.problems(
            self._durability, {str(k): str(v) for k, v in options.items()}, {k: str(v) for k, v in facts.items()}
        )

    async def _evaluate(self, sha: str, command: Sequence[Argument], durable: bool) -> Any:
        if not durable or self._durability is not Durability.WAITAOF:
            return await self._execute("EVALSHA", sha, *command)
        # WAITAOF speaks for the writes of its own connection, and a pipeline keeps to one.
        async with self._redis.pipeline(transaction=False) as pipeline:
            pipeline.execute_command("EVALSHA", sha, *command)
            pipeline.execute_command("WAITAOF", 1, 0, max(1, int(self._timeout * 800)))
            reply, synced = await pipeline.execute(raise_on_error=False)
        for answer in (reply, synced):
            if isinstance(answer, Exception):
                raise answer
        if synced[0] < 1:
            raise Unavailable(f"Redis at {self._where} has not written to disk in time; is its disk slow or full?")
        return reply

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except (RedisError, OSError) as error:
            raise self._error(error) from error

    def _error(self, error: Exception) -> Unavailable | Refused:
        said = str(error) or type(error).__name__
        if isinstance(error, OutOfMemoryError):
            return Unavailable(f"Redis at {self._where} is full and refuses writes: raise maxmemory. ({said})")
        # While a connection is made, redis hides this error inside one about connections.
        if any(isinstance(one, AuthenticationError | NoPermissionError) for one in (error, error.__context__)):
            return Unavailable(
                f"Redis at {self._where} does not let us in: check SILOFREI_REDIS_USERNAME and "
                f"SILOFREI_REDIS_PASSWORD and the user's rights. ({said})"
            )
        # Only these speak of the data at hand. All others (read-only, disk full, moved, an unknown command) speak of
        # the server, and refusing mentions because of a server would lose them.
        if type(error) is ResponseError and (said.startswith("WRONGTYPE") or _in_script(said)):
            return Refused(RefusalCode.REJECTED, f"Redis at {self._where} failed in a script: {said}.")
        return Unavailable(f"Redis at {self._where} is not available: check SILOFREI_REDIS. ({said})")


def _in_script(said: str) -> bool:
    """Whether it is an error of Lua; those that a command raised inside a script begin with their own code."""
    return "user_script" in said and not said.partition(" ")[0].isupper()
