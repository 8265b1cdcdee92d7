"""The sample feed's rows in the native shapes of the channels.

Owns: what Meta, X, Mastodon, Trustpilot and a sender of CloudEvents put on the wire. Refuses: times and batches
(feed.py decides them).
"""

import hashlib
import html
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from silofrei.deploy.demo.feed_rows import COMPANY, Row, person, root, target
from silofrei.schemas.names import Channel

PAGE = "104422334455"
INSTAGRAM = "17841400009988001"
X_USER = "1500000000000000001"
MASTODON = "109000000000000001"
_SOURCES = {
    "forum": "https://forum.nordwind.example",
    "press": "https://presse.monitor.example",
    "appstore": "https://apps.example/nordwind",
    "jobs": "https://arbeitgeber.example/nordwind",
    "campus": "https://campus.example/jobs",
}
_X_EPOCH = 1_288_834_974_657
_POST_LENGTH = 280
Json = dict[str, Any]


class Shapes:
    """Renders rows for one start of the feed; ids hang on the start, so that a later run is no repetition."""

    def __init__(self, start: datetime) -> None:
        self.start = start.astimezone(UTC)
        self._run = int(start.timestamp())

    def payload(self, group: Sequence[Row]) -> Any:
        """The native payload of one delivery that carries these rows, all of one channel."""
        channel = group[0].channel
        if channel in (Channel.FACEBOOK, Channel.INSTAGRAM):
            return self._meta(channel, group)
        if channel is Channel.TRUSTPILOT:
            return {"events": [self._review(row) for row in group]}
        if channel is Channel.CLOUDEVENTS:
            events = [self._event(row) for row in group]
            return events if len(events) > 1 else events[0]
        (row,) = group
        return self._x(row) if channel is Channel.X else self._toot(row)

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
            return hashlib.sha256(f"{self._run}.{row.order}".encode()).hexdigest()[:24]
        if row.channel is Channel.CLOUDEVENTS:
            return f"{row.kind}-{self._run}-{row.order}"
        number = f"{self._run}{row.order:04d}"
        if row.kind == "message":
            return f"m_{number}" if row.channel is Channel.FACEBOOK else f"aWdfZAG1{number}"
        if row.channel is Channel.INSTAGRAM:
            return f"179{number}"
        return f"{PAGE}_{number}" if row.kind == "post" else f"{_post(row).partition('_')[2]}_{number}"

    # --- Facebook and Instagram

    def _meta(self, channel: Channel, group: Sequence[Row]) -> Json:
        facebook = channel is Channel.FACEBOOK
        last = max(self.moment(row) for row in group)
        entry: Json = {"id": PAGE if facebook else INSTAGRAM, "time": int(last.timestamp())}
        if _about(group[0]).kind == "message":
            entry |= {"time": int(last.timestamp() * 1000), "messaging": [self._message(row) for row in group]}
        else:
            changes = [self._feed(row) if facebook else self._comment(row) for row in group]
            if len(changes) == 1 and not facebook and group[0].order % 2:
                entry |= changes[0]
            else:
                entry["changes"] = changes
        return {"object": "page" if facebook else "instagram", "entry": [entry]}

    def _feed(self, row: Row) -> Json:
        about = _about(row)
        comment = about.kind == "comment"
        author = {"id": PAGE, "name": "Nordwind"} if row.author == COMPANY else _named(about if row.text else row)
        value: Json = {
            "item": "comment" if comment else "status",
            "verb": "add",
            "post_id": _post(about),
            "from": author,
        }
        if comment:
            value["comment_id"] = self.native_id(about)
            answered = target(about)
            value["parent_id"] = self.native_id(answered) if answered else _post(about)
        else:
            value["post_id"] = self.native_id(about)
        if row.kind == "like":
            return {"field": "feed", "value": value | {"item": "reaction", "reaction_type": "like"}}
        if row.kind == "delete":
            return {"field": "feed", "value": value | {"verb": "remove"}}
        value |= {"message": row.text, "created_time": int(self.moment(about).timestamp())}
        if row.kind == "edit":
            value["verb"] = "edited"
        if "break" in row.marks:
            del value["comment_id"]
        return {"field": "feed", "value": value}

    def _comment(self, row: Row) -> Json:
        about = _about(row)
        author = {"id": INSTAGRAM, "username": "nordwind"} if row.author == COMPANY else _user(about)
        value: Json = {
            "id": self.native_id(about),
            "text": row.text,
            "from": author,
            "media": {"id": _post(about), "media_product_type": "REELS" if "reel" in about.marks["on"] else "FEED"},
        }
        answered = target(about)
        if answered:
            value["parent_id"] = self.native_id(answered)
        return {"field": "comments", "value": value}

    def _message(self, row: Row) -> Json:
        about = _about(row)
        page = PAGE if row.channel is Channel.FACEBOOK else INSTAGRAM
        customer = person(root(about)).number
        own = row.author == COMPANY
        event: Json = {
            "sender": {"id": page if own else customer},
            "recipient": {"id": customer if own else page},
            "timestamp": int(self.moment(row).timestamp() * 1000),
        }
        mid = self.native_id(about)
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
        message |= {"text": row.text} | ({"reply_to": {"mid": self.native_id(answered)}} if answered else {})
        return event | {"message": message | ({"is_echo": True} if own else {})}

    # --- X and Mastodon

    def _x(self, row: Row) -> Json:
        about = _about(row)
        own = row.author == COMPANY
        answered = target(about)
        first = self.native_id(about)
        current = self.native_id(row) if row.kind == "edit" else first
        author = person(about)
        author_id = X_USER if own else author.number
        user = {
            "id": author_id,
            "username": "nordwind" if own else author.handle,
            "name": "Nordwind" if own else author.name,
            "public_metrics": {"followers_count": 88_120 if own else author.followers},
        }
        kind = "post.create" if own else "post.reply.create" if answered else "post.mention.create"
        event: Json = {
            "event_uuid": str(-int(current) if row.order % 5 == 0 else int(current)),
            "filter": {"user_id": X_USER},
            "event_type": kind,
            "tag": "nordwind",
        }
        if row.kind == "like":
            return {
                "data": event | {"event_type": "like.create", "payload": {"id": first, "user_id": person(row).number}}
            }
        post: Json = {
            "id": current,
            "author_id": author_id,
            "edit_history_tweet_ids": sorted({first, current}, key=int),
        }
        if row.kind == "delete":
            users = {"users": [{"data": user}]}
            return {"data": event | {"event_type": "post.delete", "payload": post, "includes": users}}
        text = html.escape(row.text, quote=False)
        post |= {
            "text": text,
            "lang": "und" if row.marks.get("tag") == "-" else row.language,
            "created_at": _iso(self.moment(about)),
            "conversation_id": self.native_id(root(about)),
            "public_metrics": {"like_count": row.order % 17, "reply_count": row.order % 4, "retweet_count": 0},
        }
        if len(text) > _POST_LENGTH:
            post |= {"text": text[: _POST_LENGTH - 1] + "…", "note_tweet": {"text": text}}
        if answered:
            parent = self.native_id(answered)
            post |= {"in_reply_to_tweet_id": parent, "referenced_tweets": [{"type": "replied_to", "id": parent}]}
        # X leaves the author out of events about replies.
        return {"data": event | {"payload": post, "includes": {} if kind == "post.reply.create" else {"users": [user]}}}

    def _toot(self, row: Row) -> Json:
        about = _about(row)
        if row.kind == "delete":
            return {"event": "delete", "payload": self.native_id(about)}
        answered = target(about)
        author = person(about)
        url = f"https://{author.handle.rpartition('@')[2] or 'norden.example'}/@{author.handle.partition('@')[0]}"
        status: Json = {
            "id": self.native_id(about),
            "uri": f"{url}/statuses/{self.native_id(about)}",
            "url": f"{url}/{self.native_id(about)}",
            "created_at": _iso(self.moment(about)),
            "edited_at": _iso(self.moment(row)) if row.kind == "edit" else None,
            "in_reply_to_id": self.native_id(answered) if answered else None,
            "visibility": "public",
            "spoiler_text": "",
            "language": None if row.marks.get("tag") == "-" else row.language,
            "content": _markup(row.text),
            "account": {
                "id": author.number,
                "acct": author.handle,
                "display_name": author.name,
                "followers_count": author.followers,
            },
            "media_attachments": [],
            "favourites_count": row.order % 9,
            "replies_count": 0,
            "reblogs_count": row.order % 3,
        }
        if row.kind == "edit":
            return {"event": "status.update", "payload": status}
        kind = "favourite" if row.kind == "like" else "mention"
        noted = {"id": str(row.order), "type": kind, "created_at": _iso(self.moment(row)), "status": status}
        return {"event": "notification", "payload": noted}

    # --- Reviews and CloudEvents

    def _review(self, row: Row) -> Json:
        about = _about(row)
        if row.kind == "delete":
            return {"eventName": "service-review-deleted", "version": "1", "eventData": {"id": self.native_id(about)}}
        title, _, text = row.text.partition("\n\n")
        review = {
            "id": self.native_id(about),
            "language": row.language,
            "title": title,
            "text": text,
            "referenceId": f"NW-{10_000 + about.order}",
            "stars": 11 if "break" in row.marks else int(row.marks["stars"]),
            "createdAt": _iso(self.moment(about)),
            "isVerified": True,
            "consumer": {"id": person(about).number, "name": about.author},
        }
        if row.kind == "edit":
            return {
                "eventName": "service-review-updated",
                "version": "1",
                "eventData": review | {"updatedAt": _iso(self.moment(row))},
            }
        return {"eventName": "service-review-created", "version": "1", "eventData": review}

    def _event(self, row: Row) -> Json:
        about = _about(row)
        change = {"edit": "edited", "delete": "deleted"}.get(row.kind, "created")
        event: Json = {
            "specversion": "1.0",
            "type": f"silofrei.mention.{change}",
            "source": _SOURCES[about.marks["source"]],
            "id": f"{self._run}-{row.order}",
            "time": _iso(self.moment(row)),
            "datacontenttype": "application/json",
        }
        if row.kind == "delete":
            return event | {"data": {"id": self.native_id(about)}}
        author = person(about)
        data: Json = {
            "id": self.native_id(about),
            "kind": about.kind,
            "text": row.text,
            "author": {"id": author.number, "handle": author.handle, "followers": author.followers},
            "created_at": _iso(self.moment(about)),
            "language": row.language,
        }
        if "stars" in row.marks:
            data["rating"] = int(row.marks["stars"])
        answered = target(about)
        if answered:
            data |= {"thread": self.native_id(root(about)), "parent": self.native_id(answered)}
        return event | {"data": data}


def _about(row: Row) -> Row:
    """The mention that a row is about: itself, or the one that it changes."""
    changed = target(row)
    return changed if changed is not None and row.kind in ("edit", "delete", "like", "read", "react") else row


def _post(row: Row) -> str:
    """Id of the company's post or film under which a comment stands."""
    name = root(row).marks.get("on", "")
    number = int.from_bytes(hashlib.sha256(name.encode()).digest()[:5], "big")
    return f"{PAGE}_{number}" if row.channel is Channel.FACEBOOK else f"180{number}"


def _named(row: Row) -> Json:
    return {"id": person(row).number, "name": row.author}


def _user(row: Row) -> Json:
    return {"id": person(row).number, "username": row.author}


def _iso(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"


def _markup(text: str) -> str:
    account = (
        '<span class="h-card" translate="no"><a href="https://norden.example/@nordwind" class="u-url mention">'
        "@<span>nordwind</span></a></span>"
    )
    paragraphs = html.escape(text, quote=False).replace("@nordwind", account).split("\n\n")
    return "".join(f"<p>{paragraph.replace(chr(10), '<br />')}</p>" for paragraph in paragraphs)
