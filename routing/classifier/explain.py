"""Which words decided: the strongest words of a text for its best label, as spans of the original text."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from silofrei.routing.classifier.lexicon import LABELS
from silofrei.routing.classifier.text import Batch, Folded
from silofrei.schemas.classification import Evidence

MOST = 4
"""Spans per text."""
LONGEST = 60
"""Longest word, in characters, that is shown; what is longer is no word."""
LEAST = 0.1
"""Smallest weight, in log odds, that counts as a reason."""


def evidence(
    texts: Batch,
    folded: Sequence[Folded],
    originals: Sequence[str],
    parts: NDArray[np.float32],
    best: NDArray[np.intp],
) -> list[tuple[Evidence, ...]]:
    """The words that spoke most for each text's best label, in the order of the text.

    Args:
        texts: the batch.
        folded: its texts, for the way back.
        originals: the texts as they came.
        parts: (words, labels) what each word gives to the logits.
        best: (texts,) the best label of each text.
    """
    label = best[texts.token_text]
    size = len(LABELS)
    own = parts[np.arange(len(parts)), label]
    # Against the mean of the other labels: what a word gives to all of them decides nothing.
    weight = own - (parts.sum(axis=1) - own) / (size - 1)
    bounds = np.searchsorted(texts.token_text, np.arange(texts.size + 1))
    found = []
    for number in range(texts.size):
        first, last = int(bounds[number]), int(bounds[number + 1])
        here = weight[first:last]
        short = texts.token_ends[first:last] - texts.token_starts[first:last] <= LONGEST
        strong = np.flatnonzero((here >= LEAST) & short)
        if len(strong) > MOST:
            strong = np.sort(strong[np.argpartition(-here[strong], MOST)[:MOST]])
        spans = []
        for token in (strong + first).tolist():
            begin = folded[number].original(int(texts.token_starts[token] - texts.starts[number]))
            end = folded[number].original(int(texts.token_ends[token] - texts.starts[number]))
            spans.append(
                Evidence(
                    start=begin,
                    end=end,
                    text=originals[number][begin:end].encode(errors="replace").decode(),
                    label=LABELS[int(best[number])],
                    weight=round(float(weight[token]), 3),
                )
            )
        found.append(tuple(spans))
    return found
