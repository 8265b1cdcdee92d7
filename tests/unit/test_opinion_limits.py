"""Budget and breaker: what may be spent, and when a server that fails is left alone."""

import pytest

from silofrei.routing.opinion.breaker import FAILURES, FIRST_SECONDS, MOST_SECONDS, Breaker
from silofrei.routing.opinion.budget import Budget


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def spent(budget: Budget, tries: int) -> int:
    done = 0
    for _ in range(tries):
        if budget.has_room():
            budget.spend()
            done += 1
    return done


def test_within_any_minute_no_more_than_the_budget_is_asked() -> None:
    clock = Clock()
    budget = Budget(3, 1000, clock)
    assert spent(budget, 10) == 3
    clock.now += 59.9
    assert spent(budget, 10) == 0
    clock.now += 0.2
    assert spent(budget, 1) == 1
    clock.now += 30
    assert spent(budget, 10) == 2
    clock.now += 30.1
    assert spent(budget, 10) == 1


def test_within_any_day_no_more_than_the_budget_is_asked() -> None:
    clock = Clock()
    budget = Budget(3, 10, clock)
    total = 0
    for _ in range(100):
        clock.now += 61
        total += spent(budget, 5)
    assert total == 10
    clock.now += 86_400 - 100 * 61
    assert spent(budget, 5) == 0
    clock.now += 62
    assert spent(budget, 5) == 3


def test_a_budget_of_the_day_that_is_smaller_than_that_of_the_minute() -> None:
    clock = Clock()
    budget = Budget(100, 2, clock)
    assert spent(budget, 10) == 2
    clock.now += 120
    assert spent(budget, 10) == 0


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def told() -> list[bool]:
    return []


@pytest.fixture
def breaker(clock: Clock, told: list[bool]) -> Breaker:
    return Breaker(clock, told.append)


def fail(breaker: Breaker, times: int = FAILURES) -> None:
    for _ in range(times):
        assert breaker.allows()
        breaker.began()
        breaker.failed()
        breaker.let_go()


def test_failures_in_a_row_open_it_and_an_answer_in_between_begins_anew(breaker: Breaker, told: list[bool]) -> None:
    fail(breaker, FAILURES - 1)
    breaker.succeeded()
    fail(breaker, FAILURES - 1)
    assert breaker.allows()
    fail(breaker, 1)
    assert not breaker.allows()
    assert told == [True]


def test_many_that_fail_together_open_it_once(breaker: Breaker, told: list[bool], clock: Clock) -> None:
    for _ in range(8):
        breaker.began()
    for _ in range(8):
        breaker.failed()
        breaker.let_go()
    assert told == [True]
    assert breaker.seconds_left == FIRST_SECONDS
    clock.now += FIRST_SECONDS
    assert breaker.allows()


def test_after_its_time_one_may_try_and_the_others_wait_for_how_it_goes(breaker: Breaker, clock: Clock) -> None:
    fail(breaker)
    clock.now += FIRST_SECONDS - 0.1
    assert not breaker.allows()
    clock.now += 0.1
    assert breaker.allows()
    breaker.began()
    assert not breaker.allows()
    breaker.succeeded()
    assert breaker.allows()
    assert not breaker.open


def test_each_trial_that_fails_doubles_the_rest_up_to_an_end(breaker: Breaker, clock: Clock, told: list[bool]) -> None:
    fail(breaker)
    rests = []
    for _ in range(8):
        rests.append(breaker.seconds_left)
        clock.now += breaker.seconds_left
        fail(breaker, 1)
    assert rests[:4] == [FIRST_SECONDS, 2 * FIRST_SECONDS, 4 * FIRST_SECONDS, 8 * FIRST_SECONDS]
    assert rests[-1] == MOST_SECONDS
    assert told == [True]
    clock.now += MOST_SECONDS
    breaker.began()
    breaker.succeeded()
    fail(breaker)
    assert breaker.seconds_left == FIRST_SECONDS
    assert told == [True, False, True]


def test_a_trial_that_ended_without_showing_anything_does_not_keep_it_open_for_ever(
    breaker: Breaker, clock: Clock
) -> None:
    fail(breaker)
    clock.now += FIRST_SECONDS
    breaker.began()
    breaker.let_go()
    assert breaker.open
    assert breaker.allows()


def test_a_server_that_wants_rest_gets_it_at_once_and_not_for_ever(breaker: Breaker, clock: Clock) -> None:
    breaker.began()
    breaker.failed(rest=120)
    assert breaker.seconds_left == 120
    clock.now += 120
    breaker.began()
    breaker.failed(rest=10**6)
    assert breaker.seconds_left == MOST_SECONDS
