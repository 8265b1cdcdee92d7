"""What the benchmarks send: the demo's texts as posts on X, each with an id of its own, so that none is a repeat."""

import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import cycle, islice
from typing import Any

from silofrei.deploy.demo.feed import rows
from silofrei.schemas.delivery import RawDelivery


def deliveries(
    count: int, start: datetime, per_delivery: int = 1, first: int = 0, apart: timedelta = timedelta(milliseconds=1)
) -> Iterator[tuple[bytes, bytes]]:
    """Key and value of the records for mentions.raw.

    Args:
        count: how many mentions.
        start: when the first was published.
        per_delivery: mentions in one record; the last may have fewer.
        first: number of the first, so that a later call brings no repeats.
        apart: time from one to the next.
    """
    texts = [row.text for row in rows() if row.is_mention and row.text]
    posts = enumerate(islice(cycle(texts), count), first)
    while group := list(islice(posts, per_delivery)):
        number = group[0][0]
        at = start + apart * (number - first)
        events = [event(one, text, start + apart * (one - first)) for one, text in group]
        yield f"{number % 5000}".encode(), delivery(f"bench-{number}", at, events).model_dump_json().encode()


def delivery(delivery_id: str, received_at: datetime, events: list[dict[str, Any]]) -> RawDelivery:
    """The envelope around events of X; one stands alone, several in a list."""
    body = {"data": events[0] if len(events) == 1 else events}
    return RawDelivery(
        delivery_id=delivery_id,
        brand="demo",
        channel="x",
        connector="bench",
        received_at=received_at,
        body=json.dumps(body, ensure_ascii=False),
    )


def event(number: int, text: str, at: datetime) -> dict[str, Any]:
    """A post as the X Activity API sends it, in a conversation of its own."""
    author = f"{number % 5000}"
    return {
        "event_uuid": f"{number}",
        "event_type": "post.mention.create",
        "filter": {"keyword": "@nordwind"},
        "tag": "mentions",
        "payload": {
            "id": f"{9_000_000 + number}",
            "author_id": author,
            "text": text,
            "created_at": at.isoformat(timespec="microseconds").replace("+00:00", "Z"),
            "conversation_id": f"{9_000_000 + number}",
            "public_metrics": {"like_count": 1, "reply_count": 0, "retweet_count": 0, "impression_count": 20},
        },
        "includes": {
            "users": [
                {
                    "id": author,
                    "username": f"user{author}",
                    "name": "A. B.",
                    "public_metrics": {"followers_count": 80},
                }
            ]
        },
    }
