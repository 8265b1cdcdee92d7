"""The sample feed's rows as Facebook and Instagram send them."""

from collections.abc import Sequence
from typing import Any

from silofrei.deploy.demo.feed_ids import INSTAGRAM, PAGE, Ids, about_of, post_of
from silofrei.deploy.demo.feed_rows import COMPANY, Row, person, root, target
from silofrei.schemas.names import Channel

Json = dict[str, Any]


def meta_payload(ids: Ids, channel: Channel, group: Sequence[Row]) -> Json:
    """One delivery of Meta's webhooks that carries these rows."""
    facebook = channel is Channel.FACEBOOK
    last = max(ids.moment(row) for row in group)
    entry: Json = {"id": PAGE if facebook else INSTAGRAM, "time": int(last.timestamp())}
    if about_of(group[0]).kind == "message":
        entry |= {"time": int(last.timestamp() * 1000), "messaging": [_message(ids, row) for row in group]}
    else:
        changes = [_feed(ids, row) if facebook else _comment(ids, row) for row in group]
        if len(changes) == 1 and not facebook and group[0].order % 2:
            entry |= changes[0]
        else:
            entry["changes"] = changes
    return {"object": "page" if facebook else "instagram", "entry": [entry]}


def _feed(ids: Ids, row: Row) -> Json:
    about = about_of(row)
    comment = about.kind == "comment"
    author = {"id": PAGE, "name": "Nordwind"} if row.author == COMPANY else _named(about if row.text else row)
    value: Json = {
        "item": "comment" if comment else "status",
        "verb": "add",
        "post_id": post_of(about),
        "from": author,
    }
    if comment:
        value["comment_id"] = ids.native_id(about)
        answered = target(about)
        value["parent_id"] = ids.native_id(answered) if answered else post_of(about)
    else:
        value["post_id"] = ids.native_id(about)
    if row.kind == "like":
        return {"field": "feed", "value": value | {"item": "reaction", "reaction_type": "like"}}
    if row.kind == "delete":
        return {"field": "feed", "value": value | {"verb": "remove"}}
    value |= {"message": row.text, "created_time": int(ids.moment(about).timestamp())}
    if row.kind == "edit":
        value["verb"] = "edited"
    if "break" in row.marks:
        del value["comment_id"]
    return {"field": "feed", "value": value}


def _comment(ids: Ids, row: Row) -> Json:
    about = about_of(row)
    author = {"id": INSTAGRAM, "username": "nordwind"} if row.author == COMPANY else _user(about)
    value: Json = {
        "id": ids.native_id(about),
        "text": row.text,
        "from": author,
        "media": {"id": post_of(about), "media_product_type": "REELS" if "reel" in about.marks["on"] else "FEED"},
    }
    answered = target(about)
    if answered:
        value["parent_id"] = ids.native_id(answered)
    return {"field": "comments", "value": value}


def _message(ids: Ids, row: Row) -> Json:
    about = about_of(row)
    page = PAGE if row.channel is Channel.FACEBOOK else INSTAGRAM
    customer = person(root(about)).number
    own = row.author == COMPANY
    event: Json = {
        "sender": {"id": page if own else customer},
        "recipient": {"id": customer if own else page},
        "timestamp": int(ids.moment(row).timestamp() * 1000),
    }
    mid = ids.native_id(about)
    if row.kind == "read":
        return event | {"read": {"watermark": event["timestamp"]}}
    if row.kind == "react":
        return event | {"reaction": {"mid": mid, "action": "react", "emoji": "👍"}}
    if row.kind == "edit":
        return event | {"message_edit": {"mid": mid, "text": row.text, "num_edit": "1"}}
    message: Json = {"mid": mid}
    if row.kind == "delete":
        return event | {"message": message | {"is_deleted": True}}
    answered = target(about)
    message |= {"text": row.text} | ({"reply_to": {"mid": ids.native_id(answered)}} if answered else {})
    return event | {"message": message | ({"is_echo": True} if own else {})}


def _named(row: Row) -> Json:
    return {"id": person(row).number, "name": row.author}


def _user(row: Row) -> Json:
    return {"id": person(row).number, "username": row.author}
