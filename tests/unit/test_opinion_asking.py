"""Asking: every text comes out with an answer, within its time, whatever the other side does; limits hold."""

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from typing import Any

import pytest
from prometheus_client import REGISTRY

from silofrei.routing.metrics import OpinionOutcome
from silofrei.routing.opinion.asking import Asking, EndpointFailed, Unsure
from silofrei.routing.opinion.batches import BatchOpinions
from silofrei.routing.opinion.breaker import FAILURES, FIRST_SECONDS
from silofrei.routing.opinion.budget import Budget
from silofrei.routing.opinion.leaving import Leaving
from silofrei.routing.opinion.question import Message
from silofrei.routing.policy import Policy
from silofrei.schemas.classification import Classification, Scores
from silofrei.schemas.config import Config, parse_config
from silofrei.schemas.mention import Author, Mention
from silofrei.schemas.names import Channel, Label, Language, MentionKind

NOW = datetime(2026, 11, 3, 9, 0, 5, tzinfo=UTC)
SALES = '{"label": "sales", "confidence": 0.9}'

Say = Callable[[str], Awaitable[str]]


class Clock:
    """Seconds that only this test lets pass; what is waited for in earnest is on the loop's clock."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


class Server:
    """Answers as `say` does, and remembers what it was asked and how many at once."""

    def __init__(self, say: Say) -> None:
        self.say = say
        self.asked: list[str] = []
        self.under_way = 0
        self.most = 0

    async def answer(self, messages: Sequence[Message]) -> str:
        post = json.loads(messages[-1]["content"])["post"]
        self.asked.append(post)
        self.under_way += 1
        self.most = max(self.most, self.under_way)
        try:
            return await self.say(post)
        finally:
            self.under_way -= 1


async def sells(_: str) -> str:
    await asyncio.sleep(0)
    return SALES


async def hangs(_: str) -> str:
    await asyncio.Event().wait()
    return SALES


def fails(error: Exception) -> Say:
    async def say(_: str) -> str:
        await asyncio.sleep(0)
        raise error

    return say


def unsure(**scores: float) -> Classification:
    given = {label.value: scores.get(label.value, 0.0) for label in Label}
    return Classification(
        label=max(Label, key=lambda label: given[label.value]),
        scores=Scores(**given),
        language=Language.GERMAN,
        abstained=True,
        model="linear-1",
    )


LOCAL = unsure(service=0.4, sales=0.35, pr=0.25)


def texts(number: int) -> list[Unsure]:
    return [Unsure(f"Was kostet Rad {chr(97 + n)}?", LOCAL) for n in range(number)]


def asking(server: Server, clock: Callable[[], float] | None = None, **changes: Any) -> Asking:
    clock = clock or Clock()
    given = {"at_once": 4, "timeout": 0.2, "budget": Budget(1000, 1000, clock)} | changes
    return Asking(server, model="m-7b", thresholds=Config().thresholds, clock=clock, **given)


def counted(outcome: OpinionOutcome) -> float:
    return REGISTRY.get_sample_value("silofrei_second_opinions_total", {"outcome": outcome}) or 0.0


def counts() -> dict[OpinionOutcome, float]:
    return {outcome: counted(outcome) for outcome in OpinionOutcome}


def risen(before: dict[OpinionOutcome, float]) -> dict[OpinionOutcome, float]:
    return {outcome: now - before[outcome] for outcome, now in counts().items() if now != before[outcome]}


def breaker_open() -> float | None:
    return REGISTRY.get_sample_value("silofrei_second_opinion_breaker_open")


async def test_opinions_come_back_in_the_order_of_the_texts() -> None:
    async def say(post: str) -> str:
        await asyncio.sleep(0.03 if "Rad a" in post else 0)
        return SALES if "Rad a" in post else '{"label": "service", "confidence": 0.9}'

    before = counts()
    answers = await asking(Server(say)).ask(texts(3), seconds=0.2)
    assert [one.label for one in answers] == [Label.SALES, Label.SERVICE, Label.SERVICE]
    assert {one.model for one in answers} == {"linear-1+m-7b"}
    assert risen(before) == {OpinionOutcome.SETTLED: 3}


async def test_what_leaves_is_blanked() -> None:
    server = Server(sells)
    await asking(server).ask([Unsure("@max ruf 0171 1234567 an, max@example.de", LOCAL)], seconds=0.2)
    assert server.asked == ["[handle] ruf [number] an, [email]"]


async def test_a_text_without_words_is_not_asked_about_and_costs_nothing() -> None:
    server, before = Server(sells), counts()
    ask = asking(server, budget=Budget(1, 1, Clock()))
    answers = await ask.ask([Unsure("@max https://x.example 😀", LOCAL), *texts(1)], seconds=0.2)
    assert answers[0] is LOCAL
    assert answers[1].label is Label.SALES
    assert risen(before) == {OpinionOutcome.WITHHELD: 1, OpinionOutcome.SETTLED: 1}


async def test_beyond_what_may_be_asked_at_once_the_local_answer_stands() -> None:
    server, before = Server(sells), counts()
    answers = await asking(server, at_once=2).ask(texts(5), seconds=0.2)
    assert [one.label for one in answers] == [Label.SALES] * 2 + [Label.SERVICE] * 3
    assert (server.most, len(server.asked)) == (2, 2)
    assert risen(before) == {OpinionOutcome.SETTLED: 2, OpinionOutcome.TOO_MANY: 3}


async def test_batches_beside_each_other_share_the_places() -> None:
    server = Server(sells)
    ask = asking(server, at_once=3)
    await asyncio.gather(ask.ask(texts(2), seconds=0.2), ask.ask(texts(2), seconds=0.2))
    assert server.most == 3
    await ask.ask(texts(3), seconds=0.2)
    assert len(server.asked) == 6


async def test_beyond_the_budget_the_local_answer_stands() -> None:
    server, before, clock = Server(sells), counts(), Clock()
    ask = asking(server, clock, budget=Budget(3, 100, clock))
    answers = await ask.ask(texts(4), seconds=0.2)
    assert [one.abstained for one in answers] == [False, False, False, True]
    assert risen(before) == {OpinionOutcome.SETTLED: 3, OpinionOutcome.OVER_BUDGET: 1}
    clock.now += 60
    assert not (await ask.ask(texts(1), seconds=0.2))[0].abstained


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (EndpointFailed("models.example: HTTP 500"), OpinionOutcome.FAILED),
        (RuntimeError("a mistake of ours"), OpinionOutcome.FAILED),
        (TimeoutError(), OpinionOutcome.TIMED_OUT),
    ],
)
async def test_no_failure_reaches_the_caller(error: Exception, outcome: OpinionOutcome) -> None:
    before = counts()
    assert await asking(Server(fails(error))).ask(texts(1), seconds=0.2) == [LOCAL]
    assert risen(before) == {outcome: 1}


async def test_a_server_that_hangs_costs_one_time_out_for_all_texts_together() -> None:
    loop, before = asyncio.get_running_loop(), counts()
    began = loop.time()
    assert await asking(Server(hangs), at_once=8).ask(texts(8), seconds=0.2) == [LOCAL] * 8
    assert 0.15 < loop.time() - began < 0.6
    assert risen(before) == {OpinionOutcome.TIMED_OUT: 8}


async def test_those_that_answer_in_time_count_beside_one_that_hangs() -> None:
    async def say(post: str) -> str:
        return await (hangs(post) if "Rad b" in post else sells(post))

    answers = await asking(Server(say)).ask(texts(3), seconds=0.2)
    assert [one.label for one in answers] == [Label.SALES, Label.SERVICE, Label.SALES]


async def test_failures_open_the_breaker_and_then_nobody_is_asked(caplog: pytest.LogCaptureFixture) -> None:
    server, clock = Server(fails(EndpointFailed("models.example: HTTP 500"))), Clock()
    ask = asking(server, clock)
    with caplog.at_level(logging.WARNING):
        for _ in range(FAILURES):
            await ask.ask(texts(1), seconds=0.2)
    assert caplog.text.count("models.example: HTTP 500") == 1
    assert breaker_open() == 1
    before = counts()
    assert await ask.ask(texts(5), seconds=0.2) == [LOCAL] * 5
    assert len(server.asked) == FAILURES
    assert risen(before) == {OpinionOutcome.BREAKER_OPEN: 5}
    clock.now += FIRST_SECONDS
    server.say = sells
    answers = await ask.ask(texts(3), seconds=0.2)
    assert [one.abstained for one in answers] == [False, True, True]
    assert breaker_open() == 0
    assert not any(one.abstained for one in await ask.ask(texts(3), seconds=0.2))


async def test_texts_that_talk_the_model_into_nonsense_do_not_open_the_breaker() -> None:
    async def say(_: str) -> str:
        await asyncio.sleep(0)
        return "I am a teapot."

    server, before = Server(say), counts()
    ask = asking(server)
    for _ in range(FAILURES * 2):
        assert await ask.ask(texts(1), seconds=0.2) == [LOCAL]
    assert len(server.asked) == FAILURES * 2
    assert risen(before) == {OpinionOutcome.UNREADABLE: FAILURES * 2}


async def test_a_question_that_was_cut_off_early_says_nothing_of_the_server() -> None:
    server, before = Server(hangs), counts()
    ask = asking(server, timeout=0.1)
    for _ in range(FAILURES * 2):
        await ask.ask(texts(1), seconds=0.06)
    assert len(server.asked) == FAILURES * 2
    assert await ask.ask(texts(1), seconds=0.04) == [LOCAL]
    assert len(server.asked) == FAILURES * 2, "too little time is left to ask"
    assert risen(before) == {OpinionOutcome.OUT_OF_TIME: FAILURES * 2 + 1}


@pytest.mark.parametrize("how", ["halted", "cancelled", "cancelled at once"])
async def test_who_must_go_on_goes_at_once_and_nothing_stays_under_way(how: str) -> None:
    server, halt = Server(hangs), asyncio.Event()
    ask = asking(server, timeout=20)
    task = asyncio.create_task(ask.ask(texts(4), seconds=20, halt=halt))
    loop = asyncio.get_running_loop()
    await asyncio.sleep(0 if how == "cancelled at once" else 0.02)
    began = loop.time()
    if how == "halted":
        halt.set()
        assert await task == [LOCAL] * 4
    else:
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert loop.time() - began < 0.2
    assert server.under_way == 0
    assert asyncio.all_tasks() == {asyncio.current_task()}
    server.say = sells
    assert not any(one.abstained for one in await ask.ask(texts(4), seconds=20))


async def test_a_trial_that_was_let_go_leaves_room_for_another() -> None:
    server, clock, halt = Server(fails(EndpointFailed("x"))), Clock(), asyncio.Event()
    ask = asking(server, clock)
    await ask.ask(texts(FAILURES), seconds=0.2)
    clock.now += FIRST_SECONDS
    server.say = hangs
    task = asyncio.create_task(ask.ask(texts(2), seconds=0.2, halt=halt))
    await asyncio.sleep(0.02)
    halt.set()
    await task
    server.say = sells
    assert [one.abstained for one in await ask.ask(texts(1), seconds=0.2)] == [False]


# --- Batches: which texts may leave, and the time in all


def mention(text: str = "Was kostet das Rad?", *, brand: str = "demo", kind: MentionKind = MentionKind.POST) -> Mention:
    return Mention(
        id=f"x:{abs(hash(text))}",
        brand=brand,
        channel=Channel.X,
        kind=kind,
        author=Author(id="u1"),
        text=text,
        created_at=NOW,
        received_at=NOW,
        thread_id="x:t1",
    )


def leaving(toml: str = "", **changes: Any) -> Leaving:
    config = parse_config(toml, "silofrei.toml")
    return Leaving(Policy(config), hr_from=config.thresholds.secondary.hr, **changes)


SURE = LOCAL.model_copy(update={"abstained": False})
HR_BEST = unsure(hr=0.4, sales=0.35, pr=0.25)
HR_TOO = unsure(sales=0.4, hr=0.3, pr=0.3)
HR_SEES = LOCAL.model_copy(update={"secondary": (Label.HR,)})
HR_HARDLY = unsure(sales=0.44, hr=0.15, pr=0.41)


@pytest.mark.parametrize(
    ("answer", "may"),
    [(LOCAL, True), (SURE, False), (HR_BEST, False), (HR_TOO, False), (HR_SEES, False), (HR_HARDLY, True)],
)
def test_only_unsure_texts_leave_and_none_that_may_be_for_hr(answer: Classification, may: bool) -> None:
    assert leaving().mention_may(mention(), answer, NOW) is may
    assert leaving().text_may(answer) is may


def test_texts_for_hr_leave_where_the_company_says_so() -> None:
    assert leaving(hr=True).mention_may(mention(), HR_BEST, NOW)
    assert not leaving(hr=True).mention_may(mention(), SURE, NOW)


def test_hr_has_the_companys_threshold() -> None:
    assert not leaving("[thresholds.secondary]\nhr = 0.1").mention_may(mention(), HR_HARDLY, NOW)


def test_direct_messages_stay_unless_the_company_says_otherwise() -> None:
    private = mention(kind=MentionKind.MESSAGE)
    assert not leaving().mention_may(private, LOCAL, NOW)
    assert leaving(messages=True).mention_may(private, LOCAL, NOW)


def test_only_the_brands_that_the_company_names_leave() -> None:
    assert leaving(brands=["demo"]).mention_may(mention(), LOCAL, NOW)
    assert not leaving(brands=["other"]).mention_may(mention(), LOCAL, NOW)


RULES = """
[departments.legal]
title = { de = "Recht", en = "Legal" }
confidential = true

[[rules]]
name = "works-council"
when = { words = ["Betriebsrat"] }
then = { department = "legal" }

[[rules]]
name = "noise"
when = { words = ["Gewinnspiel"] }
then = { discard = true }

[[rules]]
name = "vip"
when = { words = ["Rad"] }
then = { priority = "high" }
"""


def test_what_a_rule_of_the_company_decides_does_not_leave() -> None:
    ruled = leaving(RULES)
    assert not ruled.mention_may(mention("Was sagt der Betriebsrat?"), LOCAL, NOW)
    assert not ruled.mention_may(mention("Ein Gewinnspiel!"), LOCAL, NOW)
    assert ruled.mention_may(mention("Das Rad ist da"), LOCAL, NOW), "a rule that says how urgent it is decides nothing"


def batch(server: Server, timeout: float = 0.2, **changes: Any) -> BatchOpinions:
    return BatchOpinions(asking(server, timeout=timeout), leaving(**changes))


async def test_a_batch_keeps_its_order_and_what_is_no_answer() -> None:
    server, before = Server(sells), counts()
    broken = ValueError("no words")
    given = [SURE, LOCAL, broken, HR_BEST, LOCAL]
    subjects = [mention(f"Was kostet Rad {chr(97 + n)}?") for n in range(5)]
    refined = await batch(server).refine(subjects, given, NOW, asyncio.Event())
    assert [refined[0], refined[2], refined[3]] == [SURE, broken, HR_BEST]
    assert [one.label for one in (refined[1], refined[4]) if isinstance(one, Classification)] == [Label.SALES] * 2
    assert server.asked == ["Was kostet Rad b?", "Was kostet Rad e?"]
    assert risen(before) == {OpinionOutcome.SETTLED: 2, OpinionOutcome.WITHHELD: 1}
    assert given[1] is LOCAL


async def test_all_parts_of_a_batch_wait_for_one_time_out_together() -> None:
    server, loop = Server(hangs), asyncio.get_running_loop()
    one, before, began = batch(server), counts(), loop.time()
    for part in range(6):
        await one.refine([mention(f"Teil {part}")], [LOCAL], NOW, asyncio.Event())
    assert loop.time() - began < 0.5
    assert len(server.asked) == 1
    assert risen(before) == {OpinionOutcome.TIMED_OUT: 1, OpinionOutcome.OUT_OF_TIME: 5}
    server.say = sells
    (refined,) = await batch(server).refine([mention()], [LOCAL], NOW, asyncio.Event())
    assert isinstance(refined, Classification)
    assert not refined.abstained


async def test_parts_with_nothing_to_ask_about_take_nothing_from_the_time() -> None:
    server, clock, before = Server(hangs), Clock(), counts()

    class Slow(Policy):
        def decide(self, mention: Mention, classification: Classification, now: datetime) -> Any:
            clock.now += 0.01
            return super().decide(mention, classification, now)

    one = BatchOpinions(asking(server), Leaving(Slow(parse_config(RULES, "")), hr_from=0.3), clock)
    await one.refine([mention("Ein Gewinnspiel!")], [LOCAL], NOW, asyncio.Event())
    await one.refine([mention("Ein Rad?")], [SURE], NOW, asyncio.Event())
    await one.refine([mention("Zwei Räder?")], [LOCAL], NOW, asyncio.Event())
    assert risen(before) == {OpinionOutcome.WITHHELD: 1, OpinionOutcome.TIMED_OUT: 1}


async def test_a_batch_that_must_go_on_asks_nobody() -> None:
    server, halt = Server(sells), asyncio.Event()
    halt.set()
    assert await batch(server).refine([mention()], [LOCAL], NOW, halt) == [LOCAL]
    assert server.asked == []


async def test_a_text_that_breaks_the_policy_keeps_the_others_opinions() -> None:
    class Breaks(Policy):
        def decide(self, mention: Mention, classification: Classification, now: datetime) -> Any:
            if "poison" in mention.text:
                raise KeyError("rule")
            return super().decide(mention, classification, now)

    one = BatchOpinions(asking(Server(sells)), Leaving(Breaks(Config()), hr_from=0.3))
    refined = await one.refine([mention("poison"), mention("ok")], [LOCAL, LOCAL], NOW, asyncio.Event())
    assert [answer.abstained for answer in refined if isinstance(answer, Classification)] == [True, False]


async def test_a_mistake_in_asking_leaves_the_local_answers_and_no_place_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(text: str) -> str:
        if "poison" in text:
            raise ZeroDivisionError
        return text

    monkeypatch.setattr("silofrei.routing.opinion.asking.blank", broken)
    server = Server(sells)
    ask = asking(server, at_once=2)
    subjects, answers = [mention("ok"), mention("poison")], [LOCAL, LOCAL]
    for _ in range(3):
        # The question about the first text ends before its first step.
        assert await BatchOpinions(ask, leaving()).refine(subjects, answers, NOW, asyncio.Event()) == [LOCAL, LOCAL]
    assert server.asked == []
    assert not any(one.abstained for one in await ask.ask(texts(2), seconds=0.2))
