"""Simulated people of the departments, so that every page of the demo has something to show.

They take tickets through the same queue as everybody, under names that start with `simulated`, and leave some tickets
waiting for the person who tries the demo.
"""

import asyncio
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import Random

from silofrei.routing.queue import Refused, TicketQueue, Unavailable
from silofrei.schemas.names import TRIAGE, Label, Outcome
from silofrei.schemas.ticket import Ticket

log = logging.getLogger(__name__)

LEFT_WAITING = 4
"""Tickets that stay in each queue for real people."""

_OUTCOMES: Mapping[str, Sequence[Outcome]] = {
    Label.SERVICE.value: (Outcome.SOLVED, Outcome.SOLVED, Outcome.ANSWERED),
    Label.SALES.value: (Outcome.LEAD, Outcome.LEAD, Outcome.ANSWERED),
    Label.HR.value: (Outcome.APPLICATION, Outcome.ANSWERED),
    Label.PR.value: (Outcome.ANSWERED, Outcome.NO_ACTION),
}
_WHY_THEIRS = {
    Label.SERVICE.value: "has bought already and needs help",
    Label.SALES.value: "wants to buy, nothing is broken",
    Label.HR.value: "is about working here",
    Label.PR.value: "a public matter, the press may ask",
}


@dataclass(frozen=True)
class Pace:
    """How the simulated people work.

    Attributes:
        reading: shortest and longest time on one ticket, seconds.
        pause: between two looks into an empty queue, seconds.
        handed_over: share of tickets that go to another department.
        given_back: share of tickets that go back to the queue.
    """

    reading: tuple[float, float] = (2.0, 9.0)
    pause: float = 2.0
    handed_over: float = 0.15
    given_back: float = 0.05


async def work(queue: TicketQueue, brand: str, department: str, chance: Random, pace: Pace) -> None:
    """One simulated person of one department, until cancelled.

    Args:
        queue: where the tickets are.
        brand: whose tickets.
        department: whose queue.
        chance: source of randomness; seeded, the demo runs the same way each time.
        pace: how fast and how.
    """
    name = f"simulated {department}"
    while True:
        try:
            waiting = await queue.waiting(brand, department, limit=LEFT_WAITING + 1)
            ticket = await queue.claim(brand, department, name) if len(waiting) > LEFT_WAITING else None
            await asyncio.sleep(chance.uniform(*pace.reading) if ticket else pace.pause)
            if ticket:
                await _finish(queue, brand, ticket, chance, pace)
        except Refused as refusal:
            log.info("%s: %s", name, refusal)
        except Unavailable as error:
            log.warning("%s waits: %s", name, error)
            await asyncio.sleep(pace.pause)


async def _finish(queue: TicketQueue, brand: str, ticket: Ticket, chance: Random, pace: Pace) -> None:
    if ticket.lease is None:
        return
    token, department = ticket.lease.token, ticket.department
    if department == TRIAGE:
        await queue.transfer(brand, ticket.id, token, _best_department(ticket), "sorted by hand")
        return
    draw = chance.random()
    if draw < pace.handed_over and ticket.transfers == 0:
        target = chance.choice([name for name in _WHY_THEIRS if name != department])
        await queue.transfer(brand, ticket.id, token, target, _WHY_THEIRS[target])
    elif draw < pace.handed_over + pace.given_back:
        await queue.release(brand, ticket.id, token, "needs a colleague")
    else:
        outcomes = _OUTCOMES.get(department, (Outcome.ANSWERED,))
        await queue.resolve(brand, ticket.id, token, chance.choice(outcomes), "simulated answer")


def _best_department(ticket: Ticket) -> str:
    """The label with the highest score among those that a department answers."""
    if ticket.classification is None:
        return Label.SERVICE.value
    scores = ticket.classification.scores
    return max((label for label in Label if label is not Label.NONE), key=scores.of).value
