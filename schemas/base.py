"""What every contract has in common: frozen, closed, versioned, with moments in UTC."""

from datetime import UTC, datetime
from typing import Annotated

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, StringConstraints

EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)
"""No social channel is older; an earlier moment is a broken clock or an unset field."""


class Contract(BaseModel):
    """A frozen record that refuses fields it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_bytes="base64", val_json_bytes="base64")


def _utc(moment: datetime) -> datetime:
    try:
        moment = moment.astimezone(UTC)
    except OverflowError:  # the edge of year 1 or 9999, in a zone that crosses it
        raise ValueError("is out of range; send the time the author posted, in UTC") from None
    if moment < EARLIEST:
        raise ValueError(f"is before {EARLIEST:%Y-%m-%d}; send the time the author posted, in UTC")
    return moment


Moment = Annotated[AwareDatetime, AfterValidator(_utc)]
"""A moment in UTC, not before 2000; a value without a time zone is refused."""

BrandName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]{0,39}$")]
"""Name of a brand; it becomes the Redis hash tag, so only letters, digits and hyphens."""

DepartmentName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]{0,29}$")]
"""Name of a department's queue; it becomes a topic name and a metric label."""

Identifier = Annotated[str, StringConstraints(min_length=1, max_length=512, pattern=r"^[^\s\x00-\x1f]+$")]
"""An id without white space or control characters."""
