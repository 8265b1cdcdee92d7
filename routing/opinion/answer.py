"""The answer of a model elsewhere, read with no trust in it.

Owns: what counts as an answer. Refuses: everything else, by raising `Unreadable`; nothing is guessed.
"""

import json
from collections.abc import Iterator
from typing import NamedTuple

from silofrei.schemas.names import Label

MOST_CHARS = 4_000
"""An answer is some thirty characters; one that is longer than this is none."""


class Unreadable(Exception):  # noqa: N818  # the model spoke, and not as it was asked to
    """What the model said is no answer; the message says why and never quotes it, since it may quote the text."""


class Opinion(NamedTuple):
    """One of our labels and how sure the other model says it is, 0 to 1."""

    label: Label
    confidence: float


def read_answer(said: str) -> Opinion:
    """The opinion in what a model said.

    Words and code fences around the JSON object are passed over. Several objects that say different things, as where
    the model repeats one out of the text, are no answer.

    Raises:
        Unreadable: there is no answer, it is no label of ours, or it is no number from 0 to 1.
    """
    if len(said) > MOST_CHARS:
        raise Unreadable(f"has more than {MOST_CHARS} characters")
    found = {_opinion(one) for one in _objects(said)}
    if not found:
        raise Unreadable("has no JSON object with label and confidence")
    if len(found) > 1:
        raise Unreadable("says several things")
    return found.pop()


def _objects(said: str) -> Iterator[dict[str, object]]:
    """The JSON objects in it that mean to be an answer, those within others left out."""
    decoder = json.JSONDecoder()
    start = said.find("{")
    while start >= 0:
        try:
            value, end = decoder.raw_decode(said, start)
        except (ValueError, RecursionError):
            end = start + 1
        else:
            if "label" in value:
                yield value
        start = said.find("{", end)


def _opinion(given: dict[str, object]) -> Opinion:
    label, confidence = given["label"], given.get("confidence")
    known = {one.value: one for one in Label}
    named = known.get(label.strip().lower()) if isinstance(label, str) else None
    if named is None:
        raise Unreadable("names none of the five labels")
    if isinstance(confidence, bool) or not isinstance(confidence, int | float):
        raise Unreadable("has no number as its confidence")
    # Also false for NaN, which Python's JSON knows.
    if not 0 <= confidence <= 1:
        raise Unreadable("has a confidence that is not from 0 to 1")
    return Opinion(named, float(confidence))
