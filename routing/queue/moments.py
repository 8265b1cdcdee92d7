"""Moments as Redis keeps them: microseconds or milliseconds since 1970, as digits."""

from datetime import UTC, datetime, timedelta

_START = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)


def from_microseconds(digits: bytes | int) -> datetime:
    """The moment so many microseconds after 1970."""
    return _START + timedelta(microseconds=int(digits))


def from_milliseconds(digits: bytes | int) -> datetime:
    """The moment so many milliseconds after 1970."""
    return _START + timedelta(milliseconds=int(digits))


def to_milliseconds(moment: datetime) -> int:
    """Whole milliseconds from 1970 to `moment`, rounded down; integers, so nothing is lost to floating point."""
    return (moment - _START) // _MILLISECOND


def milliseconds(span: timedelta) -> int:
    """Whole milliseconds of `span`, at least 1."""
    return max(1, span // _MILLISECOND)
