"""RawDelivery: one native delivery of a channel, byte for byte, as it lies in `mentions.raw`."""

from base64 import b64decode, b64encode
from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from silofrei.schemas.base import BrandName, Contract, Identifier, Moment


class RawDelivery(Contract):
    """The envelope around one native delivery, which may hold many mentions.

    `body` is the native text when it is valid UTF-8 and Base64 otherwise (`body_encoding` says which), so that
    `raw_body()` gives the very bytes that the platform sent and signed.
    """

    v: Literal[1] = 1
    delivery_id: Identifier
    brand: BrandName
    channel: Annotated[str, StringConstraints(min_length=1, max_length=40)]
    """Name of the channel; a string rather than the enum, so that a delivery of a newer connector stays readable
    and is dead-lettered by name."""
    connector: Annotated[str, StringConstraints(min_length=1, max_length=80)]
    received_at: Moment
    content_type: str = "application/json"
    headers: dict[str, str] = Field(default_factory=dict)
    body: str
    body_encoding: Literal["utf-8", "base64"] = "utf-8"
    redrive_of: Identifier | None = None
    """Id of the dead letter that this delivery repairs."""

    def raw_body(self) -> bytes:
        """The native body as bytes.

        Raises:
            ValueError: `body` is declared as Base64 and is not.
        """
        if self.body_encoding == "base64":
            return b64decode(self.body, validate=True)
        return self.body.encode()


def wrap_body(body: bytes) -> tuple[str, Literal["utf-8", "base64"]]:
    """`body` and `body_encoding` for these bytes."""
    try:
        return body.decode(), "utf-8"
    except UnicodeDecodeError:
        return b64encode(body).decode(), "base64"
