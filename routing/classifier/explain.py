"""Which words decided: what spoke most for a text's best label, as spans of the original text.

A word's weight is what it gives to the best label's logit above the mean of the others: its n-grams, itself, and its
hints. A phrase of the lexicon is one span. What belongs to no word (style, shares) is in the scores but not here.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from silofrei.routing.classifier.concepts import CONCEPTS
from silofrei.routing.classifier.features import HINTED, RANKS, SCALE, Features, per_text
from silofrei.routing.classifier.lexicon import LABELS, Hits
from silofrei.routing.classifier.own_words import PULL
from silofrei.routing.classifier.stored import Weights
from silofrei.routing.classifier.text import Batch, Folded, Places

MOST = 4
"""Spans per text."""
LONGEST = 80
"""Longest span, in characters; what is longer is no word."""
LEAST = 0.15
"""Smallest weight, in log odds, that counts as a reason."""

_BROKEN = re.compile("[\ud800-\udfff]")
"""A lone surrogate, which no JSON can carry; it may stand between the words of a phrase."""

Amounts = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Given:
    """What there is to explain.

    Attributes:
        texts: the batch.
        features: of it.
        positions: per label, the weight of what starts at each position.
        lengths: (texts,) by which the weights of a text's positions are divided.
        weights: of the model.
        best: (texts,) number of the best label.
        own: where the company's own terms stand.
    """

    texts: Batch
    features: Features
    positions: Sequence[NDArray[np.float32]]
    lengths: Amounts
    weights: Weights
    best: Places
    own: Hits | None


def evidence(given: Given, folded: Sequence[Folded], originals: Sequence[str]) -> list[tuple[dict[str, Any], ...]]:
    """The spans of each text that spoke most for its best label, in the order of the text.

    Args:
        given: what was found.
        folded: the texts of the batch, for the way back.
        originals: the texts as they came.

    Returns:
        Per text the fields of its `Evidence`.
    """
    texts = given.texts
    found: list[list[dict[str, Any]]] = [[] for _ in range(texts.size)]
    if len(texts.token_starts):
        first, last, weight = _spans(given)
        owner = texts.token_text[first]
        starts, ends = texts.token_starts[first], texts.token_ends[last]
        strong = np.flatnonzero((weight >= LEAST) & (ends - starts <= LONGEST))
        ranked = strong[np.lexsort((-weight[strong], owner[strong]))]
        rank = np.arange(len(ranked)) - np.searchsorted(owner[ranked], owner[ranked])
        kept = np.sort(ranked[rank < MOST])
        offset = texts.starts[owner[kept]]
        labels = [LABELS[label] for label in given.best.tolist()]
        for number, begin, end, amount in zip(
            owner[kept].tolist(),
            (starts[kept] - offset).tolist(),
            (ends[kept] - offset).tolist(),
            np.round(weight[kept], 3).tolist(),
            strict=True,
        ):
            start, stop = folded[number].original(begin), folded[number].original(end)
            shown = originals[number][start:stop]
            if shown.isascii() or not _BROKEN.search(shown):
                found[number].append(
                    {"start": start, "end": stop, "text": shown, "label": labels[number], "weight": amount}
                )
    return [tuple(spans) for spans in found]


def _spans(given: Given) -> tuple[Places, Places, Amounts]:
    """First and last word and weight of each span; every word is in one."""
    texts, hits = given.texts, given.features.hits
    label = given.best[texts.token_text]
    weight = _of_ngrams(given, label) + _of_words(given, label)
    hinted = _of_hints(given, label[hits.token])
    tokens, lasts = hits.token, hits.last
    if given.own is not None:
        tokens, lasts = np.concatenate((tokens, given.own.token)), np.concatenate((lasts, given.own.last))
        pulls = given.own.hints[np.arange(len(given.own.token)), label[given.own.token]] * PULL
        hinted = np.concatenate((hinted, pulls))
    weight += np.bincount(tokens, weights=hinted, minlength=len(weight))
    phrase = np.full(len(weight), -1)
    # Of overlapping phrases the longest makes the span.
    several = np.flatnonzero((lasts > tokens) & (hinted > 0))
    several = several[np.argsort(lasts[several] - tokens[several], kind="stable")]
    for number, start, last in zip(several.tolist(), tokens[several].tolist(), lasts[several].tolist(), strict=True):
        phrase[start : last + 1] = number
    begins = np.flatnonzero(np.concatenate(([True], (phrase[1:] < 0) | (phrase[1:] != phrase[:-1]))))
    ends = np.concatenate((begins[1:], [len(weight)])) - 1
    return begins, ends, np.add.reduceat(weight, begins)


def _of_ngrams(given: Given, label: Places) -> Amounts:
    """(words,) what each word's n-grams and itself give."""
    texts = given.texts
    # The stretch of each text from the space before it; the first border belongs to none.
    sizes = np.diff(texts.starts - 1, append=len(texts.codes))
    best = np.concatenate((given.best[:1], np.repeat(given.best, sizes)))
    positions = np.stack(given.positions)
    own = positions[best, np.arange(len(best))]
    margin = (own * len(LABELS) - positions.sum(axis=0)) / (len(LABELS) - 1)
    # An n-gram that begins with the character before a word belongs to the word. Every second sum is that of what
    # lies between two words.
    sums = np.add.reduceat(margin, np.stack((texts.token_starts - 1, texts.token_ends), axis=1).ravel())[::2]
    return np.asarray(sums / given.lengths[texts.token_text])


def _of_words(given: Given, label: Places) -> Amounts:
    """(words,) what each word gives through naive Bayes."""
    odds = _margins(given.weights.words[given.features.whole])
    words = np.bincount(given.texts.token_text, minlength=given.texts.size)
    own = odds[np.arange(len(label)), label]
    return np.asarray(own / np.sqrt(words)[given.texts.token_text], dtype=np.float64)


def _of_hints(given: Given, label: Places) -> Amounts:
    """(hits,) what each hit gives through the sums, through the largest hints and through its concepts."""
    texts, hits, size = given.texts, given.features.hits, len(LABELS)
    owner = texts.token_text[hits.token]
    words = np.maximum(np.bincount(texts.token_text, minlength=texts.size), 1)
    sums, peaks = _margins(given.weights.dense[:size]), _margins(given.weights.dense[size : 2 * size])
    total = (hits.hints * sums.T[label]).sum(axis=1) / np.sqrt(words)[owner]
    peak = (hits.hints > 0) & (hits.hints == given.features.largest[owner])
    ties = per_text(owner, peak, texts.size)
    total += (hits.hints * peak * peaks.T[label] / np.maximum(ties, 1)[owner]).sum(axis=1)
    # Concept 0 is none.
    concepts = _margins(np.pad(given.weights.dense[HINTED : HINTED + len(CONCEPTS)], ((1, 0), (0, 0))))
    total += (concepts[hits.concepts, label[:, None]] * RANKS).sum(axis=1) / np.sqrt(words)[owner]
    return np.asarray(total * SCALE, dtype=np.float64)


def _margins(weights: NDArray[np.float32]) -> NDArray[np.float32]:
    """(figures, labels) weight for each label above the mean of the others."""
    others = (weights.sum(axis=1, keepdims=True) - weights) / (len(LABELS) - 1)
    return np.asarray(weights - others, dtype=np.float32)
