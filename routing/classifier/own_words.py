"""What a company says of its own words, ready for the classifier.

A word or phrase that it gives to a label adds `PULL` to that label's log odds, once per text: enough to decide where
little else speaks, not enough to silence a text that clearly says something else.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from silofrei.routing.classifier.features import per_text
from silofrei.routing.classifier.hashing import Words, hashed
from silofrei.routing.classifier.lexicon import LABELS, Hits, Lexicon, Term, compile_lexicon
from silofrei.routing.classifier.text import Batch, Flags, Hashes
from silofrei.schemas.config import OwnWords
from silofrei.schemas.names import Language
from silofrei.schemas.settings import ConfigurationError

PULL = 4.0
"""Log odds: 1 to 1 becomes 55 to 1."""


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """A company's own words.

    Attributes:
        names: sorted hashes of the words that are passed over.
        terms: what speaks for a label, with 1 as the hint of that label.
    """

    names: Hashes
    terms: Lexicon | None

    def hits(self, texts: Batch, words: Words, english: Flags) -> Hits | None:
        """Where the company's terms stand; None where it has none."""
        return None if self.terms is None else self.terms.hits(texts, words, english, self.terms.named(words))


def vocabulary(words: OwnWords) -> Vocabulary:
    """The vocabulary of `[words]` in the configuration.

    Raises:
        ConfigurationError: a phrase has no word or too many.
    """
    terms: dict[str, Term] = {}
    for place, label in enumerate(LABELS):
        hint = tuple(int(number == place) for number in range(len(LABELS)))
        for phrase in words.of(label):
            terms[phrase] = Term(hint)
            try:
                compile_lexicon({Language.GERMAN: {phrase: terms[phrase]}})
            except ValueError as error:
                raise ConfigurationError(f"[words] {label.value}: {error}") from None
    both = {Language.GERMAN: terms, Language.ENGLISH: terms}
    return Vocabulary(hashed("\n".join(words.names)), compile_lexicon(both) if terms else None)


def pull(texts: Batch, hits: Hits) -> NDArray[np.float64]:
    """(texts, labels) what the company's terms add to the log odds."""
    said = per_text(texts.token_text[hits.token], hits.hints, texts.size) > 0
    return np.where(said, PULL, 0.0)
