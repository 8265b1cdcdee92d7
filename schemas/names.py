"""The closed vocabularies: channels, labels, states, outcomes and reasons.

Metric labels come from here or from the configured departments, never from data.
"""

from enum import IntEnum, StrEnum


class Channel(StrEnum):
    """Where a mention was published; each has a parser in streams/channels."""

    FACEBOOK = "facebook"
    INSTAGRAM = "instagram"
    X = "x"
    MASTODON = "mastodon"
    TRUSTPILOT = "trustpilot"
    CLOUDEVENTS = "cloudevents"


class MentionKind(StrEnum):
    """What sort of text it is on its channel."""

    POST = "post"
    COMMENT = "comment"
    MESSAGE = "message"
    REVIEW = "review"
    ARTICLE = "article"


class Label(StrEnum):
    """What the classifier tells apart; `none` means that nobody has to act."""

    SERVICE = "service"
    SALES = "sales"
    HR = "hr"
    PR = "pr"
    NONE = "none"


TRIAGE = "triage"
"""The queue for what the classifier is unsure about."""


class Language(StrEnum):
    """The languages that the product works in; `other` is everything else, `und` is no language at all."""

    GERMAN = "de"
    ENGLISH = "en"
    OTHER = "other"
    UNDETERMINED = "und"


class Sentiment(StrEnum):
    """The author's mood towards what the text is about, as a reader at the company takes it."""

    NEGATIVE = "negative"
    NEUTRAL = "neutral"
    POSITIVE = "positive"


class Priority(IntEnum):
    """Urgency of a ticket, most urgent first."""

    CRITICAL = 0
    HIGH = 1
    NORMAL = 2
    LOW = 3


class TicketStatus(StrEnum):
    """Where a ticket is in its life."""

    WAITING = "waiting"
    CLAIMED = "claimed"
    RESOLVED = "resolved"


class Outcome(StrEnum):
    """How a ticket ended."""

    ANSWERED = "answered"
    SOLVED = "solved"
    LEAD = "lead"
    APPLICATION = "application"
    NO_ACTION = "no_action"
    WITHDRAWN = "withdrawn"


class DiscardReason(StrEnum):
    """Why an accepted change opened no ticket; each is counted and kept as an event."""

    NOT_ACTIONABLE = "not_actionable"
    RULE = "rule"
    DELETED_FIRST = "deleted_first"


class DeadLetterReason(StrEnum):
    """Why a delivery or one of its mentions could not be processed."""

    BROKEN_ENVELOPE = "broken_envelope"
    UNKNOWN_BRAND = "unknown_brand"
    UNKNOWN_CHANNEL = "unknown_channel"
    BROKEN_BODY = "broken_body"
    MISSING_FIELD = "missing_field"
    INVALID_FIELD = "invalid_field"
    TEXT_TOO_LONG = "text_too_long"
    INVALID_UNICODE = "invalid_unicode"
    INVALID_TIME = "invalid_time"
    REFUSED = "refused"


class Durability(StrEnum):
    """When Redis counts a write as safe (docs/decisions has what each costs)."""

    EVERYSEC = "everysec"
    ALWAYS = "always"
    WAITAOF = "waitaof"
