"""The channels' parsers: from a native delivery to mention changes.

Owns: one module per channel and what a parser is. Refuses: Kafka, decisions and the network; a parser sees one
delivery and nothing else. `PARSERS` in `registry.py` names the parser of each channel.
"""

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from silofrei.schemas.delivery import RawDelivery
from silofrei.schemas.mention import MentionChange
from silofrei.schemas.names import DeadLetterReason


class InvalidMention(Exception):  # noqa: N818 - the design's word for it: one of the two kinds of failure
    """A delivery, or one mention of it, that no retry will make readable; it becomes a dead letter.

    Args:
        reason: what kind of mistake it is.
        detail: what is wrong and what to do, for a person.
        field: path of the field at fault, such as `entry[0].changes[0].value.message`.
    """

    def __init__(self, reason: DeadLetterReason, detail: str, field: str | None = None) -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = detail
        self.field = field


class Item(NamedTuple):
    """One native event of a delivery and its path in the payload, such as `entry[0].changes[1]`."""

    path: str
    value: object


class NotAMention(NamedTuple):
    """A native event that says nothing (a like, a receipt): counted, not stored."""

    what: str


class Parser(Protocol):
    """Reads the native deliveries of one channel."""

    def split(self, payload: object, delivery: RawDelivery) -> Sequence[Item]:
        """The native events in a delivery's payload, in their order.

        Raises:
            InvalidMention: the delivery as a whole is not what the channel sends.
        """

    def change(self, item: Item, delivery: RawDelivery) -> MentionChange | NotAMention:
        """The mention change that one native event stands for.

        Raises:
            InvalidMention: this event cannot be read; its neighbours may.
        """
