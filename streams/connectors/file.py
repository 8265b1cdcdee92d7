"""The file connector: deliveries from JSON lines or native payloads into `mentions.raw`.

Owns: producing them and the count of what was taken and what was not. Refuses: nothing that a platform could have
sent; a payload that nobody can read becomes a dead letter behind Kafka, where it can be repaired.
"""

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from kafka import KafkaProducer
from kafka.errors import KafkaError, MessageSizeTooLargeError

from silofrei.schemas.delivery import RawDelivery
from silofrei.schemas.names import Channel
from silofrei.schemas.settings import ConfigurationError, Settings
from silofrei.streams.connectors.lines import LineRefused, key_of, native_delivery, payloads, row_delivery
from silofrei.streams.kafka_clients import kafka_python_producer_options, reach, unreachable
from silofrei.streams.topics import Topics, raw_record_bytes

_IN_FLIGHT = 500
"""Deliveries that are sent before the broker's answers are looked at."""
_REMEMBERED = 1000
"""Refusals that a result lists; the others are counted and were reported."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """One line that was left out, and what to do about it."""

    line: int
    reason: str

    def __str__(self) -> str:
        return f"line {self.line}: {self.reason}"


@dataclass(frozen=True, slots=True)
class IngestResult:
    """What became of the lines: `accepted` are safe on the broker, `refused` were not sent."""

    accepted: int
    refused: int
    refusals: tuple[Refusal, ...] = ()

    def as_text(self) -> str:
        """One line for people."""
        noun = "delivery" if self.accepted == 1 else "deliveries"
        return f"{self.accepted} {noun} accepted, {self.refused} refused"

    def as_json(self) -> str:
        """One line for programs."""
        refusals = [{"line": one.line, "reason": one.reason} for one in self.refusals]
        return json.dumps({"accepted": self.accepted, "refused": self.refused, "refusals": refusals})


def ingest(
    settings: Settings,
    lines: Iterable[bytes],
    *,
    channel: Channel | None = None,
    brand: str | None = None,
    clock: Callable[[], datetime],
    report: Callable[[str], None],
) -> IngestResult:
    """Produce deliveries to `mentions.raw` and wait until all in-sync replicas have them.

    Args:
        settings: where Kafka is and how large a delivery may be.
        lines: the file, line by line, as bytes.
        channel: every line, or the whole file, is one native payload of this channel; None: each line is a row with
            a `channel` and a `body`, or a whole RawDelivery.
        brand: whom the deliveries are for, where a row does not say.
        clock: tells the time of receipt, where a row does not.
        report: is told each refusal when it happens.

    Raises:
        ConfigurationError: the broker cannot be reached or stops answering; what it confirmed stays accepted.
    """
    topic = Topics(settings).raw
    count = _Count(report)
    producer = _producer(settings)
    try:
        for line, key, delivery in _deliveries(lines, channel, brand, clock, count):
            value = delivery.model_dump_json(exclude_none=True).encode()
            if len(value) > settings.max_delivery_bytes:
                count.refuse(line, _too_large(len(value), settings))
                continue
            count.sent.append((line, producer.send(topic, key=key.encode(), value=value)))
            if len(count.sent) >= _IN_FLIGHT:
                count.confirm()
        count.confirm()
    except KafkaError as error:
        raise ConfigurationError(
            f"SILOFREI_KAFKA={settings.kafka!r}: {count.accepted} deliveries were accepted, then the broker stopped "
            f"answering ({type(error).__name__}: {error}); run it again when the broker is back: what was accepted "
            "already is recognised and counted once"
        ) from error
    finally:
        producer.close(timeout=10)
    return count.result()


class _Count:
    def __init__(self, report: Callable[[str], None]) -> None:
        self._report = report
        self._refusals: list[Refusal] = []
        self._refused = 0
        self.accepted = 0
        self.sent: list[tuple[int, Any]] = []

    def refuse(self, line: int, reason: str) -> None:
        refusal = Refusal(line, reason)
        self._report(str(refusal))
        self._refused += 1
        if len(self._refusals) < _REMEMBERED:
            self._refusals.append(refusal)

    def confirm(self) -> None:
        """Wait for the broker's answer to each record that was sent."""
        for line, future in self.sent:
            try:
                future.get(timeout=60)
            except MessageSizeTooLargeError as error:
                self.refuse(line, f"too large for the broker ({error}); raise max.message.bytes of mentions.raw")
            else:
                self.accepted += 1
        self.sent.clear()

    def result(self) -> IngestResult:
        return IngestResult(self.accepted, self._refused, tuple(self._refusals))


def _deliveries(
    lines: Iterable[bytes],
    channel: Channel | None,
    brand: str | None,
    clock: Callable[[], datetime],
    count: _Count,
) -> Iterator[tuple[int, str, RawDelivery]]:
    for number, line in payloads(lines) if channel else enumerate(lines, 1):
        if not line.strip():
            continue
        key = None
        try:
            if channel:
                delivery = native_delivery(line, channel, brand, clock())
            else:
                key, delivery = row_delivery(line, brand, clock)
        except LineRefused as refused:
            count.refuse(number, str(refused))
        else:
            yield number, key or key_of(delivery), delivery


def _too_large(size: int, settings: Settings) -> str:
    return (
        f"the delivery has {size:,} bytes, the limit is SILOFREI_MAX_DELIVERY_BYTES={settings.max_delivery_bytes}; "
        "split it, or raise the limit here, at the workers and at the topic"
    )


def _producer(settings: Settings) -> KafkaProducer:
    options = kafka_python_producer_options(settings, max_request_size=raw_record_bytes(settings))
    reach(settings)
    try:
        return KafkaProducer(**options)
    except KafkaError as error:
        raise unreachable(settings, error) from error
