"""Ids and ranks that the queue derives, and which errors of a server mean that it is away."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st
from redis.exceptions import (
    AuthenticationError,
    BusyLoadingError,
    MovedError,
    NoPermissionError,
    OutOfMemoryError,
    ReadOnlyError,
    ResponseError,
)
from redis.exceptions import (
    ConnectionError as Gone,
)
from redis.exceptions import (
    TimeoutError as Late,
)

from silofrei.routing.queue.client import RedisClient
from silofrei.routing.queue.codes import RefusalCode, Refused, Unavailable
from silofrei.routing.queue.durability import problems
from silofrei.routing.queue.effects import cause, rank
from silofrei.routing.queue.moments import from_microseconds, from_milliseconds, to_milliseconds
from silofrei.schemas.names import Durability
from silofrei.schemas.settings import load_settings


def test_a_cause_is_the_same_for_ever() -> None:
    assert cause("acme", "x:1", "") == "pabfc4456d7uwiqv"


def test_a_cause_tells_brand_mention_and_version_apart() -> None:
    cases = [("acme", "x:1", ""), ("acm", "ex:1", ""), ("acme", "x:1", "1"), ("acme", "x:11", ""), ("b", "x:1", "")]
    found = [cause(*case) for case in cases]
    assert len(set(found)) == len(cases)
    assert all(len(one) == 16 and one.isalnum() and one.islower() for one in found)


@given(a=st.integers(0, 10**40), b=st.integers(0, 10**40))
def test_numbers_rank_by_value(a: int, b: int) -> None:
    assert (rank(str(a)) < rank(f"0{b}")) == (a < b)


MOMENTS = st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1))  # noqa: DTZ001  # the zone is drawn beside it
ZONES = st.integers(-12, 14).map(lambda hours: timezone(timedelta(hours=hours)))


@given(a=MOMENTS, b=MOMENTS, here=ZONES, there=ZONES)
def test_times_rank_by_the_moment_wherever_they_were_written(
    a: datetime, b: datetime, here: timezone, there: timezone
) -> None:
    first, second = a.replace(tzinfo=here), b.replace(tzinfo=there)
    assert (rank(first.isoformat()) < rank(second.isoformat())) == (first < second)
    assert rank(first.isoformat()) == rank(first.astimezone(UTC).isoformat().replace("+00:00", "Z"))


@pytest.mark.parametrize("revision", ["abc", "v2", "1.5", "²", "-1", "W/etag"])
def test_other_revisions_have_no_order(revision: str) -> None:
    assert rank(revision) == ""


@given(moment=MOMENTS)
def test_milliseconds_lose_nothing_but_what_is_smaller(moment: datetime) -> None:
    moment = moment.replace(tzinfo=UTC)
    back = from_milliseconds(str(to_milliseconds(moment)).encode())
    assert timedelta(0) <= moment - back < timedelta(milliseconds=1)
    assert from_microseconds(to_milliseconds(moment) * 1000) == back


AWAY = [
    Gone("refused"),
    Late("slow"),
    BusyLoadingError("loading"),
    ReadOnlyError("You can't write against a read only replica. script: ab, on @user_script:33."),
    OutOfMemoryError("command not allowed when used memory > 'maxmemory'. script: ab, on @user_script:33."),
    ResponseError("MISCONF Errors writing to the AOF file: No space left. script: ab, on @user_script:33."),
    ResponseError("NOREPLICAS Not enough good replicas to write."),
    ResponseError("BUSY Redis is busy running a script."),
    ResponseError("unknown command 'EVALSHA'"),
    NoPermissionError("User x has no permissions to run the 'evalsha' command"),
    AuthenticationError("invalid username-password pair"),
    MovedError("1 127.0.0.1:7000"),
    OSError("broken pipe"),
]
OURS = [
    ResponseError("WRONGTYPE Operation against a key holding the wrong kind of value"),
    ResponseError("user_script:12: attempt to index a nil value script: ab, on @user_script:12."),
]


@pytest.mark.parametrize("error", AWAY, ids=lambda error: type(error).__name__)
async def test_what_the_server_says_of_itself_is_unavailable(error: Exception) -> None:
    assert isinstance(await translated(error), Unavailable)


@pytest.mark.parametrize("error", OURS, ids=str)
async def test_what_the_server_says_of_the_data_is_refused(error: Exception) -> None:
    found = await translated(error)
    assert isinstance(found, Refused)
    assert found.code is RefusalCode.REJECTED


async def translated(error: Exception) -> Exception:
    client = RedisClient(load_settings(redis="redis://127.0.0.1:1/0"))

    async def fail(*_: object) -> None:
        raise error

    client._execute = fail
    with pytest.raises((Unavailable, Refused)) as caught:
        await client.call("PING")
    await client.close()
    assert caught.value.__cause__ is error
    return caught.value


GOOD = {"redis_version": "7.2.4", "aof_enabled": "1", "aof_last_write_status": "ok"}
OPTIONS = {"appendfsync": "everysec", "maxmemory-policy": "noeviction"}


@pytest.mark.parametrize("durability", [Durability.EVERYSEC, Durability.WAITAOF])
def test_a_durable_server_has_no_problems(durability: Durability) -> None:
    assert problems(durability, OPTIONS, GOOD) == []
    assert problems(Durability.ALWAYS, {**OPTIONS, "appendfsync": "always"}, GOOD) == []


@pytest.mark.parametrize(
    ("options", "facts", "said"),
    [
        ({}, {"redis_version": "6.2.14"}, "use Redis 7.2"),
        ({}, {"redis_version": "7.0.15"}, "use Redis 7.2"),
        ({}, {"aof_enabled": "0"}, "appendonly yes"),
        ({}, {"aof_last_write_status": "err"}, "full disk"),
        ({"appendfsync": "no"}, {}, "appendfsync everysec"),
        ({"maxmemory-policy": "allkeys-lru"}, {}, "maxmemory-policy noeviction"),
    ],
)
def test_each_problem_is_told_with_its_fix(options: dict[str, str], facts: dict[str, str], said: str) -> None:
    (problem,) = problems(Durability.WAITAOF, {**OPTIONS, **options}, {**GOOD, **facts})
    assert said in problem


def test_a_server_that_hides_its_options_is_to_be_checked_by_hand() -> None:
    (problem,) = problems(Durability.EVERYSEC, {}, GOOD)
    assert "CONFIG GET is forbidden" in problem
