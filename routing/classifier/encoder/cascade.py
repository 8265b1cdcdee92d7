"""The linear model first, and behind it an encoder for the texts that it is unsure of.

Owns: which texts are asked about, and what becomes of an answer. Refuses: training (fit.py) and storage (stage.py).
Whatever fails in the encoder, the linear model's answer stays.
"""

import logging
import math
import time
from collections.abc import Callable, Sequence

import numpy as np

from silofrei.routing.classifier.encoder.sentence import SentenceEncoder
from silofrei.routing.classifier.encoder.stage import Chances, Stage
from silofrei.routing.classifier.lexicon import LABELS
from silofrei.routing.classifier.model import LinearClassifier, TextInput
from silofrei.routing.metrics import ENCODER_SECONDS, ENCODER_TEXTS, EncoderOutcome
from silofrei.schemas.classification import Classification, Scores
from silofrei.schemas.config import Thresholds

log = logging.getLogger(__name__)


class CascadedClassifier:
    """Answers as the linear model does where that is sure, and as both do where it is not.

    Args:
        local: the linear model, which answers all.
        stage: the heads, and how much they say.
        encoder: what the heads were trained on.
        thresholds: below which both together abstain.
        longest: seconds that the encoder may take for the texts of one call; those that are left keep their answers.
        clock: seconds that only grow.
    """

    def __init__(
        self,
        local: LinearClassifier,
        stage: Stage,
        encoder: SentenceEncoder,
        thresholds: Thresholds,
        longest: float = math.inf,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._local = local
        self._stage = stage
        self._encoder = encoder
        self._thresholds = thresholds
        self._longest = longest
        self._clock = clock
        self._told = set[EncoderOutcome]()

    def within(self, seconds: float) -> "CascadedClassifier":
        """The same one, whose encoder may take so many seconds for the texts of one call."""
        return CascadedClassifier(self._local, self._stage, self._encoder, self._thresholds, seconds, self._clock)

    @property
    def model(self) -> str:
        """Names of both; an answer in which the encoder took no part has the linear model's alone."""
        return f"{self._local.model}+{self._stage.name}"

    def classify(self, inputs: Sequence[TextInput], *, explain: bool = True) -> list[Classification]:
        """One answer per text, in order.

        Args:
            inputs: the texts.
            explain: whether to say which words decided; these are those of the linear model.
        """
        answers = self._local.classify(inputs, explain=explain)
        unsure = [number for number, answer in enumerate(answers) if self.asks(answer)]
        if unsure:
            began = self._clock()
            for done, number in enumerate(unsure):
                if self._clock() - began > self._longest:
                    self._late(len(unsure) - done)
                    break
                answers[number] = self._asked(inputs[number].text, answers[number])
            ENCODER_SECONDS.observe(self._clock() - began)
        return answers

    def probabilities(self, inputs: Sequence[TextInput]) -> Chances:
        """(texts, labels) calibrated probabilities, in the order of `Label`."""
        answers = self.classify(inputs, explain=False)
        return np.array([_row(answer) for answer in answers]).reshape(len(answers), len(LABELS))

    def asks(self, answer: Classification) -> bool:
        """Whether the encoder is asked about a text with this answer of the linear model."""
        card = self._stage.card
        return answer.language in card.languages and (answer.abstained or max(_row(answer)) < card.below)

    def _asked(self, text: str, answer: Classification) -> Classification:
        try:
            vectors = self._encoder.embed(text)[None]
            (row,) = self._stage.both(answer.language, np.array([_row(answer)]), vectors).tolist()
            changed = self._answer(answer, row)
        except Exception:
            # Whatever it is: thrown here, it would make dead letters of the mentions of this batch.
            if EncoderOutcome.FAILED not in self._told:
                self._told.add(EncoderOutcome.FAILED)
                log.exception("The encoder %s failed, so the linear model's answer stays", self._stage.name)
            ENCODER_TEXTS.labels(EncoderOutcome.FAILED).inc()
            return answer
        moved = changed.label is not answer.label or changed.abstained is not answer.abstained
        ENCODER_TEXTS.labels(EncoderOutcome.MOVED if moved else EncoderOutcome.STAYED).inc()
        return changed

    def _late(self, left: int) -> None:
        if EncoderOutcome.LATE not in self._told:
            self._told.add(EncoderOutcome.LATE)
            log.error(
                "The encoder %s took more than %.1f s for the texts of one batch, so %d of them keep the linear "
                "model's answer; take a smaller encoder, or more of SILOFREI_ENCODER_THREADS",
                self._stage.name, self._longest, left,
            )  # fmt: skip
        ENCODER_TEXTS.labels(EncoderOutcome.LATE).inc(left)

    def _answer(self, answer: Classification, row: list[float]) -> Classification:
        best = int(np.argmax(row))
        return answer.model_copy(
            update={
                "label": LABELS[best],
                "scores": Scores(**{label.value: score for label, score in zip(LABELS, row, strict=True)}),
                # Who else should see it is the linear model's to say; not, however, who has it.
                "secondary": tuple(label for label in answer.secondary if label is not LABELS[best]),
                "abstained": row[best] < self._thresholds.of(LABELS[best]),
                "model": self.model,
            }
        )


def _row(answer: Classification) -> list[float]:
    return [answer.scores.of(label) for label in LABELS]
