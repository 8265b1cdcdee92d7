"""When the sample feed's rows happened and which ids the channels gave them.

Owns: ids, times and the company's own accounts. Refuses: payloads.
"""

import hashlib
from datetime import UTC, datetime, timedelta

from silofrei.deploy.demo.feed_rows import Row, root, target
from silofrei.schemas.names import Channel

PAGE = "104422334455"
INSTAGRAM = "17841400009988001"
X_USER = "1500000000000000001"
_X_EPOCH = 1_288_834_974_657


class Ids:
    """Ids and times for one start of the feed; they hang on the start, so that a later run is no repetition."""

    def __init__(self, start: datetime) -> None:
        self.start = start.astimezone(UTC)
        self.run = int(start.timestamp())

    def moment(self, row: Row) -> datetime:
        """When the row happened."""
        return self.start + timedelta(seconds=row.at)

    def native_id(self, row: Row) -> str:
        """The id that the channel gave the row."""
        milliseconds = int(self.moment(row).timestamp() * 1000)
        if row.channel is Channel.X:
            return str(((milliseconds - _X_EPOCH) << 22) | row.order)
        if row.channel is Channel.MASTODON:
            return str((milliseconds << 16) | row.order)
        if row.channel is Channel.TRUSTPILOT:
            return hashlib.sha256(f"{self.run}.{row.order}".encode()).hexdigest()[:24]
        if row.channel is Channel.CLOUDEVENTS:
            return f"{row.kind}-{self.run}-{row.order}"
        number = f"{self.run}{row.order:04d}"
        if row.kind == "message":
            return f"m_{number}" if row.channel is Channel.FACEBOOK else f"aWdfZAG1{number}"
        if row.channel is Channel.INSTAGRAM:
            return f"179{number}"
        return f"{PAGE}_{number}" if row.kind == "post" else f"{post_of(row).partition('_')[2]}_{number}"


def about_of(row: Row) -> Row:
    """The mention that a row is about: itself, or the one that it changes."""
    changed = target(row)
    return changed if changed is not None and row.kind in ("edit", "delete", "like", "read", "react") else row


def post_of(row: Row) -> str:
    """Id of the company's post or film under which a comment stands."""
    name = root(row).marks.get("on", "")
    number = int.from_bytes(hashlib.sha256(name.encode()).digest()[:5], "big")
    return f"{PAGE}_{number}" if row.channel is Channel.FACEBOOK else f"180{number}"


def iso(moment: datetime) -> str:
    """The time as X, Mastodon and Trustpilot write it."""
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"
