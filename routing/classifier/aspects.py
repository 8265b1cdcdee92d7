"""What else a text tells: the author's mood, whether somebody must look today, and which other departments it concerns.

Owns: these probabilities, from the features of a text and from what the model of the departments makes of it. Refuses:
the department itself (model.py), thresholds, and training (train_aspects.py).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from silofrei.routing.classifier.features import Features, per_text
from silofrei.routing.classifier.lexicon import LABELS
from silofrei.routing.classifier.text import Batch
from silofrei.schemas.names import Label, Sentiment

MOODS = tuple(Sentiment)
OTHERS = tuple(label for label in LABELS if label is not Label.NONE)
"""Departments that may have to see what another one answers."""
MOOD = slice(0, len(MOODS))
URGENT = len(MOODS)
SEES = slice(URGENT + 1, URGENT + 1 + len(OTHERS))
ASPECTS = SEES.stop
"""Columns: the moods, urgency, and each department that should see it too."""
LEAST_CHANCE = np.exp(-8.0)
SCALE = 0.3
"""Of the logarithms of the departments' chances, to stand beside the dense figures."""

Figures = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Aspects:
    """What was learned of the aspects; each array has a column for each.

    Attributes:
        words: (word buckets, aspects) weight of each word, shared among a text's words as naive Bayes' odds are.
        dense: (dense figures, aspects).
        chances: (labels, aspects) weights of the logarithms of the departments' chances.
        bias: (aspects,).
    """

    words: NDArray[np.float32]
    dense: NDArray[np.float32]
    chances: NDArray[np.float32]
    bias: NDArray[np.float32]

    def probabilities(self, texts: Batch, features: Features, chances: Figures) -> Figures:
        """(texts, aspects) the moods' probabilities, which sum to 1, and of each other aspect its own.

        Args:
            texts: the batch.
            features: of it.
            chances: (texts, labels) of the departments.
        """
        counts = np.maximum(np.bincount(texts.token_text, minlength=texts.size), 1)
        sums = per_text(texts.token_text, self.words[features.whole], texts.size) / np.sqrt(counts)[:, None]
        # Not a matrix product, which would add up in another order in a batch of another size.
        sums = sums + np.einsum("tf,fa->ta", features.dense, self.dense)
        sums += np.einsum("tl,la->ta", log_chances(chances), self.chances) + self.bias
        found = np.empty(sums.shape)
        moods = np.exp(sums[:, MOOD] - sums[:, MOOD].max(axis=1, keepdims=True))
        found[:, MOOD] = moods / moods.sum(axis=1, keepdims=True)
        found[:, URGENT:] = 1 / (1 + np.exp(-np.clip(sums[:, URGENT:], -30, 30)))
        return found


def log_chances(chances: Figures) -> Figures:
    """(texts, labels) the departments' chances as the aspects see them."""
    return np.log(np.maximum(chances, LEAST_CHANCE)) * SCALE
