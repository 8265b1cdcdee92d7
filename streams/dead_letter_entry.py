"""One dead letter as a person or a program reads it in a list."""

import json
from dataclasses import dataclass, replace

from silofrei.schemas.dead_letter import DeadLetter, DeadLetterRedriven
from silofrei.schemas.delivery import RawDelivery

_SHOWN = 65_536
"""Largest payload that a list carries, bytes; a larger one is read by itself."""


@dataclass(frozen=True, slots=True)
class DeadLetterEntry:
    """A dead letter in a list.

    Attributes:
        letter: the dead letter without the bytes of its record.
        size: bytes of the record; 0 where another letter of the same record carries them.
        body: the native payload where it is text and small; None otherwise.
        redriven: the last redrive; None while it waits for a person.
    """

    letter: DeadLetter
    size: int
    body: str | None
    redriven: DeadLetterRedriven | None = None

    def marked(self, redriven: DeadLetterRedriven) -> "DeadLetterEntry":
        """The same, redriven."""
        return replace(self, redriven=redriven)

    def as_text(self) -> str:
        """Some lines for people."""
        letter = self.letter
        source = "/".join(part for part in (letter.brand, letter.channel) if part) or "unknown source"
        lines = [f"{letter.dead_letter_id}  {letter.reason.value}  {source}  {letter.at:%Y-%m-%d %H:%M:%S} UTC"]
        lines.append(f"  {letter.field}: {letter.detail}" if letter.field else f"  {letter.detail}")
        if self.redriven:
            how = "repaired and redriven" if self.redriven.repaired else "redriven"
            lines.append(f"  {how} {self.redriven.at:%Y-%m-%d %H:%M:%S} UTC")
        return "\n".join(lines)

    def as_json(self) -> str:
        """One line for programs."""
        values = self.letter.model_dump(mode="json", exclude={"value", "v", "type"})
        values["size"] = self.size
        values["body"] = self.body
        values["redriven_at"] = self.redriven.at.isoformat() if self.redriven else None
        return json.dumps(values, ensure_ascii=False)


def entry_of(letter: DeadLetter) -> DeadLetterEntry:
    """The entry for `letter`; the bytes of its record are let go, a list may be long."""
    body = None
    if len(letter.value) <= _SHOWN:
        try:
            delivery = RawDelivery.model_validate_json(letter.value)
            body = delivery.body if delivery.body_encoding == "utf-8" else None
        except ValueError:
            body = letter.value.decode("utf-8", "replace") or None
    return DeadLetterEntry(letter.model_copy(update={"value": b""}), len(letter.value), body)
