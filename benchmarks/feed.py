"""What the benchmarks send: the demo's texts as posts on X, each with an id of its own, so that none is a repeat."""

import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import cycle, islice

from silofrei.deploy.demo.feed import rows
from silofrei.schemas.delivery import RawDelivery


def deliveries(count: int, start: datetime) -> Iterator[tuple[bytes, bytes]]:
    """Key and value of `count` records for mentions.raw, one mention each.

    Args:
        count: how many.
        start: when the first was published; the others follow a millisecond apart.
    """
    texts = [row.text for row in rows() if row.is_mention and row.text]
    for number, text in enumerate(islice(cycle(texts), count)):
        at = start + timedelta(milliseconds=number)
        author = f"{number % 5000}"
        post = {
            "id": f"{9_000_000 + number}",
            "author_id": author,
            "text": text,
            "created_at": at.strftime("%Y-%m-%dT%H:%M:%S.000Z"),
            "conversation_id": f"{9_000_000 + number}",
            "public_metrics": {"like_count": 1, "reply_count": 0, "retweet_count": 0, "impression_count": 20},
        }
        user = {"id": author, "username": f"user{author}", "name": "A. B.", "public_metrics": {"followers_count": 80}}
        body = {
            "data": {
                "event_uuid": f"{number}",
                "event_type": "post.mention.create",
                "filter": {"keyword": "@nordwind"},
                "tag": "mentions",
                "payload": post,
                "includes": {"users": [user]},
            }
        }
        delivery = RawDelivery(
            delivery_id=f"bench-{number}",
            brand="demo",
            channel="x",
            connector="bench",
            received_at=at,
            body=json.dumps(body, ensure_ascii=False),
        )
        yield author.encode(), delivery.model_dump_json().encode()
