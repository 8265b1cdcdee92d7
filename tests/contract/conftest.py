"""What the tests of the queue share: a queue on a real server, and short ways to say who wrote what."""

import os
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from silofrei.routing.queue import Effect, OutboxEntry, TicketQueue
from silofrei.routing.queue.client import connect
from silofrei.schemas.classification import Classification, Evidence, Scores
from silofrei.schemas.decision import DiscardDecision, RoutingDecision
from silofrei.schemas.event import TICKET_EVENT
from silofrei.schemas.mention import Author, Mention, MentionCreated, MentionDeleted, MentionEdited
from silofrei.schemas.names import Channel, DiscardReason, Label, Language, MentionKind, Priority
from silofrei.schemas.settings import load_settings

BRAND = "acme"
_START = datetime(2026, 3, 1, 12, tzinfo=UTC)
DEPARTMENTS = ("service", "sales", "hr", "pr", "triage")


def now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True)
class Said:
    """Builds effects; `number` names the mention, `thread` the conversation (its own by default)."""

    brand: str = BRAND

    def mention(self, number: int | str, thread: int | str | None = None, **changes: Any) -> Mention:
        values: dict[str, Any] = {
            "id": f"x:{number}",
            "brand": self.brand,
            "channel": Channel.X,
            "kind": MentionKind.POST,
            "author": Author(id="7", name='Jörg "Joe" Müller'),
            "text": f'Text {number}: "Zug" fällt\naus \\ 🚆 {{"text":"no key"}}',
            "created_at": _START + timedelta(seconds=int("".join(filter(str.isdigit, str(number))))),
            "received_at": now(),
            "thread_id": f"x:{number if thread is None else thread}",
        }
        return Mention(**{**values, **changes})

    def classification(self) -> Classification:
        scores = Scores(service=0.8, sales=0.05, hr=0.05, pr=0.05, none=0.05)
        evidence = tuple(
            Evidence(start=0, end=4, text=text, label=Label.SERVICE, weight=1.5) for text in ("Zug", '"]}[', "\\")
        )
        return Classification(
            label=Label.SERVICE,
            scores=scores,
            language=Language.GERMAN,
            abstained=False,
            evidence=evidence,
            model="test-1",
        )

    def routed(self, department: str = "service", due: timedelta = timedelta(hours=4), **changes: Any) -> Any:
        values: dict[str, Any] = {"priority": Priority.NORMAL, "rule": "model", "due_at": now() + due}
        return RoutingDecision(department=department, **{**values, **changes})

    def discarded(self) -> DiscardDecision:
        return DiscardDecision(reason=DiscardReason.NOT_ACTIONABLE, rule="model-none")

    def created(self, number: int | str, thread: int | str | None = None, **decision: Any) -> Effect:
        return Effect(
            MentionCreated(mention=self.mention(number, thread)), self.classification(), self.routed(**decision)
        )

    def ignored(self, number: int | str, thread: int | str | None = None) -> Effect:
        return Effect(MentionCreated(mention=self.mention(number, thread)), self.classification(), self.discarded())

    def edited(
        self, number: int | str, revision: str, thread: int | str | None = None, *, ignore: bool = False, **changes: Any
    ) -> Effect:
        mention = self.mention(number, thread, **{"text": f"Version {revision} of {number}", **changes})
        decision = self.discarded() if ignore else self.routed()
        return Effect(MentionEdited(mention=mention, revision=revision), self.classification(), decision)

    def deleted(self, number: int | str) -> Effect:
        return Effect(MentionDeleted(mention_id=f"x:{number}", brand=self.brand, channel=Channel.X, deleted_at=now()))


@pytest.fixture
def said() -> Said:
    return Said()


MakeQueue = Callable[..., TicketQueue]


@pytest.fixture
async def make_queue(redis_url: str) -> AsyncIterator[MakeQueue]:
    """Makes queues on the server of this test, or on that of `redis`; they are closed at the end."""
    made: list[TicketQueue] = []

    def make(**settings: Any) -> TicketQueue:
        settings = {"redis": redis_url, "_env_file": os.devnull, **settings}
        made.append(connect(load_settings(**settings), departments=DEPARTMENTS))
        return made[-1]

    yield make
    for queue in made:
        await queue.close()


@pytest.fixture
async def queue(make_queue: MakeQueue) -> TicketQueue:
    """A queue whose brand `acme` has begun and is empty."""
    queue = make_queue()
    await queue.begin_epoch(BRAND)
    return queue


@pytest.fixture
def valid() -> Callable[[OutboxEntry], Any]:
    """The event of an outbox entry, checked against the contract and against what the entry says beside it."""

    def check(entry: OutboxEntry) -> Any:
        event = TICKET_EVENT.validate_json(entry.value(), strict=False)
        assert (event.type, event.event_id, event.at) == (entry.type, entry.event_id, entry.at)
        assert getattr(event, "department", None) == entry.department
        assert getattr(event, "from_department", None) == entry.from_department
        assert entry.key == (event.mention.id if event.type == "mention.discarded" else event.ticket_id)
        return event

    return check
