"""Trains the packaged model: `python -m silofrei.routing.classifier.train [FOLDER]` (extra `train`).

The same corpus, lexicon and versions give the same model. A tenth of the texts is never trained on; the card beside the
arrays says what the model reached there.
"""

import hashlib
import io
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

from silofrei.routing.classifier.corpus_rows import Row, load_corpus
from silofrei.routing.classifier.evaluate import evaluate
from silofrei.routing.classifier.features import BITS, DENSE, Features, extract
from silofrei.routing.classifier.hashing import Words
from silofrei.routing.classifier.lexicon import LABELS, load_lexicon
from silofrei.routing.classifier.model import ARRAYS, CARD, FORMAT, load_classifier, softmax
from silofrei.routing.classifier.text import Batch, batch, fold
from silofrei.schemas.config import Thresholds
from silofrei.schemas.names import Language

NAME = "linear"
STRENGTH = 4.0
"""Inverse of the penalty (docs/decisions/0004-classifier.md has what others reach)."""
LEAST_DOCUMENTS = 3
"""A bucket that fewer training texts have gets no weight."""
FOLDS = 5
SEED = 7
_ODDS_LIMIT = 4.0


def matrix(texts: Batch, features: Features, rarity: NDArray[np.float32]) -> scipy.sparse.csr_matrix:
    """(texts, buckets) n-gram features: rarity of each occurrence over the length of the text."""
    borders = np.zeros(len(texts.codes), dtype=np.intp)
    borders[texts.starts] = 1
    position_text = np.cumsum(borders) - 1
    rows, columns = [], []
    for grams in features.grams:
        here = np.flatnonzero(grams)
        # Those that begin with the border before the first text have no text.
        here = here[position_text[here] >= 0]
        rows.append(position_text[here])
        columns.append(grams[here])
    for found in (features.words, features.pairs):
        here = np.flatnonzero(found)
        rows.append(texts.token_text[here])
        columns.append(found[here])
    row, column = np.concatenate(rows), np.concatenate(columns)
    value = np.sqrt(rarity[column])
    lengths = np.sqrt(np.maximum(np.bincount(row, rarity[column], texts.size), 1e-6))
    return scipy.sparse.csr_matrix((value / lengths[row], (row, column)), shape=(texts.size, 1 << BITS))


def rarities(texts: Batch, features: Features) -> NDArray[np.float32]:
    """(buckets,) squared inverse document frequency."""
    ones = matrix(texts, features, np.ones(1 << BITS, dtype=np.float32))
    ones.sum_duplicates()
    documents = np.bincount(ones.indices, minlength=1 << BITS)
    idf = np.log((1 + texts.size) / (1 + documents)) + 1
    idf[documents < LEAST_DOCUMENTS] = idf.max()
    squared = (idf**2).astype(np.float16).astype(np.float32)
    squared[0] = 0
    return squared


def fit(data: scipy.sparse.csr_matrix, labels: NDArray[np.intp]) -> LogisticRegression:
    """The linear model."""
    return LogisticRegression(C=STRENGTH, max_iter=300, tol=1e-3).fit(data, labels)


def temperature(logits: NDArray[np.float32], labels: NDArray[np.intp]) -> float:
    """What the logits must be divided by for the least log loss."""
    grid = np.geomspace(0.25, 4, 200)
    losses = [-np.log(softmax(logits / one)[np.arange(len(labels)), labels] + 1e-9).mean() for one in grid]
    return float(grid[int(np.argmin(losses))])


def language_odds(rows: Sequence[Row]) -> tuple[NDArray[np.uint64], NDArray[np.float32]]:
    """Words by hash with their log odds of German against English."""
    counts: dict[int, list[float]] = {}
    totals = [0.0, 0.0]
    for side, language in enumerate((Language.GERMAN, Language.ENGLISH)):
        own = batch([fold(row.text).text for row in rows if row.language is language])
        for value in Words(own).hashes.tolist():
            counts.setdefault(value, [0.0, 0.0])[side] += 1
            totals[side] += 1
        path = Path(__file__).parent / "hints" / f"{language.value}.tsv"
        terms = [line.split("\t")[0] for line in path.read_text(encoding="utf-8").splitlines()[1:]]
        listed = batch([fold(term).text for term in terms if " " not in term])
        for value in Words(listed).hashes.tolist():
            counts.setdefault(value, [0.0, 0.0])[side] += 0.5
    hashes = np.array(sorted(counts), dtype=np.uint64)
    smooth = 0.1
    odds = [
        np.log((counts[int(value)][0] + smooth) / totals[0]) - np.log((counts[int(value)][1] + smooth) / totals[1])
        for value in hashes
    ]
    return hashes, np.clip(np.array(odds, dtype=np.float32), -_ODDS_LIMIT, _ODDS_LIMIT)


def train(rows: Sequence[Row]) -> tuple[dict[str, Any], float]:
    """Arrays and temperature of a model of these rows."""
    texts = batch([fold(row.text).text for row in rows])
    features = extract(texts, load_lexicon())
    rarity = rarities(texts, features)
    used = np.flatnonzero(rarity < rarity.max())[1:]
    data = scipy.sparse.hstack([matrix(texts, features, rarity)[:, used], features.dense]).tocsr()
    labels = np.array([LABELS.index(row.label) for row in rows])

    folds = np.random.default_rng(SEED).permutation(len(rows)) % FOLDS
    logits = np.zeros((len(rows), len(LABELS)), dtype=np.float32)
    for fold_number in range(FOLDS):
        part = fit(data[folds != fold_number], labels[folds != fold_number])
        logits[folds == fold_number] = part.decision_function(data[folds == fold_number])
    found = fit(data, labels)

    weights = found.coef_.T.astype(np.float32)
    grams = weights[: len(used)] * np.sqrt(rarity[used])[:, None]
    scale = np.float32(np.abs(grams).max() / 127)
    hashes, odds = language_odds(rows)
    arrays: dict[str, Any] = {
        "used": used.astype(np.uint32),
        "sparse": np.round(grams / scale).astype(np.int8),
        "scale": scale,
        "rarity": rarity[used].astype(np.float16),
        "rarest": np.float32(rarity.max()),
        "dense": weights[len(used) :],
        "bias": found.intercept_.astype(np.float32),
        "language_hashes": hashes,
        "language_odds": odds.astype(np.float16),
    }
    if weights.shape[0] != len(used) + DENSE:
        raise RuntimeError("the model's shape does not fit its features")
    return arrays, temperature(logits, labels)


def store(folder: Path, arrays: dict[str, Any], temperature_: float, version: str) -> None:
    """Write arrays and card; the same arrays give the same bytes."""
    folder.mkdir(parents=True, exist_ok=True)
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)
    (folder / ARRAYS).write_bytes(buffer.getvalue())
    card = {
        "format": FORMAT,
        "name": f"{NAME}-{version}",
        "bits": BITS,
        "temperature": round(temperature_, 4),
        "sha256": hashlib.sha256(buffer.getvalue()).hexdigest(),
    }
    (folder / CARD).write_text(json.dumps(card, indent=2) + "\n", encoding="utf-8")


def main(folder: Path, version: str) -> None:
    """Train, store, and write what the stored model reaches on the held-out texts into its card."""
    corpus = load_corpus()
    seen = [row for row in corpus if not row.held_out]
    arrays, temperature_ = train(seen)
    store(folder, arrays, temperature_, version)
    classifier = load_classifier(Thresholds(), folder)
    figures = {}
    for name, language in (("all", None), ("de", Language.GERMAN), ("en", Language.ENGLISH)):
        kept = [row for row in corpus if row.held_out and language in (None, row.language)]
        figures[name] = asdict(evaluate(kept, classifier.probabilities([row.text for row in kept])))
    card = json.loads((folder / CARD).read_text(encoding="utf-8"))
    card |= {"trained_on": len(seen), "held_out": figures}
    (folder / CARD).write_text(json.dumps(card, indent=2) + "\n", encoding="utf-8")
    sys.stdout.write(json.dumps(card, indent=2) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent / "trained", version="2026.11")
