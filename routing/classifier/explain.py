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
    sizes = texts.token_ends - texts.token_starts
    strong = np.flatnonzero((weight >= LEAST) & (sizes <= LONGEST))
    owner = texts.token_text[strong]
    # Strongest first within each text; of each, the first few are kept.
    ranked = np.lexsort((-weight[strong], owner))
    rank = np.arange(len(ranked)) - np.searchsorted(owner[ranked], owner[ranked])
    kept = np.sort(strong[ranked[rank < MOST]])

    found: list[list[Evidence]] = [[] for _ in range(texts.size)]
    text_of = texts.token_text[kept]
    begins = (texts.token_starts[kept] - texts.starts[text_of]).tolist()
    ends = (texts.token_ends[kept] - texts.starts[text_of]).tolist()
    for number, begin, end, amount in zip(text_of.tolist(), begins, ends, weight[kept].tolist(), strict=True):
        start, stop = folded[number].original(begin), folded[number].original(end)
        found[number].append(
            Evidence(
                start=start,
                end=stop,
                text=originals[number][start:stop],
                label=LABELS[best[number]],
                weight=round(amount, 3),
            )
        )
    return [tuple(spans) for spans in found]
