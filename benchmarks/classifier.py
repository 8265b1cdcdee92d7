"""Texts per second and core of the packaged classifier beside plain scikit-learn, and what one text and a start cost.

Both answer the same texts of the corpus in batches of 500, in turns, on one core. CPU time is compared, so that others
on the machine disturb little.
"""

import gc
import time
from collections.abc import Callable, Sequence
from statistics import median
from typing import Any

import numpy as np
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline, make_union
from threadpoolctl import threadpool_limits

from silofrei.routing.classifier.corpus_rows import load_corpus
from silofrei.routing.classifier.model import LinearClassifier, TextInput, load_classifier
from silofrei.schemas.config import Thresholds

BATCH = 500
SEED = 1


def measure(texts: int, rounds: int) -> dict[str, Any]:
    """The section `classifier` of results.json.

    Args:
        texts: how many each answers in a round.
        rounds: of all, in turns.
    """
    corpus = load_corpus()
    places = np.random.default_rng(SEED).integers(len(corpus), size=texts)
    chosen = [corpus[place].text for place in places]
    peer = make_pipeline(
        make_union(
            TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 5), min_df=2),
            TfidfVectorizer(ngram_range=(1, 2), min_df=2),
        ),
        LogisticRegression(max_iter=1000),
    )
    began = time.perf_counter()
    classifier = load_classifier(Thresholds())
    load = time.perf_counter() - began
    with threadpool_limits(1):
        # What it learns does not matter for its speed, so a part of the corpus is enough.
        peer.fit([row.text for row in corpus[::5]], [row.label.value for row in corpus[::5]])
        systems: dict[str, Callable[[Sequence[str]], object]] = {
            "silofrei": lambda some: classifier.classify([TextInput(text) for text in some], explain=False),
            "silofrei, with evidence": lambda some: classifier.classify([TextInput(text) for text in some]),
            "scikit-learn": peer.predict_proba,
        }
        for answer in systems.values():
            answer(chosen[:BATCH])
        # As the worker does: else each collection looks through the corpus and the peer's vocabulary too.
        gc.collect()
        gc.freeze()
        speeds: dict[str, list[float]] = {name: [] for name in systems}
        for _ in range(rounds):
            for name, answer in systems.items():
                speeds[name].append(texts / _cpu(answer, chosen))
    alone = sorted(_wall(classifier, text) for text in chosen)
    gc.unfreeze()
    found: dict[str, Any] = {name: round(median(values)) for name, values in speeds.items()}
    ratio = {name: round(found[name] / found["scikit-learn"], 2) for name in systems if name != "scikit-learn"}
    one = {"p50": round(alone[len(alone) // 2] * 1e3, 2), "p99": round(alone[len(alone) * 99 // 100] * 1e3, 2)}
    result = {"texts_per_cpu_s": found, "ratio": ratio, "one_text_ms": one, "load_ms": round(load * 1e3, 1)}
    print(f"  classifier: {result}", flush=True)
    return result


def _cpu(answer: Callable[[Sequence[str]], object], texts: Sequence[str]) -> float:
    began = time.process_time()
    for start in range(0, len(texts), BATCH):
        answer(texts[start : start + BATCH])
    return time.process_time() - began


def _wall(classifier: LinearClassifier, text: str) -> float:
    began = time.perf_counter()
    classifier.classify([TextInput(text)])
    return time.perf_counter() - began
