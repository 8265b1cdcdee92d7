"""From the lines of a file to deliveries.

Owns: the form of a line (docs/channels.md) and the key that orders deliveries. Refuses: Kafka (file.py).
"""

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from typing import Any

from pydantic import ValidationError
from pydantic_core import PydanticSerializationError

from silofrei.schemas.delivery import RawDelivery, wrap_body
from silofrei.schemas.mention import MentionDeleted
from silofrei.schemas.names import Channel
from silofrei.streams.channels import InvalidMention, NotAMention
from silofrei.streams.channels.registry import PARSERS

CONNECTOR = "file"


class LineRefused(Exception):  # noqa: N818 - no error of the program: one line stays out and the next is read
    """A line that is no delivery; the message says why and what to do."""


def payloads(lines: Iterable[bytes]) -> Iterator[tuple[int, bytes]]:
    """Native payloads and the line where each begins: one a line, or the whole file where that is one JSON value."""
    numbered = ((number, line) for number, line in enumerate(lines, 1) if line.strip())
    for number, first in numbered:
        if not _is_json(first):
            rest = list(numbered)
            whole = first + b"".join(line for _, line in rest)
            yield from [(number, whole)] if _is_json(whole) else [(number, first), *rest]
            return
        yield number, first
        yield from numbered


def _is_json(text: bytes) -> bool:
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


def native_delivery(body: bytes, channel: Channel, brand: str | None, received_at: datetime) -> RawDelivery:
    """A delivery around one native payload, byte for byte but for the end of the line.

    Raises:
        LineRefused: there is no brand, or it is no usable one.
    """
    text, encoding = wrap_body(body.rstrip(b"\r\n"))
    return _delivery({"channel": channel.value, "body": text, "body_encoding": encoding}, brand, received_at)


def row_delivery(line: bytes, brand: str | None, clock: Callable[[], datetime]) -> tuple[str | None, RawDelivery]:
    """The key, if the row has one, and the delivery of one row.

    A row without `delivery_id` was written by a person, so an unknown channel is told at once; a whole RawDelivery may
    come from a newer connector and is passed on.

    Raises:
        LineRefused: the row is not of the documented form.
    """
    try:
        row = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise LineRefused(f"no JSON ({error}); correct it, or give --channel if it is a native payload") from None
    if not isinstance(row, dict):
        raise LineRefused('no JSON object; write {"channel": …, "body": …}, or give --channel for native payloads')
    key = row.pop("key", None)
    if key is not None and not (isinstance(key, str) and key and key.isprintable()):
        raise LineRefused("key is no text; write the id of the thread or the author, or leave it out")
    if "delivery_id" not in row and row.get("channel") not in list(Channel):
        shown = ascii(row.get("channel"))[:60]
        raise LineRefused(
            f"channel is {shown}; write one of {', '.join(Channel)}, or give --channel for native payloads"
        )
    if isinstance(row.get("body"), dict | list):
        row["body"] = json.dumps(row["body"], separators=(",", ":"))
    return key, _delivery(row, brand, clock())


def _delivery(row: dict[str, Any], brand: str | None, received_at: datetime) -> RawDelivery:
    row = {"connector": CONNECTOR, "received_at": received_at, "brand": brand, **row}
    if row["brand"] is None:
        raise LineRefused("brand is missing; add it to the row or give --brand")
    content = "\n".join(str(row.get(part)) for part in ("brand", "channel", "body"))
    # The same content has the same id, so that a file that is read twice shows as such.
    row.setdefault("delivery_id", f"file-{hashlib.sha256(content.encode('utf-8', 'replace')).hexdigest()[:32]}")
    try:
        delivery = RawDelivery.model_validate(row)
        delivery.model_dump_json()
    except PydanticSerializationError as error:
        raise LineRefused(f"half a surrogate pair somewhere ({error}); a broken body goes in as Base64") from None
    except ValidationError as error:
        problem = error.errors(include_url=False)[0]
        where = ".".join(ascii(part).strip("'") for part in problem["loc"])
        raise LineRefused(f"{where}: {problem['msg']}; correct it (docs/channels.md has the form of a line)") from None
    try:
        delivery.raw_body()
    except ValueError as error:
        raise LineRefused(f"body is no Base64 ({error}); correct it or leave body_encoding out") from None
    return delivery


def key_of(delivery: RawDelivery) -> str:
    """What orders the delivery among its like: the thread of its first mention, else the delivery itself.

    The parser is asked, not obeyed: a delivery that it cannot read goes to the broker all the same.
    """
    try:
        parser = PARSERS[Channel(delivery.channel)]
        for item in parser.split(json.loads(delivery.raw_body()), delivery):
            change = parser.change(item, delivery)
            if isinstance(change, MentionDeleted):
                return change.mention_id
            if not isinstance(change, NotAMention):
                return change.mention.thread_id
    except (InvalidMention, ValueError, RecursionError):
        pass
    return delivery.delivery_id
