"""Silofrei's worker as the benchmark starts it: `silofrei worker`, save that the case chooses the classifier."""

import os
import sys

from benchmarks.constant import REAL, classifier_named
from silofrei.schemas.config import load_config
from silofrei.schemas.settings import load_settings
from silofrei.streams.worker import run_worker


def main() -> int:
    """Work until SIGTERM."""
    settings = load_settings()
    config = load_config(settings.config)
    return run_worker(settings, config, classifier_named(os.environ.get("BENCHMARK_CLASSIFIER", REAL), config))


if __name__ == "__main__":
    sys.exit(main())
