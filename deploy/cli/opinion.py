"""The second opinion for commands: over texts in a file, and one question to see whether the server answers.

Owns: that a person hears how many texts were not asked about. Refuses: asking (routing/opinion) and the settings.
"""

import asyncio
import time
from collections.abc import Sequence

from silofrei.deploy.cli.context import complain, run
from silofrei.routing.opinion.answer import Opinion, read_answer
from silofrei.routing.opinion.asking import EndpointFailed, Unsure
from silofrei.routing.opinion.question import question
from silofrei.schemas.classification import Classification
from silofrei.schemas.config import Config
from silofrei.schemas.settings import ConfigurationError, Settings
from silofrei.streams.opinions import endpoint_of, opinions_of

_TRIAL = "Was kostet das Rad, und gibt es das auch in Blau?"
"""Written by us, so that it may leave."""


class FileOpinions:
    """Second opinions for texts in a file, as the worker asks for them but waiting for all of them.

    What the settings say of brands and direct messages does not apply, since a text in a file is neither.

    Args:
        settings: where to ask, and how much.
        company: thresholds, for one.

    Raises:
        ConfigurationError: the second opinion is off.
    """

    def __init__(self, settings: Settings, company: Config) -> None:
        opinions = opinions_of(settings, company)
        if opinions is None:
            raise ConfigurationError(
                "--second-opinion: set SILOFREI_SECOND_OPINION_URL and SILOFREI_SECOND_OPINION_MODEL"
            )
        self._opinions = opinions
        self._withheld = 0
        self._unanswered = 0

    def refine(self, texts: Sequence[str], answers: Sequence[Classification]) -> list[Classification]:
        """The answers in order, those about unsure texts with a second opinion where there is one.

        Args:
            texts: what was classified.
            answers: the local answers.
        """
        return run(self._refine(texts, answers))

    def tell(self) -> None:
        """Say how many unsure texts have the local answer alone, where there are any."""
        if self._withheld:
            complain(f"silofrei: {self._withheld} unsure texts may be for HR and were not shown to the other model")
        if self._unanswered:
            complain(
                f"silofrei: {self._unanswered} unsure texts have no second opinion: no words, no answer, or more than "
                "SILOFREI_SECOND_OPINION_PER_MINUTE"
            )

    async def _refine(self, texts: Sequence[str], answers: Sequence[Classification]) -> list[Classification]:
        refined = list(answers)
        asking, leaving = self._opinions.asking, self._opinions.leaving
        unsure = [number for number, answer in enumerate(answers) if answer.abstained]
        asked = [number for number in unsure if leaving.text_may(answers[number])]
        self._withheld += len(unsure) - len(asked)
        try:
            for start in range(0, len(asked), asking.at_once):
                part = asked[start : start + asking.at_once]
                found = await asking.ask(
                    [Unsure(texts[number], answers[number]) for number in part], seconds=asking.timeout
                )
                for number, answer in zip(part, found, strict=True):
                    self._unanswered += answer is answers[number]
                    refined[number] = answer
        finally:
            await self._opinions.close()
        return refined


def ask_once(settings: Settings) -> tuple[Opinion, float] | None:
    """What the other model says of a text of ours, and after how many seconds; None where the second opinion is off.

    Raises:
        EndpointFailed: the server is away, refuses or answers too late.
        Unreadable: the model does not answer as it was told to.
    """
    return run(_ask_once(settings))


async def _ask_once(settings: Settings) -> tuple[Opinion, float] | None:
    endpoint = endpoint_of(settings)
    if endpoint is None:
        return None
    began = time.monotonic()
    try:
        async with asyncio.timeout(settings.second_opinion_timeout):
            said = await endpoint.answer(question(_TRIAL))
        return read_answer(said), time.monotonic() - began
    except TimeoutError:
        seconds = f"{settings.second_opinion_timeout:g} s"
        raise EndpointFailed(
            f"no answer within {seconds}; a smaller or nearer model, or SILOFREI_SECOND_OPINION_TIMEOUT"
        ) from None
    finally:
        await endpoint.close()
