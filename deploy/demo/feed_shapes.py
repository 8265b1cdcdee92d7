"""The sample feed's rows in the native shapes of the channels.

Owns: what X, Mastodon, Trustpilot and a sender of CloudEvents put on the wire; feed_meta.py has Facebook and Instagram.
Refuses: times and batches (feed.py decides them).
"""

import html
from collections.abc import Sequence
from typing import Any

from silofrei.deploy.demo.feed_ids import X_USER, Ids, about_of, iso
from silofrei.deploy.demo.feed_meta import Json, meta_payload
from silofrei.deploy.demo.feed_rows import COMPANY, Row, person, root, target
from silofrei.schemas.names import Channel

_SOURCES = {
    "forum": "https://forum.nordwind.example",
    "press": "https://presse.monitor.example",
    "appstore": "https://apps.example/nordwind",
    "jobs": "https://arbeitgeber.example/nordwind",
    "campus": "https://campus.example/jobs",
}
_POST_LENGTH = 280


def payload(ids: Ids, group: Sequence[Row]) -> Any:
    """The native payload of one delivery that carries these rows, all of one channel."""
    channel = group[0].channel
    if channel in (Channel.FACEBOOK, Channel.INSTAGRAM):
        return meta_payload(ids, channel, group)
    if channel is Channel.TRUSTPILOT:
        return {"events": [_review(ids, row) for row in group]}
    if channel is Channel.CLOUDEVENTS:
        events = [_event(ids, row) for row in group]
        return events if len(events) > 1 else events[0]
    (row,) = group
    return _x(ids, row) if channel is Channel.X else _toot(ids, row)


def _x(ids: Ids, row: Row) -> Json:
    about = about_of(row)
    own = row.author == COMPANY
    answered = target(about)
    first = ids.native_id(about)
    current = ids.native_id(row) if row.kind == "edit" else first
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
        return {"data": event | {"event_type": "like.create", "payload": {"id": first, "user_id": person(row).number}}}
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
        "created_at": iso(ids.moment(about)),
        "conversation_id": ids.native_id(root(about)),
        "public_metrics": {"like_count": row.order % 17, "reply_count": row.order % 4, "retweet_count": 0},
    }
    if len(text) > _POST_LENGTH:
        post |= {"text": text[: _POST_LENGTH - 1] + "…", "note_tweet": {"text": text}}
    if answered:
        parent = ids.native_id(answered)
        post |= {"in_reply_to_tweet_id": parent, "referenced_tweets": [{"type": "replied_to", "id": parent}]}
    # X leaves the author out of events about replies.
    return {"data": event | {"payload": post, "includes": {} if kind == "post.reply.create" else {"users": [user]}}}


def _toot(ids: Ids, row: Row) -> Json:
    about = about_of(row)
    if row.kind == "delete":
        return {"event": "delete", "payload": ids.native_id(about)}
    answered = target(about)
    author = person(about)
    url = f"https://{author.handle.rpartition('@')[2] or 'norden.example'}/@{author.handle.partition('@')[0]}"
    status: Json = {
        "id": ids.native_id(about),
        "uri": f"{url}/statuses/{ids.native_id(about)}",
        "url": f"{url}/{ids.native_id(about)}",
        "created_at": iso(ids.moment(about)),
        "edited_at": iso(ids.moment(row)) if row.kind == "edit" else None,
        "in_reply_to_id": ids.native_id(answered) if answered else None,
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
    noted = {"id": str(row.order), "type": kind, "created_at": iso(ids.moment(row)), "status": status}
    return {"event": "notification", "payload": noted}


def _review(ids: Ids, row: Row) -> Json:
    about = about_of(row)
    if row.kind == "delete":
        return {"eventName": "service-review-deleted", "version": "1", "eventData": {"id": ids.native_id(about)}}
    title, _, text = row.text.partition("\n\n")
    review = {
        "id": ids.native_id(about),
        "language": row.language,
        "title": title,
        "text": text,
        "referenceId": f"NW-{10_000 + about.order}",
        "stars": 11 if "break" in row.marks else int(row.marks["stars"]),
        "createdAt": iso(ids.moment(about)),
        "isVerified": True,
        "consumer": {"id": person(about).number, "name": about.author},
    }
    if row.kind == "edit":
        return {
            "eventName": "service-review-updated",
            "version": "1",
            "eventData": review | {"updatedAt": iso(ids.moment(row))},
        }
    return {"eventName": "service-review-created", "version": "1", "eventData": review}


def _event(ids: Ids, row: Row) -> Json:
    about = about_of(row)
    change = {"edit": "edited", "delete": "deleted"}.get(row.kind, "created")
    event: Json = {
        "specversion": "1.0",
        "type": f"silofrei.mention.{change}",
        "source": _SOURCES[about.marks["source"]],
        "id": f"{ids.run}-{row.order}",
        "time": iso(ids.moment(row)),
        "datacontenttype": "application/json",
    }
    if row.kind == "delete":
        return event | {"data": {"id": ids.native_id(about)}}
    author = person(about)
    data: Json = {
        "id": ids.native_id(about),
        "kind": about.kind,
        "text": row.text,
        "author": {"id": author.number, "handle": author.handle, "followers": author.followers},
        "created_at": iso(ids.moment(about)),
        "language": row.language,
    }
    if "stars" in row.marks:
        data["rating"] = int(row.marks["stars"])
    answered = target(about)
    if answered:
        data |= {"thread": ids.native_id(root(about)), "parent": ids.native_id(answered)}
    return event | {"data": data}


def _markup(text: str) -> str:
    account = (
        '<span class="h-card" translate="no"><a href="https://norden.example/@nordwind" class="u-url mention">'
        "@<span>nordwind</span></a></span>"
    )
    paragraphs = html.escape(text, quote=False).replace("@nordwind", account).split("\n\n")
    return "".join(f"<p>{paragraph.replace(chr(10), '<br />')}</p>" for paragraph in paragraphs)
