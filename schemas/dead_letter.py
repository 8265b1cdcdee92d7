"""DeadLetter: what could not be processed, where it came from and why, with the original bytes."""

from typing import Annotated, Literal

from pydantic import Field, TypeAdapter

from silofrei.schemas.base import Contract, Identifier, Moment
from silofrei.schemas.names import DeadLetterReason


class Origin(Contract):
    """Where in Kafka the delivery lies; `item` counts the mentions of a delivery from 0, None is the whole of it."""

    topic: str
    partition: Annotated[int, Field(ge=0)]
    offset: Annotated[int, Field(ge=0)]
    item: Annotated[int, Field(ge=0)] | None = None


class DeadLetter(Contract):
    """One delivery, or one mention of it, that needs a person.

    `dead_letter_id` is `topic/partition/offset[/item]`: written twice after a crash, it is still one dead letter.
    `value` holds the record as it lay in Kafka, byte for byte, in Base64. Where several mentions of one delivery are
    dead letters, the first carries the bytes and the others name it in `value_of`: a delivery of a thousand broken
    mentions must not be written a thousand times.
    """

    v: Literal[1] = 1
    type: Literal["dead-letter"] = "dead-letter"
    dead_letter_id: Identifier
    origin: Origin
    reason: DeadLetterReason
    field: str | None = None
    """Path of the field at fault, such as `entry[0].changes[0].value.message`."""
    detail: str
    """What is wrong and what to do, for a person."""
    brand: str | None = None
    channel: str | None = None
    at: Moment
    value: bytes
    value_of: Identifier | None = None
    """Id of the dead letter of the same record that carries its bytes; None where this one does."""


class DeadLetterRedriven(Contract):
    """A person sent a dead letter back into `mentions.raw`."""

    v: Literal[1] = 1
    type: Literal["redriven"] = "redriven"
    dead_letter_id: Identifier
    at: Moment
    repaired: bool


DeadLetterRecord = Annotated[DeadLetter | DeadLetterRedriven, Field(discriminator="type")]
DEAD_LETTER_RECORD: TypeAdapter[DeadLetterRecord] = TypeAdapter(DeadLetterRecord)
