"""Reading a native payload field by field, where every mistake names the path and the fix.

Owns: access to JSON values by path and what a usable id, text, number or moment is. Refuses: knowledge of any channel.

What a mention cannot do without (ids, text, time) is read strictly; what only decorates it (names, counts, links) is
left out where it is unusable, because a wrong counter is no reason to keep a customer waiting.
"""

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Self

from silofrei.schemas.base import EARLIEST
from silofrei.schemas.mention import TEXT_LIMIT
from silofrei.schemas.names import DeadLetterReason
from silofrei.streams.channels import InvalidMention, Item

_ID = re.compile(r"[^\s\x00-\x1f]{1,400}")
_NUMBER = re.compile(r"-?\d{1,20}(\.\d{1,9})?")
_MILLISECONDS_FROM = 1e11
"""A larger epoch number counts milliseconds; as seconds it would lie in the year 5138."""
_FARTHEST = timedelta(days=366)
"""How far ahead of our receipt a source's clock may be before its unit or its field must be wrong."""
_NAMES = {dict: "an object", list: "a list", str: "a text", bool: "true or false", int: "a number", float: "a number"}


def missing(path: str, what: str) -> InvalidMention:
    """The mistake that `path` is not there."""
    return InvalidMention(DeadLetterReason.MISSING_FIELD, f"{path} is missing; add {what} there and redrive", path)


def invalid(path: str, wrong: str, fix: str) -> InvalidMention:
    """The mistake that `path` holds something unusable: `wrong` is said of it, `fix` tells what to do."""
    return InvalidMention(DeadLetterReason.INVALID_FIELD, f"{path or 'the payload'} {wrong}; {fix}", path or None)


def _unlike(path: str, value: object, what: str) -> InvalidMention:
    return invalid(path, f"is {_NAMES.get(type(value), 'null')}", f"put {what} there and redrive")


class Fields:
    """The fields of one JSON object, and the path under which it stands in the payload.

    Nearly all paths are asked for by nobody, so an object inside another one only remembers where it stands.
    """

    __slots__ = ("_parent", "_place", "_values")

    def __init__(self, values: Mapping[str, object], place: str, parent: "Fields | None" = None) -> None:
        self._values = values
        self._place = place
        self._parent = parent

    @property
    def path(self) -> str:
        """Where the object stands, such as `entry[0].changes[1].value`."""
        return self._place if self._parent is None else self._parent.at(self._place)

    @classmethod
    def of(cls, value: object, path: str) -> Self:
        """The fields of `value`.

        Raises:
            InvalidMention: it is no JSON object.
        """
        if not isinstance(value, dict):
            raise _unlike(path, value, "an object")
        return cls(value, path)

    def __contains__(self, key: str) -> bool:
        return self._values.get(key) is not None

    def at(self, key: str) -> str:
        """The path of a field of this object."""
        path = self.path
        return f"{path}.{key}" if path else key

    def keys(self) -> list[str]:
        """The names of the fields, null ones too."""
        return list(self._values)

    def get(self, key: str) -> object:
        """The value as it is; None where there is none."""
        return self._values.get(key)

    def text(self, key: str, *, limit: int = TEXT_LIMIT) -> str:
        """A text that must be there; it may be empty.

        Raises:
            InvalidMention: missing, no text, longer than `limit` characters, or no valid Unicode.
        """
        value = self._values.get(key)
        if value is None:
            raise missing(self.at(key), "the text")
        if not isinstance(value, str):
            raise _unlike(self.at(key), value, "a text")
        if len(value) <= limit and _is_unicode(value):
            return value
        return checked_text(value, self.at(key), limit=limit)

    def optional_text(self, key: str) -> str | None:
        """As `text`, or None where the field is missing or null."""
        return None if self._values.get(key) is None else self.text(key)

    def word(self, key: str) -> str:
        """A name out of a vocabulary, such as a verb or a type.

        Raises:
            InvalidMention: missing or no text.
        """
        if self._values.get(key) is None:
            raise missing(self.at(key), "the name")
        return self.text(key, limit=200)

    def identifier(self, key: str) -> str:
        """An id that must be there: a text or a whole number, without white space.

        Raises:
            InvalidMention: missing or unusable.
        """
        value = self._values.get(key)
        if isinstance(value, str) and value.isascii() and _ID.fullmatch(value):
            return value
        if value is None:
            raise missing(self.at(key), "the id")
        if isinstance(value, int) and not isinstance(value, bool) and abs(value) < 1 << 64:
            return str(value)
        if not isinstance(value, str):
            raise _unlike(self.at(key), value, "an id")
        if not _ID.fullmatch(value):
            raise invalid(
                self.at(key), "is no usable id", "put 1 to 400 characters without white space there and redrive"
            )
        return checked_text(value, self.at(key))

    def optional_identifier(self, key: str) -> str | None:
        """As `identifier`, or None where the field is missing, null or empty."""
        return None if self._values.get(key) in (None, "") else self.identifier(key)

    def label(self, key: str) -> str | None:
        """A name or link for people to read; None where there is no usable one."""
        return _label(self._values.get(key))

    def labels(self, key: str) -> list[str]:
        """The usable ones of a list of names or links, each once."""
        value = self._values.get(key)
        if not isinstance(value, list):
            return []
        return list(dict.fromkeys(one for one in (_label(one) for one in value) if one))

    def count(self, key: str) -> int | None:
        """A number of likes, followers and the like; None where there is no usable one."""
        value = self._values.get(key)
        return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 1 << 53 else None

    def flag(self, key: str) -> bool:
        """Whether the field is there and true."""
        return self._values.get(key) is True

    def moment(self, key: str, received_at: datetime) -> datetime:
        """A moment that must be there: ISO 8601 with a time zone, or seconds or milliseconds since 1970.

        Args:
            key: name of the field.
            received_at: when the delivery came in; a moment a year later cannot be meant.

        Raises:
            InvalidMention: missing, unreadable, without a time zone, before 2000 or far in the future.
        """
        value = self._values.get(key)
        if value is None:
            raise missing(self.at(key), "the time of the post")
        try:
            moment = _moment(value)
        except (ValueError, OverflowError, OSError) as error:
            raise _wrong_time(self.at(key), value, f"is no usable time ({error})") from None
        if moment < EARLIEST:
            raise _wrong_time(self.at(key), value, f"is before {EARLIEST:%Y-%m-%d}")
        if moment - received_at > _FARTHEST:
            raise _wrong_time(self.at(key), value, "is more than a year after its receipt")
        return moment

    def optional_moment(self, key: str, received_at: datetime) -> datetime | None:
        """As `moment`, or None where the field is missing or null."""
        return None if self._values.get(key) is None else self.moment(key, received_at)

    def child(self, key: str) -> "Fields":
        """An object that must be there.

        Raises:
            InvalidMention: missing or no object.
        """
        value = self._values.get(key)
        if isinstance(value, dict):
            return Fields(value, key, self)
        if value is None:
            raise missing(self.at(key), "the object")
        raise _unlike(self.at(key), value, "an object")

    def optional_child(self, key: str) -> "Fields":
        """As `child`, but without fields where it is missing, null or no object."""
        value = self._values.get(key)
        return Fields(value if isinstance(value, dict) else {}, key, self)

    def listed(self, key: str) -> list[object]:
        """A list that must be there.

        Raises:
            InvalidMention: missing or no list.
        """
        value = self._values.get(key)
        if value is None:
            raise missing(self.at(key), "the list")
        if not isinstance(value, list):
            raise _unlike(self.at(key), value, "a list")
        return value

    def children(self, key: str) -> list["Fields"]:
        """The objects in a list that only decorates: what is no list or no object is left out."""
        value = self._values.get(key)
        if not isinstance(value, list):
            return []
        return [Fields(one, f"{key}[{index}]", self) for index, one in enumerate(value) if isinstance(one, dict)]


def one_or_many(payload: object) -> list[Item]:
    """The events of a payload that is one event or a list of them.

    Raises:
        InvalidMention: it is neither an object nor a list.
    """
    if isinstance(payload, list):
        return [Item(f"[{index}]", value) for index, value in enumerate(payload)]
    Fields.of(payload, "")
    return [Item("", payload)]


def checked_text(value: str, path: str, *, limit: int = TEXT_LIMIT) -> str:
    """`value`, when it is valid Unicode of at most `limit` characters.

    Raises:
        InvalidMention: it is not.
    """
    if len(value) > limit:
        raise InvalidMention(
            DeadLetterReason.TEXT_TOO_LONG,
            f"{path} has {len(value):,} characters, the limit is {limit:,}; shorten it and redrive",
            path,
        )
    if not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError as error:
            raise InvalidMention(
                DeadLetterReason.INVALID_UNICODE,
                f"{path} has half a surrogate pair at character {error.start}; put the character that was meant, "
                "or U+FFFD, there and redrive",
                path,
            ) from None
    return value


def _is_unicode(value: str) -> bool:
    if not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError:
            return False
    return True


def _label(value: object) -> str | None:
    if not isinstance(value, str) or not value.strip():
        return None
    return value[:2000] if value.isascii() else value[:2000].encode("utf-8", "replace").decode()


def _moment(value: object) -> datetime:
    if isinstance(value, str) and not _NUMBER.fullmatch(value):
        if len(value) > 64:
            raise ValueError("too long")
        moment = datetime.fromisoformat(value)
        if moment.tzinfo is None:
            raise ValueError("it has no time zone")
        return moment.astimezone(UTC)
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise ValueError("neither a text nor a number")  # noqa: TRY004 - a mistake in data, not in the program
    number = float(value)
    return datetime.fromtimestamp(number / 1000 if abs(number) >= _MILLISECONDS_FROM else number, UTC)


def _wrong_time(path: str, value: object, wrong: str) -> InvalidMention:
    shown = f" = {value!r}" if isinstance(value, str | int | float) and len(str(value)) <= 40 else ""
    return InvalidMention(
        DeadLetterReason.INVALID_TIME,
        f"{path}{shown} {wrong}; put the time of the post there, such as 2026-03-01T09:30:00Z, and redrive",
        path,
    )
