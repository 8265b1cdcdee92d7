"""Dead letters for people: what waits, and how it comes back.

Owns: reading `mentions.dead-letters` and redriving. Refuses: deciding what is a dead letter (parsing.py, apply.py). A
redrive puts the delivery into `mentions.raw` once more; mentions of it that were routed before stay as they are, since
the queue knows their ids.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime

from kafka import KafkaProducer
from kafka.errors import KafkaError, MessageSizeTooLargeError
from pydantic import ValidationError

from silofrei.schemas.dead_letter import DEAD_LETTER_RECORD, DeadLetter, DeadLetterRecord, DeadLetterRedriven
from silofrei.schemas.delivery import RawDelivery, wrap_body
from silofrei.schemas.names import Channel
from silofrei.schemas.settings import Settings
from silofrei.streams.connectors.lines import key_of
from silofrei.streams.dead_letter_entry import DeadLetterEntry, entry_of
from silofrei.streams.kafka_clients import kafka_python_producer_options, reach, unreachable
from silofrei.streams.topic_reader import read_one, read_topic
from silofrei.streams.topics import Topics, dead_letter_bytes


class NotRedrivable(Exception):  # noqa: N818  # it names what the dead letter is
    """This dead letter cannot be sent back like that; the message says why and what to do."""


def list_dead_letters(settings: Settings) -> list[DeadLetterEntry]:
    """All dead letters that Kafka still has, the oldest first; each once, however often it was written.

    Raises:
        ConfigurationError: no broker answers, or the topic is missing.
    """
    entries: dict[str, DeadLetterEntry] = {}
    redriven: dict[str, DeadLetterRedriven] = {}
    for record in _records(settings):
        if isinstance(record, DeadLetter):
            entries[record.dead_letter_id] = entry_of(record)
        else:
            redriven[record.dead_letter_id] = record
    for key, mark in redriven.items():
        if key in entries:
            entries[key] = entries[key].marked(mark)
    return sorted(entries.values(), key=lambda entry: (entry.letter.at, entry.letter.dead_letter_id))


def read_dead_letter(settings: Settings, dead_letter_id: str) -> DeadLetter:
    """One dead letter with the bytes of its record, wherever these are.

    Raises:
        NotRedrivable: there is no such dead letter.
        ConfigurationError: no broker answers, or the topic is missing.
    """
    return _find(settings, dead_letter_id)[0]


def native_body(letter: DeadLetter) -> bytes:
    """The native payload in a dead letter, for an editor; the whole record where its envelope is broken."""
    try:
        return RawDelivery.model_validate_json(letter.value).raw_body()
    except ValueError:
        return letter.value


def redrive(
    settings: Settings,
    dead_letter_id: str,
    *,
    clock: Callable[[], datetime],
    body: bytes | None = None,
    channel: Channel | None = None,
    brand: str | None = None,
) -> None:
    """Send a dead letter through once more.

    Unrepaired, the whole delivery goes in again, so the other dead letters of the same record count as redriven too. A
    repair is made for one of them; the others stay.

    Args:
        settings: where Kafka is.
        dead_letter_id: as `list_dead_letters` gives it.
        clock: for the moment of the redrive.
        body: the repaired native payload; None sends the one that came. Where the envelope is broken, a whole repaired
            record, or the native payload together with `channel` and `brand`.
        channel: the right channel, where that was wrong.
        brand: the right brand, where that was wrong.

    Raises:
        NotRedrivable: there is no such dead letter, or more must be given to repair it.
        ConfigurationError: no broker answers, or a topic is missing.
    """
    letter, of_same_record = _find(settings, dead_letter_id)
    repaired = body is not None or channel is not None or brand is not None
    delivery = _repair(letter, clock(), body, channel, brand)
    marks = [dead_letter_id] if repaired else of_same_record
    topics = Topics(settings)
    with _producer(settings) as send:
        send(topics.raw, key_of(delivery).encode(), delivery.model_dump_json(exclude_none=True).encode())
        # Only now: a delivery that comes back twice changes nothing, a mark without a delivery would hide it.
        for one in marks:
            mark = DeadLetterRedriven(dead_letter_id=one, at=clock(), repaired=repaired)
            send(topics.dead_letters, one.encode(), mark.model_dump_json().encode())


def _records(settings: Settings) -> Iterator[DeadLetterRecord]:
    for record in read_topic(settings, Topics(settings).dead_letters):
        try:
            yield DEAD_LETTER_RECORD.validate_json(record.value or b"")
        except ValidationError:
            continue  # somebody else's record; it is no dead letter of ours


def _find(settings: Settings, dead_letter_id: str) -> tuple[DeadLetter, list[str]]:
    # Two passes, so that the bytes of one record alone are in memory.
    found: DeadLetter | None = None
    carriers: dict[str, str] = {}
    for record in _records(settings):
        if isinstance(record, DeadLetter):
            carriers[record.dead_letter_id] = record.value_of or record.dead_letter_id
            if record.dead_letter_id == dead_letter_id:
                found = record
    if found is None:
        raise NotRedrivable(f"there is no dead letter {dead_letter_id}; `silofrei dead-letters list` shows them")
    value = found.value
    if found.value_of:
        value = next((one.value for one in _letters(settings) if one.dead_letter_id == found.value_of), b"")
    if not value:
        origin = found.origin
        value = read_one(settings, origin.topic, origin.partition, origin.offset) or b""
    carrier = carriers[dead_letter_id]
    return found.model_copy(update={"value": value}), sorted(one for one, of in carriers.items() if of == carrier)


def _letters(settings: Settings) -> Iterator[DeadLetter]:
    return (record for record in _records(settings) if isinstance(record, DeadLetter))


def _repair(
    letter: DeadLetter, now: datetime, body: bytes | None, channel: Channel | None, brand: str | None
) -> RawDelivery:
    try:
        values = RawDelivery.model_validate_json(letter.value).model_dump()
    except ValidationError:
        values = _new_envelope(letter, now, body, channel, brand)
    else:
        if body is not None:
            values["body"], values["body_encoding"] = wrap_body(body)
    values["redrive_of"] = letter.dead_letter_id
    if channel is not None:
        values["channel"] = channel.value
    if brand is not None:
        values["brand"] = brand
    return RawDelivery.model_validate(values)


def _new_envelope(
    letter: DeadLetter, now: datetime, body: bytes | None, channel: Channel | None, brand: str | None
) -> dict[str, object]:
    if body is None:
        raise NotRedrivable(
            f"{letter.dead_letter_id} has no readable envelope; give a whole repaired record, or the native payload "
            "with --channel and --brand"
        )
    if channel is not None and brand is not None:
        text, encoding = wrap_body(body)
        return {
            "delivery_id": f"redrive:{letter.dead_letter_id}",
            "brand": brand,
            "channel": channel.value,
            "connector": "redrive",
            "received_at": now,
            "body": text,
            "body_encoding": encoding,
        }
    try:
        return RawDelivery.model_validate_json(body).model_dump()
    except ValidationError as error:
        problem = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in problem["loc"]) or "record"
        raise NotRedrivable(
            f"{letter.dead_letter_id} has no readable envelope and what you give is none either ({where}: "
            f"{problem['msg']}); give a whole RawDelivery, or the native payload with --channel and --brand"
        ) from error


@contextmanager
def _producer(settings: Settings) -> Iterator[Callable[[str, bytes, bytes], None]]:
    reach(settings)
    try:
        producer = KafkaProducer(
            **kafka_python_producer_options(settings, max_request_size=dead_letter_bytes(settings))
        )
    except KafkaError as error:
        raise unreachable(settings, error) from error

    def send(topic: str, key: bytes, value: bytes) -> None:
        try:
            producer.send(topic, value, key).get(timeout=30)
        except MessageSizeTooLargeError as error:
            raise NotRedrivable(
                f"the delivery has {len(value)} bytes, more than {topic} takes; make it smaller or raise "
                "SILOFREI_MAX_DELIVERY_BYTES and the topic's max.message.bytes"
            ) from error
        except KafkaError as error:
            raise unreachable(settings, error) from error

    try:
        yield send
    finally:
        producer.close(timeout=5)


__all__ = [
    "DeadLetterEntry",
    "NotRedrivable",
    "list_dead_letters",
    "native_body",
    "read_dead_letter",
    "redrive",
]
