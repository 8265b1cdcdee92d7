"""Deliveries that nobody can read, made at run time: what goes wrong on the wire, and the reason that it must get.

Owns: the ways to be broken. Refuses: anything that a parser could accept.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from silofrei.deploy.demo.feed_ids import Ids
from silofrei.deploy.demo.feed_rows import Row
from silofrei.deploy.demo.feed_shapes import payload as sound_payload
from silofrei.schemas.delivery import RawDelivery, wrap_body
from silofrei.schemas.names import DeadLetterReason

Envelope = Callable[[bytes], RawDelivery]
Poisoned = RawDelivery | bytes
_SIZE = 2_000_000

REASONS: Mapping[str, DeadLetterReason] = {
    "cut_off": DeadLetterReason.BROKEN_BODY,
    "latin1": DeadLetterReason.BROKEN_BODY,
    "not_a_number": DeadLetterReason.BROKEN_BODY,
    "no_envelope": DeadLetterReason.BROKEN_ENVELOPE,
    "half_envelope": DeadLetterReason.BROKEN_ENVELOPE,
    "unknown_channel": DeadLetterReason.UNKNOWN_CHANNEL,
    "unknown_brand": DeadLetterReason.UNKNOWN_BRAND,
    "no_author": DeadLetterReason.MISSING_FIELD,
    "other_event": DeadLetterReason.INVALID_FIELD,
    "year_one": DeadLetterReason.INVALID_TIME,
    "two_megabytes": DeadLetterReason.TEXT_TOO_LONG,
    "surrogate": DeadLetterReason.INVALID_UNICODE,
}
"""What `what=` of a poison row does, and the reason of the dead letter."""

BREAKS: Mapping[str, DeadLetterReason] = {
    "missing": DeadLetterReason.MISSING_FIELD,
    "stars": DeadLetterReason.INVALID_FIELD,
}
"""The same for `break=` of a mention inside a batch; its neighbours stay whole."""


def poison(row: Row, ids: Ids, envelope: Envelope) -> Poisoned:
    """The delivery of a poison row: an envelope, or bytes that are none.

    Args:
        row: names the way to be broken.
        ids: ids and times of the sound payload that is then broken.
        envelope: wraps a native body for this row.
    """
    what = row.marks["what"]
    payload = sound_payload(ids, [replace(row, kind="comment" if row.channel == "instagram" else "post", marks=_SOUND)])
    whole = envelope(json.dumps(payload).encode())
    if what == "no_envelope":
        return b"\x00\x17 not a delivery \xff\xfe"
    if what == "half_envelope":
        return json.dumps({key: one for key, one in whole.model_dump(mode="json").items() if key != "brand"}).encode()
    if what == "unknown_channel":
        return whole.model_copy(update={"channel": "threads"})
    if what == "unknown_brand":
        return whole.model_copy(update={"brand": "sturmvogel"})
    body, encoding = wrap_body(_broken_body(what, payload, row))
    return whole.model_copy(update={"body": body, "body_encoding": encoding})


_SOUND = {"on": "herbst", "source": "forum"}


def _broken_body(what: str, payload: Any, row: Row) -> bytes:
    if what == "no_author":
        del payload["data"]["payload"]["author_id"]
    elif what == "other_event":
        payload["type"] = "com.example.invoice.paid"
    elif what == "year_one":
        payload["payload"]["status"]["created_at"] = "0001-01-01T00:00:00.000Z"
    elif what == "two_megabytes":
        change = payload["entry"][0]["changes"][0]["value"]
        change["message"] = f"{row.text} " * (_SIZE // (len(row.text) + 1))
    elif what == "surrogate":
        payload["data"]["text"] = f"{row.text} \ud83d"
    elif what == "not_a_number":
        payload["entry"][0]["changes"][0]["value"]["created_time"] = float("nan")
    elif what == "latin1":
        return json.dumps(payload, ensure_ascii=False).encode("latin-1")
    whole = json.dumps(payload).encode()
    return whole[: len(whole) // 2] if what == "cut_off" else whole
