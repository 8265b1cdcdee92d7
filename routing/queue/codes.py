"""The integer codes that the Lua scripts answer with, and the errors that they become.

`lua/*.lua` use these numbers; tests/contract/test_queue_codes.py holds the two together.
"""

from enum import IntEnum


class ApplyCode(IntEnum):
    """What became of one effect."""

    OPENED = 1
    """A new ticket stands in a queue."""
    APPENDED = 2
    """The mention joined the open ticket of its thread."""
    DISCARDED = 3
    """Nobody has to act; kept as an event."""
    EDITED = 4
    """The stored mention is the new version now."""
    DELETED = 5
    """The stored mention has lost its text, or a mention that never came is marked as deleted."""
    DUPLICATE = 6
    """Applied before, or older than what is stored; nothing changed."""


class RefusalCode(IntEnum):
    """Why a transition or a call was refused; negative, so that no reply can be taken for an `ApplyCode`."""

    NOT_FOUND = -1
    NOT_CLAIMED = -2
    WRONG_TOKEN = -3
    LEASE_EXPIRED = -4
    ALREADY_RESOLVED = -5
    TAKEN = -6
    UNKNOWN_DEPARTMENT = -7
    OTHER_DEPARTMENT = -8
    SAME_DEPARTMENT = -9
    EPOCH_MISSING = -10
    BAD_ARGUMENT = -11
    REJECTED = -12
    """Redis itself refused the script for a reason that repeating cannot mend, such as a key of a foreign type."""


class Unavailable(Exception):  # noqa: N818  # it names the state of the world, as DESIGN.md does
    """Redis is away, slow, loading, read-only or full: nothing is known to be lost, repeat the same call later."""


class Refused(Exception):  # noqa: N818  # as above
    """The queue refuses the call; repeating it cannot help. The message is a sentence for a person.

    Attributes:
        code: why.
    """

    def __init__(self, code: RefusalCode, sentence: str) -> None:
        super().__init__(sentence)
        self.code = code


class EpochMissing(Exception):  # noqa: N818  # as above
    """Redis has lost its data (or never had any): nothing may be applied until the state is rebuilt or begun."""
