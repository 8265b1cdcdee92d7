"""Trains the packaged model: `python -m silofrei.routing.classifier.train [FOLDER]` (extra `train`).

The same corpus, lexicon and versions give the same model on the same machine. A tenth of the texts is never trained on;
the card beside the arrays says what the model reached there.
"""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import scipy.optimize
import scipy.sparse
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from threadpoolctl import threadpool_limits

from silofrei.routing.classifier.corpus_rows import Row, load_corpus
from silofrei.routing.classifier.evaluate import by_language
from silofrei.routing.classifier.features import BITS, WORD_BITS, Features, bayes, extract
from silofrei.routing.classifier.hashing import Words
from silofrei.routing.classifier.lexicon import LABELS, Lexicon, packaged_lexicon
from silofrei.routing.classifier.model import load_classifier
from silofrei.routing.classifier.stored import PACKAGED, Weights, read_card, write_card, write_model
from silofrei.routing.classifier.text import Batch, batch, fold
from silofrei.routing.classifier.train_aspects import train_aspects
from silofrei.routing.classifier.train_language import train_language
from silofrei.schemas.config import Thresholds
from silofrei.schemas.names import Language

VERSION = "2026.11"
STRENGTH = 2.0
"""Inverse of the penalty (docs/decisions/0004-classifier.md has what others reach)."""
LEAST_DOCUMENTS = 2
"""A bucket that fewer training texts have gets no weight."""
PARTS = 5
"""Parts of the corpus; each model of the mean leaves out one."""
LENGTHS = (6, 12, 20, 35, 60)
"""Words from which a text counts as of the next length."""
MOST_WEIGHT = 3.0
"""Of a text whose label is rare among texts of its language and length; the least is its inverse."""
SMOOTHING = 0.3
"""Texts that naive Bayes adds to each word and label."""
BAYES = 0.5
"""Share of naive Bayes' log odds in the sum."""
RESERVE = 80.0
"""How much a company's corrections must say before its shares of the labels count (decision 12 has others)."""
SEED = 7

Data: TypeAlias = Any
"""A sparse matrix; scipy ships no types."""
Labels = NDArray[np.intp]


def occurrences(texts: Batch, features: Features) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Text and bucket of every n-gram and word."""
    owner = np.searchsorted(texts.ends, np.arange(len(texts.codes)), side="right")
    rows, columns = [texts.token_text], [features.words]
    for grams in features.grams:
        here = np.flatnonzero(grams)
        rows.append(owner[here])
        columns.append(grams[here])
    return np.concatenate(rows), np.concatenate(columns).astype(np.intp)


def rarities(rows: NDArray[np.intp], columns: NDArray[np.intp], size: int) -> tuple[NDArray[np.float32], Labels]:
    """(buckets,) squared inverse document frequency as it is stored, and the buckets that get a weight."""
    pairs = np.unique(rows * (1 << BITS) + columns)
    documents = np.bincount(pairs % (1 << BITS), minlength=1 << BITS)
    squared = ((np.log((1 + size) / (1 + documents)) + 1) ** 2).astype(np.float16).astype(np.float32)
    squared[0] = 0
    used = np.flatnonzero(documents >= LEAST_DOCUMENTS)
    return squared, used[used > 0]


def matrix(rows: NDArray[np.intp], columns: NDArray[np.intp], rarity: NDArray[np.float32], size: int) -> Data:
    """(texts, buckets) rarity of each occurrence over the length of its text."""
    lengths = np.sqrt(np.maximum(np.bincount(rows, rarity[columns], size), 1e-6))
    values = np.sqrt(rarity[columns]) / lengths[rows]
    return scipy.sparse.csr_matrix((values.astype(np.float32), (rows, columns)), shape=(size, 1 << BITS))


def word_odds(texts: Batch, features: Features, labels: Labels, weights: NDArray[np.float64]) -> NDArray[np.float32]:
    """(word buckets, labels) log odds of naive Bayes over the words of the texts whose weight is not 0."""
    size = 1 << WORD_BITS
    # Bucket 0 is that of the words which are passed over.
    here = (weights[texts.token_text] > 0) & (features.whole > 0)
    pairs = np.unique(texts.token_text[here] * size + features.whole[here])
    owner, word = pairs // size, pairs % size
    cells = word * len(LABELS) + labels[owner]
    counts = np.bincount(cells, weights[owner], minlength=size * len(LABELS)).reshape(size, len(LABELS))
    seen = np.flatnonzero(counts.any(axis=1))
    chances = counts[seen] + SMOOTHING
    odds = np.log(chances / chances.sum(axis=0))
    table = np.zeros((size, len(LABELS)), dtype=np.float32)
    table[seen] = BAYES * (odds - odds.mean(axis=1, keepdims=True))
    return table


def fit(data: Data, labels: Labels, weights: NDArray[np.float64]) -> LogisticRegression:
    """The linear model."""
    model = LogisticRegression(C=STRENGTH, max_iter=300, tol=2e-3, class_weight="balanced")
    return model.fit(data, labels, sample_weight=weights)


def temperature(logits: NDArray[np.float64], labels: Labels) -> float:
    """What the logits must be divided by for the least log loss."""
    own = logits - logits.max(axis=1, keepdims=True)

    def loss(divisor: float) -> float:
        scaled = own / divisor
        return float((np.log(np.exp(scaled).sum(axis=1)) - scaled[np.arange(len(labels)), labels]).mean())

    return float(min(np.geomspace(0.25, 4, 200), key=loss))


def offset(logits: NDArray[np.float64], labels: Labels) -> NDArray[np.float64]:
    """(labels,) what fits logits (texts, labels) better to the shares of these labels, held back by `RESERVE`."""
    if not len(labels):
        return np.zeros(len(LABELS))
    own = logits - logits.max(axis=1, keepdims=True)
    counts = np.bincount(labels, minlength=len(LABELS))

    def loss(given: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        odds = np.exp(own + given)
        total = odds.sum(axis=1, keepdims=True)
        value = np.log(total).sum() - counts @ given + RESERVE / 2 * (given @ given)
        return float(value), (odds / total).sum(axis=0) - counts + RESERVE * given

    return np.asarray(scipy.optimize.minimize(loss, np.zeros(len(LABELS)), jac=True, method="L-BFGS-B").x)


def parts(rows: Sequence[Row]) -> Labels:
    """(rows,) which part of the corpus each row is in; texts of one origin are in one part.

    So what is learned from some writers is tried on others, as it will be. Few origins (a test, a company's own small
    corpus) are parted at random.
    """
    origins = sorted({row.origin for row in rows})
    if len(origins) < PARTS:
        return np.random.default_rng(SEED).permutation(len(rows)) % PARTS
    number = {origin: place % PARTS for place, origin in enumerate(origins)}
    return np.array([number[row.origin] for row in rows])


def evened(rows: Sequence[Row], labels: Labels) -> NDArray[np.float64]:
    """(rows,) weights that give the labels like shares among German and English, short and long texts.

    Most long texts of the corpus are news, for instance; without this, any long text would count as news.
    """
    sizes = np.array([len(row.text.split()) for row in rows])
    german = np.array([row.language is Language.GERMAN for row in rows])
    kinds = np.digitize(sizes, LENGTHS) * 2 + german
    weights = np.ones(len(rows))
    for kind in np.unique(kinds):
        for label in range(len(LABELS)):
            here = (kinds == kind) & (labels == label)
            even = (kinds == kind).sum() / len(LABELS)
            weights[here] = np.clip(even / max(here.sum(), 1), 1 / MOST_WEIGHT, MOST_WEIGHT)
    return weights


class Fitted(NamedTuple):
    """A model, and what it is worth on texts of others than those it learned from.

    Attributes:
        weights: of the model.
        apart: (rows, labels) logits of each row by the one model of the mean that was trained without its part.
    """

    weights: Weights
    apart: NDArray[np.float64]


def train(
    rows: Sequence[Row], lexicon: Lexicon, weights: Sequence[float] | None = None, corrections: int = 0
) -> Weights:
    """A model of these rows: the mean of models that each leave out a part of the corpus.

    Args:
        rows: the labelled texts.
        lexicon: the terms.
        weights: how much each row counts, 1 where they are left out.
        corrections: so many of the last rows are a company's own; the model leans towards the shares of their labels.
    """
    return train_apart(rows, lexicon, weights, corrections).weights


def train_apart(
    rows: Sequence[Row], lexicon: Lexicon, weights: Sequence[float] | None = None, corrections: int = 0
) -> Fitted:
    """As `train`, with what each row gets from a model that has not seen its part."""
    texts = batch([fold(row.text).text for row in rows])
    english = np.array([row.language is Language.ENGLISH for row in rows])
    features = extract(texts, Words(texts), lexicon, english)
    owners, columns = occurrences(texts, features)
    rarity, used = rarities(owners, columns, texts.size)
    data = scipy.sparse.hstack([matrix(owners, columns, rarity, texts.size)[:, used], features.dense]).tocsr()
    labels = np.array([LABELS.index(row.label) for row in rows])
    given = np.ones(len(rows)) if weights is None else np.asarray(weights, dtype=np.float64)
    counts = evened(rows, labels) * given

    part = parts(rows)
    logits = np.zeros((len(rows), len(LABELS)))
    found = []
    for number in range(PARTS):
        apart = part == number
        model = fit(data[~apart], labels[~apart], counts[~apart])
        odds = bayes(word_odds(texts, features, labels, np.where(apart, 0, given)), texts, features)
        logits[apart] = model.decision_function(data[apart]) + odds[apart]
        found.append(model)
    linear = np.mean([model.coef_.T for model in found], axis=0)

    divisor = temperature(logits, labels)
    own = slice(len(rows) - corrections, None)
    shift = offset(logits[own] / divisor, labels[own]) * divisor
    logits += shift
    scaled = np.exp((logits - logits.max(axis=1, keepdims=True)) / divisor)
    chances = scaled / scaled.sum(axis=1, keepdims=True)
    sparse = np.zeros((1 << BITS, len(LABELS)), dtype=np.float32)
    sparse[used] = linear[: len(used)] * np.sqrt(rarity[used])[:, None]
    made = Weights(
        sparse=sparse,
        rarity=rarity,
        words=word_odds(texts, features, labels, given),
        dense=linear[len(used) :].astype(np.float32),
        bias=(np.mean([model.intercept_ for model in found], axis=0) + shift).astype(np.float32),
        temperature=divisor,
        language=train_language(rows),
        lexicon=lexicon,
        aspects=train_aspects(rows, texts, features, chances, part, temperature),
    )
    return Fitted(made, logits)


def main(folder: Path) -> None:
    """Train, store, and write what the stored model reaches on the held-out texts into its card."""
    corpus = load_corpus()
    seen = [row for row in corpus if not row.held_out]
    with threadpool_limits(1):  # sums that are split among threads differ in their last digits
        weights = train(seen, packaged_lexicon())
    write_model(folder, weights, {"name": f"linear-{VERSION}"})
    classifier = load_classifier(Thresholds(), folder)
    kept = [row for row in corpus if row.held_out]
    reached = by_language(classifier, kept)
    write_card(folder, {**read_card(folder), "trained_on": len(seen), "held_out": reached})
    sys.stdout.write(f"{classifier.model}: macro-F1 {reached['all']['macro_f1']} on {len(kept)} held-out texts\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent / PACKAGED)
