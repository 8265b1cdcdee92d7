"""From a record of `mentions.raw` to mention changes and dead letters; it never raises.

Owns: the envelope, JSON, and what becomes of a mistake. Refuses: native payloads (streams/channels) and Kafka.
"""

import binascii
import json
import logging
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple, NoReturn

from pydantic import ValidationError
from pydantic_core import from_json

from silofrei.schemas.dead_letter import DeadLetter, Origin
from silofrei.schemas.delivery import RawDelivery
from silofrei.schemas.mention import MentionChange
from silofrei.schemas.names import Channel, DeadLetterReason
from silofrei.streams.channels import InvalidMention, Item, NotAMention, Parser
from silofrei.streams.channels.registry import PARSERS
from silofrei.streams.fetches import Record

log = logging.getLogger(__name__)

_DETAIL = 2_000
"""Longest explanation in a dead letter, characters."""


class Parsed(NamedTuple):
    """What one record holds.

    Attributes:
        delivery: the envelope; None where it is broken.
        changes: the mention changes in their order, each with its number in the delivery.
        dead: what could not be read.
        not_mentions: native events that say nothing.
    """

    delivery: RawDelivery | None
    changes: list[tuple[int, MentionChange]]
    dead: list[DeadLetter]
    not_mentions: int


class _Content(NamedTuple):
    delivery: RawDelivery
    parser: Parser
    items: list[Item]


def parse(
    record: Record,
    brands: Collection[str],
    clock: Callable[[], datetime],
    parsers: Mapping[Channel, Parser] = PARSERS,
) -> Parsed:
    """Read one record, see `parse_all`."""
    return parse_all((record,), brands, clock, parsers)[0]


def parse_all(
    records: Sequence[Record],
    brands: Collection[str],
    clock: Callable[[], datetime],
    parsers: Mapping[Channel, Parser] = PARSERS,
) -> list[Parsed]:
    """Read some records, each for itself.

    They go through each step together. One record after the other through all steps takes a fifth longer, since the
    code of each step pushes that of the others out of the processor's caches; so do many more than sixteen records.

    Args:
        records: the records as they lie in Kafka.
        brands: the brands of the configuration; a delivery for another one is a dead letter.
        clock: for the moment of a dead letter.
        parsers: the parser of each channel.
    """
    envelopes = [_opened(record.value) for record in records]
    contents = [_content(envelope, brands, parsers) for envelope in envelopes]
    return [_parsed(*one, clock) for one in zip(records, envelopes, contents, strict=True)]


def _opened(value: bytes | None) -> RawDelivery | InvalidMention:
    try:
        return _envelope(value)
    except InvalidMention as error:
        return error


def _content(
    envelope: RawDelivery | InvalidMention, brands: Collection[str], parsers: Mapping[Channel, Parser]
) -> _Content | InvalidMention:
    if isinstance(envelope, InvalidMention):
        return envelope
    try:
        parser = _parser(envelope, brands, parsers)
        return _Content(envelope, parser, _split(parser, envelope))
    except InvalidMention as error:
        return error


def _parsed(
    record: Record,
    envelope: RawDelivery | InvalidMention,
    content: _Content | InvalidMention,
    clock: Callable[[], datetime],
) -> Parsed:
    if isinstance(content, InvalidMention):
        readable = None if isinstance(envelope, InvalidMention) else envelope
        return Parsed(readable, [], [dead_letter(content, record, readable, clock())], 0)
    delivery, parser, items = content
    changes: list[tuple[int, MentionChange]] = []
    dead: list[DeadLetter] = []
    not_mentions = 0
    for number, item in enumerate(items):
        try:
            change = parser.change(item, delivery)
        except Exception as error:
            invalid = error if isinstance(error, InvalidMention) else _failed(delivery, item.path, error)
            dead.append(dead_letter(invalid, record, delivery, clock(), item=number, dead=dead))
        else:
            if isinstance(change, NotAMention):
                not_mentions += 1
            else:
                changes.append((number, change))
    return Parsed(delivery, changes, dead, not_mentions)


def dead_letter(
    error: InvalidMention,
    record: Record,
    delivery: RawDelivery | None,
    at: datetime,
    *,
    item: int | None = None,
    dead: Sequence[DeadLetter] = (),
) -> DeadLetter:
    """The dead letter for `error`.

    Args:
        error: what is wrong.
        record: where it was found.
        delivery: the record's envelope, where that could be read.
        at: now.
        item: number of the mention at fault; None where it is the whole delivery.
        dead: dead letters before this one; one of the same record carries its bytes already.
    """
    origin = Origin(topic=record.topic, partition=record.partition, offset=record.offset, item=item)
    carrier = next((one for one in dead if one.value_of is None and _same_record(one.origin, origin)), None)
    return DeadLetter(
        dead_letter_id=_id(origin),
        origin=origin,
        reason=error.reason,
        field=_printable(error.field) if error.field else None,
        detail=_printable(error.detail),
        brand=delivery.brand if delivery else None,
        channel=delivery.channel if delivery else None,
        at=at,
        value=b"" if carrier or record.value is None else record.value,
        value_of=carrier.dead_letter_id if carrier else None,
    )


def _id(origin: Origin) -> str:
    whole = f"{origin.topic}/{origin.partition}/{origin.offset}"
    return whole if origin.item is None else f"{whole}/{origin.item}"


def _same_record(one: Origin, other: Origin) -> bool:
    return (one.topic, one.partition, one.offset) == (other.topic, other.partition, other.offset)


def _envelope(value: bytes | None) -> RawDelivery:
    if value is None:
        _broken("the record has no value; a connector must send a RawDelivery as JSON", None)
    try:
        return RawDelivery.model_validate_json(value)
    except ValidationError as error:
        problem = error.errors(include_url=False, include_context=False)[0]
        field = ".".join(str(part) for part in problem["loc"]) or None
        message = problem["msg"].removeprefix("Value error, ")
        subject = f"the envelope's {field}" if field else "the envelope"
        _broken(
            f"{subject}: {message}; send a RawDelivery as JSON (`silofrei schemas` writes its schema), "
            "or redrive with a whole repaired record",
            field,
        )


def _broken(detail: str, field: str | None) -> NoReturn:
    raise InvalidMention(DeadLetterReason.BROKEN_ENVELOPE, detail, field) from None


def _parser(delivery: RawDelivery, brands: Collection[str], parsers: Mapping[Channel, Parser]) -> Parser:
    if delivery.brand not in brands:
        raise InvalidMention(
            DeadLetterReason.UNKNOWN_BRAND,
            f"the brand {delivery.brand!r} is not configured; add it to `brands` in silofrei.toml and redrive, "
            f"or redrive with one of {', '.join(sorted(brands))}",
            "brand",
        )
    try:
        return parsers[Channel(delivery.channel)]
    except (ValueError, KeyError):
        raise InvalidMention(
            DeadLetterReason.UNKNOWN_CHANNEL,
            f"there is no parser for the channel {delivery.channel!r}; redrive with the right one of "
            f"{', '.join(parsers)}, or after an update that reads it",
            "channel",
        ) from None


def _split(parser: Parser, delivery: RawDelivery) -> list[Item]:
    payload = _payload(delivery)
    try:
        return list(parser.split(payload, delivery))
    except InvalidMention:
        raise
    except Exception as error:
        raise _failed(delivery, "the payload", error) from error


def _payload(delivery: RawDelivery) -> object:
    # The usual way is fast and strict; what it refuses is read again, slowly, to say where the mistake is, and because
    # half a surrogate pair in one mention must not cost its neighbours.
    if delivery.body_encoding == "utf-8":
        try:
            return from_json(delivery.body, allow_inf_nan=False)
        except ValueError:
            pass
    try:
        return json.loads(delivery.raw_body().decode("utf-8-sig"), parse_constant=_no_number, parse_int=_whole_number)
    except UnicodeDecodeError as error:
        detail = f"the body is not UTF-8 (byte {error.start}); send UTF-8 and redrive"
    except binascii.Error as error:
        detail = f"the body is not the Base64 that body_encoding says ({error}); correct either and redrive"
    except RecursionError:
        detail = "the body nests deeper than can be read; send what the channel documents and redrive"
    except ValueError as error:
        detail = f"the body is not JSON that can be read ({error}); repair it and redrive"
    raise InvalidMention(DeadLetterReason.BROKEN_BODY, detail, "body")


def _no_number(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON number")


def _whole_number(digits: str) -> int:
    try:
        return int(digits)
    except ValueError:  # Python's own words are for programmers
        raise ValueError(f"it has a number of {len(digits)} digits, more than can be read") from None


def _failed(delivery: RawDelivery, path: str, error: Exception) -> InvalidMention:
    log.exception("The parser of channel %s failed at %s of delivery %s", delivery.channel, path, delivery.delivery_id)
    return InvalidMention(
        DeadLetterReason.INVALID_FIELD,
        f"the parser of channel {delivery.channel} failed here ({type(error).__name__}: {error}); this is a mistake of "
        "Silofrei: report it, and redrive after the repair",
        path,
    )


def _printable(text: str) -> str:
    """`text` in valid Unicode and of a bearable length: what is quoted may be what was wrong."""
    return text[:_DETAIL].encode("utf-8", "backslashreplace").decode()
