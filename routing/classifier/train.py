"""Trains the packaged model: `python -m silofrei.routing.classifier.train [FOLDER]` (extra `train`).

The same corpus, lexicon and versions give the same model on the same machine. A tenth of the texts is never trained on;
the card beside the arrays says what the model reached there.
"""

import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import scipy.sparse
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from threadpoolctl import threadpool_limits

from silofrei.routing.classifier.corpus_rows import Row, load_corpus
from silofrei.routing.classifier.evaluate import evaluate
from silofrei.routing.classifier.features import BITS, Features, extract
from silofrei.routing.classifier.hashing import Words
from silofrei.routing.classifier.lexicon import LABELS, Lexicon, compile_lexicon, read_terms
from silofrei.routing.classifier.model import load_classifier
from silofrei.routing.classifier.stored import PACKAGED, Weights, read_card, write_card, write_model
from silofrei.routing.classifier.text import Batch, batch, fold
from silofrei.routing.classifier.train_language import train_language
from silofrei.schemas.config import Thresholds
from silofrei.schemas.names import Language

VERSION = "2026.11"
STRENGTH = 5.0
"""Inverse of the penalty (docs/decisions/0004-classifier.md has what others reach)."""
LEAST_DOCUMENTS = 2
"""A bucket that fewer training texts have gets no weight."""
FOLDS = 5
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


def fit(data: Data, labels: Labels, weights: NDArray[np.float64] | None = None) -> LogisticRegression:
    """The linear model."""
    model = LogisticRegression(C=STRENGTH, max_iter=300, tol=1e-3, class_weight="balanced")
    return model.fit(data, labels, sample_weight=weights)


def temperature(logits: NDArray[np.float64], labels: Labels) -> float:
    """What the logits must be divided by for the least log loss."""
    own = logits - logits.max(axis=1, keepdims=True)

    def loss(divisor: float) -> float:
        scaled = own / divisor
        return float((np.log(np.exp(scaled).sum(axis=1)) - scaled[np.arange(len(labels)), labels]).mean())

    return float(min(np.geomspace(0.25, 4, 200), key=loss))


def train(rows: Sequence[Row], lexicon: Lexicon, weights: Sequence[float] | None = None) -> Weights:
    """A model of these rows; `weights` say how much each counts, 1 where they are left out."""
    texts = batch([fold(row.text).text for row in rows])
    english = np.array([row.language is Language.ENGLISH for row in rows])
    features = extract(texts, Words(texts), lexicon, english)
    owners, columns = occurrences(texts, features)
    rarity, used = rarities(owners, columns, texts.size)
    data = scipy.sparse.hstack([matrix(owners, columns, rarity, texts.size)[:, used], features.dense]).tocsr()
    labels = np.array([LABELS.index(row.label) for row in rows])
    counts = np.ones(len(rows)) if weights is None else np.asarray(weights, dtype=np.float64)

    folds = np.random.default_rng(SEED).permutation(len(rows)) % FOLDS
    logits = np.zeros((len(rows), len(LABELS)))
    for number in range(FOLDS):
        others = folds != number
        logits[~others] = fit(data[others], labels[others], counts[others]).decision_function(data[~others])
    found = fit(data, labels, counts)

    sparse = np.zeros((1 << BITS, len(LABELS)), dtype=np.float32)
    sparse[used] = found.coef_.T[: len(used)] * np.sqrt(rarity[used])[:, None]
    return Weights(
        sparse=sparse,
        rarity=rarity,
        dense=found.coef_.T[len(used) :].astype(np.float32),
        bias=found.intercept_.astype(np.float32),
        temperature=temperature(logits, labels),
        language=train_language(rows),
        lexicon=lexicon,
    )


def main(folder: Path) -> None:
    """Train, store, and write what the stored model reaches on the held-out texts into its card."""
    corpus = load_corpus()
    seen = [row for row in corpus if not row.held_out]
    with threadpool_limits(1):  # sums that are split among threads differ in their last digits
        weights = train(seen, compile_lexicon(read_terms()))
    write_model(folder, weights, {"name": f"linear-{VERSION}"})
    classifier = load_classifier(Thresholds(), folder)
    kept = {
        "all": [row for row in corpus if row.held_out],
        "de": [row for row in corpus if row.held_out and row.language is Language.GERMAN],
        "en": [row for row in corpus if row.held_out and row.language is Language.ENGLISH],
    }
    reached = {name: asdict(evaluate(classifier, rows)) for name, rows in kept.items()}
    write_card(folder, {**read_card(folder), "trained_on": len(seen), "held_out": reached})
    sys.stdout.write(
        f"{classifier.model}: macro-F1 {reached['all']['macro_f1']} on {len(kept['all'])} held-out texts\n"
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent / PACKAGED)
