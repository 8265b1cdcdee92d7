"""The desk's pages, actions and API over ASGI; the queue is a small one in memory.

tests/system/test_desk_process.py runs the same against the real queue.
"""

import re
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from html import unescape
from html.parser import HTMLParser
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from silofrei.desk import app as desk_app
from silofrei.desk.app import create_app, run_desk
from silofrei.desk.frame import load_templates
from silofrei.desk.guard import HEADERS
from silofrei.desk.report import Figures, HandOver, Report, Share, Spread
from silofrei.desk.report_page import choose_period, matrix
from silofrei.routing.queue import Depth, RefusalCode, Refused, Unavailable
from silofrei.schemas.config import Config, Department, Title
from silofrei.schemas.mention import Author, Mention
from silofrei.schemas.names import Channel, DiscardReason, MentionKind, Outcome, Priority, TicketStatus
from silofrei.schemas.settings import ConfigurationError
from silofrei.schemas.ticket import Handover, Lease, Ticket, TicketMention

NOW = datetime(2026, 11, 24, 9, tzinfo=UTC)
SECRET = "do not tell"


def ticket(name: str, department: str = "service", minutes: int = 60, text: str = "Paket fehlt", **more: Any) -> Ticket:
    mention = Mention(
        id=f"x:{name}", brand="demo", channel=Channel.X, kind=MentionKind.POST,
        author=Author(id="7", name=f"Author {name}"), text=text, created_at=NOW, received_at=NOW, thread_id=f"x:{name}",
    )  # fmt: skip
    values: dict[str, Any] = {
        "id": f"t-{name}", "brand": "demo", "department": department, "status": TicketStatus.WAITING,
        "priority": Priority.NORMAL, "due_at": NOW + timedelta(minutes=minutes), "opened_at": NOW - timedelta(hours=1),
        "department_since": NOW, "rule": "model", "channel": Channel.X, "thread_id": f"x:{name}",
        "mentions": (TicketMention(mention=mention),), "mention_count": 1,
    }  # fmt: skip
    return Ticket(**(values | more))


class MemoryQueue:
    """As much of a queue as the pages ask for; `away` makes it fail as an absent Redis does."""

    def __init__(self, tickets: Iterable[Ticket]) -> None:
        self.tickets = {one.id: one for one in tickets}
        self.calls: list[tuple[Any, ...]] = []
        self.away = False
        self.away_after: str | None = None
        self.closed = False
        self._token = 0

    def _call(self, *call: Any) -> None:
        if self.away or call[0] == self.away_after:
            self.away = True
            raise Unavailable("gone")
        self.calls.append(call)

    async def ping(self) -> None:
        self._call("ping")

    async def close(self) -> None:
        self.closed = True

    async def depths(self, brand: str, names: Iterable[str]) -> dict[str, Depth]:
        self._call("depths", brand)
        return {
            name: Depth(
                waiting=len(await self.waiting(brand, name, limit=999)), claimed=len(await self.claimed(brand, name)),
                overdue=sum(one.due_at < NOW for one in await self.waiting(brand, name, limit=999)),
                oldest_age_seconds=3600.0,
            )
            for name in names
        }  # fmt: skip

    async def waiting(self, brand: str, department: str, *, limit: int = 50, offset: int = 0) -> list[Ticket]:
        self._call("waiting", brand)
        found = self._in(brand, department, TicketStatus.WAITING)
        return sorted(found, key=lambda one: one.due_at)[offset : offset + limit]

    async def claimed(self, brand: str, department: str, *, limit: int = 50) -> list[Ticket]:
        self._call("claimed", brand)
        return self._in(brand, department, TicketStatus.CLAIMED)[:limit]

    async def ticket(self, brand: str, ticket_id: str) -> Ticket | None:
        self._call("ticket", brand)
        found = self.tickets.get(ticket_id)
        return found if found and found.brand == brand else None

    async def claim(
        self, brand: str, department: str, holder: str, *, ticket_id: str | None = None, lease: timedelta | None = None
    ) -> Ticket | None:
        self._call("claim", brand, department, holder, ticket_id)
        waiting = self._in(brand, department, TicketStatus.WAITING)
        if ticket_id is not None:
            if self.tickets[ticket_id].status is TicketStatus.CLAIMED:
                raise Refused(RefusalCode.TAKEN, "taken")
            waiting = [self.tickets[ticket_id]]
        if not waiting:
            return None
        self._token += 1
        taken = min(waiting, key=lambda one: one.due_at)
        until = NOW + timedelta(minutes=15)
        return self._put(taken, status=TicketStatus.CLAIMED, lease=Lease(holder=holder, token=self._token, until=until))

    async def extend(self, brand: str, ticket_id: str, token: int, lease: timedelta | None = None) -> Ticket:
        self._call("extend", brand, ticket_id, token)
        return self._held(ticket_id, token)

    async def release(self, brand: str, ticket_id: str, token: int, reason: str = "") -> Ticket:
        self._call("release", brand, ticket_id, token, reason)
        return self._put(self._held(ticket_id, token), status=TicketStatus.WAITING, lease=None)

    async def transfer(
        self, brand: str, ticket_id: str, token: int, to: str, reason: str, *, misrouted: bool = False
    ) -> Ticket:
        self._call("transfer", brand, ticket_id, token, to, reason, misrouted)
        held = self._held(ticket_id, token)
        step = Handover(
            from_department=held.department, to_department=to, holder=held.lease.holder, reason=reason, at=NOW,
            misrouted=misrouted,
        )  # fmt: skip
        return self._put(
            held, status=TicketStatus.WAITING, lease=None, department=to, transfers=held.transfers + 1,
            handovers=(*held.handovers, step),
        )  # fmt: skip

    async def resolve(self, brand: str, ticket_id: str, token: int, outcome: Outcome, note: str = "") -> Ticket:
        self._call("resolve", brand, ticket_id, token, outcome, note)
        held = self._held(ticket_id, token)
        return self._put(
            held, status=TicketStatus.RESOLVED, lease=None, outcome=outcome, resolved_at=NOW,
            resolved_by=held.lease.holder, note=note,
        )  # fmt: skip

    def _in(self, brand: str, department: str, status: TicketStatus) -> list[Ticket]:
        found = (one for one in self.tickets.values() if one.brand == brand and one.department == department)
        return [one for one in found if one.status is status]

    def _held(self, ticket_id: str, token: int) -> Ticket:
        held = self.tickets[ticket_id]
        if held.status is TicketStatus.RESOLVED:
            raise Refused(RefusalCode.ALREADY_RESOLVED, "resolved")
        if held.lease is None:
            raise Refused(RefusalCode.LEASE_EXPIRED, "expired")
        if held.lease.token != token:
            raise Refused(RefusalCode.WRONG_TOKEN, "wrong")
        return held

    def _put(self, old: Ticket, **changes: Any) -> Ticket:
        self.tickets[old.id] = old.model_copy(update=changes)
        return self.tickets[old.id]


class Browser:
    """A client that keeps cookies and finds forms as a person does."""

    def __init__(self, app: FastAPI, queue: MemoryQueue) -> None:
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        self.http = httpx.AsyncClient(transport=transport, base_url="http://localhost:8080")
        self.queue = queue
        self.csrf = ""

    async def get(self, path: str, **options: Any) -> httpx.Response:
        answer = await self.http.get(path, **options)
        if found := re.search(r'name="csrf" value="([0-9a-f]{64})"', answer.text):
            self.csrf = found[1]
        return answer

    async def post(self, path: str, **fields: str) -> httpx.Response:
        return await self.http.post(path, data={"csrf": self.csrf, **fields})

    async def come_in(self, name: str = "Anna") -> None:
        await self.get("/")
        assert (await self.post("/me", name=name)).status_code == 303
        await self.get("/queue/service")


@pytest.fixture(scope="module", autouse=True)
def _templates_compiled_once() -> Iterator[None]:
    """Each application would compile them anew, which takes longer than all else here."""
    templates = load_templates()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(desk_app, "load_templates", lambda: templates)
        yield


@pytest.fixture
def queue() -> MemoryQueue:
    return MemoryQueue(
        [
            ticket("late", minutes=-30, text='<script>alert(1)</script> "><img onerror=alert(1)>'),
            ticket("soon", minutes=20),
            ticket("calm", minutes=200, priority=Priority.CRITICAL),
            ticket("job", "hr", minutes=900, text=SECRET),
            ticket("offer", "sales", minutes=90),
        ]
    )


def report(*_: Any) -> Report:
    return Report(brand="demo", since=None, until=None, as_of=NOW)


@pytest.fixture
def browser(queue: MemoryQueue, make_settings: Any) -> Browser:
    return Browser(create_app(make_settings(), Config(), queue, report, lambda: NOW), queue)  # type: ignore[arg-type]


def text_of(answer: httpx.Response) -> str:
    """What a person reads."""
    return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]*>", " ", answer.text)))


# --- Reading


async def test_the_overview_shows_all_departments(browser: Browser) -> None:
    answer = await browser.get("/")
    assert answer.status_code == 200
    assert "Service 3 1 0 30 mins overdue 1 hr" in text_of(answer)
    assert "Triage 0 0 0 nothing waiting –" in text_of(answer)
    assert SECRET not in answer.text


async def test_a_queue_is_listed_by_urgency(browser: Browser) -> None:
    read = text_of(await browser.get("/queue/service"))
    assert read.index("Author late") < read.index("Author soon") < read.index("Author calm")
    assert "30 mins overdue" in read
    assert "20 mins left" in read
    assert "Critical" in read


async def test_pages_of_a_long_queue(browser: Browser, queue: MemoryQueue) -> None:
    queue.tickets |= {f"t-{n}": ticket(str(n), minutes=300 + n) for n in range(60)}
    first, second = await browser.get("/queue/service"), await browser.get("/queue/service?page=2")
    assert 'href="/queue/service?page=2"' in first.text
    assert "Author 46" in first.text
    assert "Author 47" not in first.text
    assert "Author 47" in second.text
    assert 'start="51"' in second.text
    assert "Page 2 of 2" in second.text
    for broken in ("0", "-1", "x", "1e9"):
        answer = await browser.get(f"/queue/service?page={broken}")
        assert answer.status_code == 422
        assert "The address has a mistake" in answer.text


async def test_what_people_wrote_is_escaped_everywhere(browser: Browser) -> None:
    for path in ("/", "/queue/service", "/ticket/t-late"):
        answer = await browser.get(path)
        assert "<script>alert" not in answer.text
        assert "<img onerror" not in answer.text
    assert '<script>alert(1)</script> "><img onerror=alert(1)>' in unescape(answer.text)


async def test_what_does_not_exist_has_a_page_that_says_so(browser: Browser) -> None:
    for path, words in {
        "/nowhere": "There is no such page",
        "/queue/nothing": "There is no such department",
        "/ticket/t-none": "There is no such ticket",
        "/static/none.css": "There is no such page",
    }.items():
        answer = await browser.get(path)
        assert (answer.status_code, words in answer.text) == (404, True), path
    wrong = await browser.http.put("/queue/service")
    assert wrong.status_code == 405
    assert "traceback" not in wrong.text.lower()


async def test_language_by_address_cookie_and_browser(browser: Browser) -> None:
    assert '<html lang="en">' in (await browser.get("/")).text
    german = await browser.get("/", headers={"accept-language": "de-CH,de;q=0.9"})
    assert '<html lang="de">' in german.text
    assert "silofrei_lang" not in german.headers.get("set-cookie", "")
    chosen = await browser.get("/queue/service?lang=de")
    assert "Dringendstes übernehmen" in chosen.text
    assert '<html lang="de">' in (await browser.get("/", headers={"accept-language": "en"})).text
    assert '<html lang="de">' in (await browser.get("/?lang=xx")).text, "an unknown language changes nothing"


async def test_a_name_is_remembered_and_shown(browser: Browser) -> None:
    await browser.get("/me?next=/queue/sales")
    assert (await browser.post("/me", name=" \t ")).status_code == 422
    answer = await browser.post("/me", name="Jürgen <b>", departments="1", mine="sales", next="/queue/sales")
    assert (answer.status_code, answer.headers["location"]) == (303, "/queue/sales?said=welcome")
    page = await browser.get("/queue/sales?said=welcome")
    assert "Jürgen <b>" in unescape(page.text)
    assert "<b>" not in page.text.replace("<b data", "")
    assert "Welcome!" in page.text
    assert "yours" in text_of(await browser.get("/"))
    away = await browser.post("/me", name="Jo", next="//evil.example")
    assert away.headers["location"] == "/?said=saved"


async def test_a_page_says_only_what_it_knows_to_say(browser: Browser) -> None:
    assert "data-said" not in (await browser.get("/?said=<b>hacked")).text


@pytest.mark.parametrize(
    "path",
    ["/", "/queue/service", "/ticket/t-late", "/ticket/t-none", "/report", "/me", "/healthz", "/api/queues",
     "/static/desk.css", "/queue/hr"],
)  # fmt: skip
async def test_head_is_answered_as_get_without_the_body(browser: Browser, path: str) -> None:
    await browser.get("/")
    told, shown = await browser.http.head(path), await browser.http.get(path)
    assert (told.status_code, told.content) == (shown.status_code, b"")
    assert told.headers == shown.headers
    assert int(told.headers["content-length"]) == len(shown.content) > 0


async def test_what_takes_no_get_takes_no_head(browser: Browser) -> None:
    assert (await browser.http.head("/queue/service/take")).status_code == 405


# --- Acting


async def test_take_the_top_and_resolve_it(browser: Browser, queue: MemoryQueue) -> None:
    await browser.come_in()
    answer = await browser.post("/queue/service/take")
    assert answer.headers["location"] == "/ticket/t-late?said=claimed"
    page = await browser.get("/ticket/t-late?said=claimed")
    assert "You are working on this" in page.text
    assert 'name="token" value="1"' in page.text
    assert "Author late" in text_of(await browser.get("/")), "what I hold stands in the overview"
    answer = await browser.post("/ticket/t-late/resolve", token="1", outcome="solved", note="sent again\r\nby hand")
    assert answer.headers["location"] == "/queue/service?said=resolved"
    assert queue.calls[-1] == ("resolve", "demo", "t-late", 1, Outcome.SOLVED, "sent again\nby hand")
    page = await browser.get("/ticket/t-late")
    assert "Resolved: Solved by Anna@desk · just now · 24 Nov 2026, 09:00 Note sent again by hand" in text_of(page)
    assert "sent again\nby hand</p>" in page.text
    shown = (await browser.get("/api/ticket/t-late")).json()
    assert (shown["resolved_by"], shown["note"]) == ("Anna@desk", "sent again\nby hand")


async def test_who_has_no_name_yet_gives_it_with_the_claim(browser: Browser, queue: MemoryQueue) -> None:
    await browser.get("/queue/service")
    nameless = await browser.post("/queue/service/take")
    assert nameless.headers["location"] == "/me?next=%2Fqueue%2Fservice"
    assert (await browser.post("/ticket/t-soon/claim")).headers["location"] == "/me?next=%2Fticket%2Ft-soon"
    answer = await browser.post("/ticket/t-soon/claim", name="Ben")
    assert answer.headers["location"] == "/ticket/t-soon?said=claimed"
    assert queue.tickets["t-soon"].lease is not None
    assert queue.tickets["t-soon"].lease.holder == "Ben@desk"
    assert "You are working on this" in (await browser.get("/ticket/t-soon")).text


async def test_hand_over_needs_a_department_and_a_reason(browser: Browser, queue: MemoryQueue) -> None:
    await browser.come_in()
    await browser.post("/queue/service/take")
    wrong = await browser.post("/ticket/t-late/transfer", token="1", to="nobody", reason="  ")
    assert wrong.status_code == 422
    assert "Choose the department that should have it." in wrong.text
    assert "Say why, so that the next department can begin at once." in wrong.text
    kept = await browser.post("/ticket/t-late/transfer", token="1", to="", reason="a journalist")
    assert ">a journalist</textarea>" in kept.text
    long = await browser.post("/ticket/t-late/transfer", token="1", to="pr", reason="x" * 501)
    assert "At most 500 characters, please." in long.text
    done = await browser.post("/ticket/t-late/transfer", token="1", to="pr", reason="a journalist")
    assert done.headers["location"] == "/queue/service?said=transferred"
    assert queue.calls[-1] == ("transfer", "demo", "t-late", 1, "pr", "a journalist", False)
    assert "wrongly routed" not in (await browser.get("/ticket/t-late")).text


@pytest.mark.parametrize(
    ("language", "question", "shown"),
    [
        ("en", "Wrongly routed - not ours", "wrongly routed"),
        ("de", "Falsch zugeordnet – gehört nicht zu uns", "falsch zugeordnet"),
    ],
)
async def test_a_box_says_that_a_ticket_was_routed_wrongly(
    browser: Browser, queue: MemoryQueue, language: str, question: str, shown: str
) -> None:
    await browser.come_in()
    await browser.post("/queue/service/take")
    page = await browser.get(f"/ticket/t-late?lang={language}")
    box = re.search(
        r'<label class="check"><input type="checkbox" name="misrouted" value="yes"([^>]*)> ([^<]*)<', page.text
    )
    assert box is not None
    assert (box[1], unescape(box[2])) == ("", question)
    kept = await browser.post("/ticket/t-late/transfer", token="1", to="", reason="a job", misrouted="yes")
    assert 'name="misrouted" value="yes" checked>' in kept.text, "a mistake in another field loses nothing"
    await browser.post("/ticket/t-late/transfer", token="1", to="pr", reason="a job", misrouted="yes")
    assert queue.calls[-1] == ("transfer", "demo", "t-late", 1, "pr", "a job", True)
    assert f"Anna@desk · {'just now' if language == 'en' else 'gerade eben'} · {shown} a job" in text_of(
        await browser.get("/ticket/t-late")
    )
    assert (await browser.get("/api/ticket/t-late")).json()["handovers"][0]["misrouted"] is True


async def test_the_receiving_department_reads_who_handed_it_over_and_why(browser: Browser) -> None:
    await browser.come_in()
    await browser.post("/queue/service/take")
    reason = "a <b>journalist</b> asks, " + "and asks again, " * 20
    await browser.post("/ticket/t-late/transfer", token="1", to="pr", reason=reason)
    row = text_of(await browser.get("/queue/pr"))
    assert "from Service: a <b>journalist</b> asks, and asks again" in row
    assert row.count("and asks again") < 10, "a list shows the start"
    assert "von Service: a <b>" in text_of(await browser.get("/queue/pr?lang=de"))
    page = await browser.get("/ticket/t-late?lang=en")
    assert f"Handed over from Service Anna@desk · just now {reason.strip()}" in text_of(page)
    assert "<b>journalist" not in page.text
    (step,) = (await browser.get("/api/ticket/t-late")).json()["handovers"]
    assert step == {
        "from_department": "service", "to_department": "pr", "holder": "Anna@desk", "reason": reason.strip(),
        "at": "2026-11-24T09:00:00Z", "misrouted": False,
    }  # fmt: skip
    assert (await browser.get("/api/queue/pr")).json()[0]["handovers"] == [step]

    await browser.post("/ticket/t-late/claim")
    await browser.post("/ticket/t-late/transfer", token="2", to="sales", reason="wants to buy")
    read = text_of(await browser.get("/ticket/t-late"))
    assert read.index("Handed over from PR") < read.index("wants to buy") < read.index("1 earlier hand-over")
    assert "Service → PR · Anna@desk · just now a <b>journalist" in read
    assert "from PR: wants to buy" in text_of(await browser.get("/queue/sales"))
    assert "handed over 2 times" in text_of(await browser.get("/queue/sales"))


async def test_give_back_and_extend(browser: Browser, queue: MemoryQueue) -> None:
    await browser.come_in()
    await browser.post("/ticket/t-calm/claim")
    assert (await browser.post("/ticket/t-calm/extend", token="1")).headers[
        "location"
    ] == "/ticket/t-calm?said=extended"
    assert (await browser.post("/ticket/t-calm/release", token="1", reason="x" * 501)).status_code == 422
    answer = await browser.post("/ticket/t-calm/release", token="1", reason="not today")
    assert answer.headers["location"] == "/queue/service?said=released"
    assert queue.calls[-1] == ("release", "demo", "t-calm", 1, "not today")


async def test_an_outcome_is_needed_and_only_an_author_withdraws(browser: Browser) -> None:
    await browser.come_in()
    await browser.post("/queue/service/take")
    for outcome in ("", "withdrawn", "bogus"):
        answer = await browser.post("/ticket/t-late/resolve", token="1", outcome=outcome, note="kept text")
        assert answer.status_code == 422
        assert "Choose how it ended." in answer.text
        assert ">kept text</textarea>" in answer.text
    long = await browser.post("/ticket/t-late/resolve", token="1", outcome="solved", note="ä" * 2001)
    assert (long.status_code, "At most 2,000 characters, please." in long.text) == (422, True)
    whole = await browser.post("/ticket/t-late/resolve", token="1", outcome="solved", note="🚆" * 2000)
    assert whole.status_code == 303, "the longest note fits into the largest form"


async def test_resolve_and_take_the_next(browser: Browser, queue: MemoryQueue) -> None:
    await browser.come_in()
    await browser.post("/queue/service/take")
    answer = await browser.post("/ticket/t-late/resolve", token="1", outcome="answered", next="take")
    assert answer.headers["location"] == "/ticket/t-soon?said=claimed"
    queue.away_after = "claim"
    answer = await browser.post("/ticket/t-soon/resolve", token="2", outcome="answered", next="take")
    assert answer.headers["location"] == "/queue/service?said=resolved", "what was done is not reported as failed"


async def test_a_refusal_says_what_happened_and_keeps_what_was_typed(browser: Browser, queue: MemoryQueue) -> None:
    await browser.come_in()
    await browser.post("/queue/service/take")
    answer = await browser.post("/ticket/t-late/resolve", token="7", outcome="solved", note="my <long> answer")
    assert answer.status_code == 409
    assert "Somebody else has this ticket now" in answer.text
    assert ">my &lt;long&gt; answer</textarea>" in answer.text
    queue._put(queue.tickets["t-late"], status=TicketStatus.WAITING, lease=None)
    answer = await browser.post("/ticket/t-late/extend", token="1")
    assert (answer.status_code, "Your lease has run out" in answer.text) == (409, True)
    await browser.post("/ticket/t-late/claim")
    answer = await browser.post("/ticket/t-late/claim")
    assert (answer.status_code, "Somebody else was faster" in answer.text) == (409, True)


@pytest.mark.parametrize("token", ["", "x", "-1", "1.0", "٣", "9" * 30])
async def test_a_broken_token_acts_on_nothing(browser: Browser, queue: MemoryQueue, token: str) -> None:
    await browser.come_in()
    await browser.post("/queue/service/take")
    before = len([call for call in queue.calls if call[0] == "resolve"])
    assert (await browser.post("/ticket/t-late/resolve", token=token, outcome="solved")).status_code == 200
    assert len([call for call in queue.calls if call[0] == "resolve"]) == before


async def test_only_the_holder_sees_the_token(browser: Browser, make_settings: Any) -> None:
    await browser.come_in()
    await browser.post("/queue/service/take")
    await browser.post("/me", name="Ben")
    page = await browser.get("/ticket/t-late")
    assert "Anna@desk" in page.text
    assert 'name="token"' not in page.text
    lease = (await browser.get("/api/ticket/t-late")).json()["lease"]
    assert lease.keys() == {"holder", "until"}


# --- Fences


def posting_routes(app: FastAPI) -> set[str]:
    """The paths of all routes that take POST, from the application itself."""
    paths: set[str] = set()
    pending = [*app.router.routes]
    while pending:
        route: Any = pending.pop()
        inner = getattr(route, "original_router", None) or getattr(getattr(route, "app", None), "router", None)
        pending += [*inner.routes] if inner is not None else []
        if "POST" in (getattr(route, "methods", None) or ()):
            paths.add(route.path)
    return paths


async def test_every_form_is_refused_without_its_token(browser: Browser, queue: MemoryQueue) -> None:
    await browser.come_in()
    app = browser.http._transport.app  # type: ignore[attr-defined]
    paths = posting_routes(app)
    assert len(paths) == 8, paths
    before = dict(queue.tickets)
    for path in sorted(paths):
        path = path.replace("{department}", "service").replace("{ticket_id}", "t-soon")
        for data in ({}, {"csrf": ""}, {"csrf": "0" * 64}):
            answer = await browser.http.post(path, data={"name": "Eve", "token": "1", **data})
            assert answer.status_code == 403, path
            assert "This form is no longer valid" in answer.text
        elsewhere = {"origin": "http://evil.example"}
        assert (await browser.http.post(path, data={"csrf": browser.csrf}, headers=elsewhere)).status_code == 403
    assert queue.tickets == before


async def test_a_token_without_its_session_is_refused(browser: Browser) -> None:
    await browser.come_in()
    browser.http.cookies.delete("silofrei_session")
    assert (await browser.post("/queue/service/take")).status_code == 403


async def test_a_refused_form_gives_back_what_was_typed(browser: Browser) -> None:
    await browser.come_in()
    answer = await browser.http.post("/ticket/t-soon/resolve", data={"csrf": "old", "note": "two hours of work"})
    assert "two hours of work" in answer.text
    assert 'href="/ticket/t-soon"' in answer.text


async def test_forms_of_other_kinds_and_sizes_are_refused(browser: Browser) -> None:
    await browser.come_in()
    post = browser.http.post
    assert (await post("/me", json={"csrf": browser.csrf})).status_code == 415
    assert (await post("/me", files={"csrf": b"x"})).status_code == 415
    assert (await post("/me", data={"csrf": browser.csrf, "name": "x" * 70_000})).status_code == 413
    form = {"content-type": "application/x-www-form-urlencoded"}
    assert (await post("/me", content=b"csrf=\xff", headers=form)).status_code == 400
    assert (await post("/me", content="&".join(["a=1"] * 99).encode(), headers=form)).status_code == 400


@pytest.mark.parametrize("path", ["/", "/queue/service", "/nowhere", "/static/desk.css", "/api/queues", "/healthz"])
async def test_every_answer_carries_the_fences(browser: Browser, path: str) -> None:
    answer = await browser.get(path)
    assert {name: answer.headers[name] for name in HEADERS} == HEADERS
    assert "'unsafe" not in answer.headers["content-security-policy"]


class CodeFinder(HTMLParser):
    """Finds whatever the security policy would block, or would fetch from elsewhere."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attributes}
        if tag in ("style", "base", "iframe", "object") or (tag == "script" and "src" not in values):
            self.found.append(tag)
        for name, value in values.items():
            fetched = name in ("src", "action") or (name == "href" and tag == "link")
            if name == "style" or name.startswith("on") or (fetched and not re.match("/[^/]", value)):
                self.found.append(f"{tag} {name}={value}")


async def test_pages_have_no_inline_code_and_nothing_from_elsewhere(browser: Browser) -> None:
    await browser.come_in()
    await browser.post("/queue/service/take")
    for path in ("/", "/queue/service", "/ticket/t-late", "/ticket/t-soon", "/report", "/me", "/queue/hr", "/nowhere"):
        finder = CodeFinder()
        finder.feed((await browser.get(path)).text)
        assert finder.found == [], path


async def test_other_host_names_are_refused(browser: Browser) -> None:
    for host in ("evil.example", "127.0.0.1.evil.example", "192.168.0.7:8080", ""):
        answer = await browser.http.get("/", headers={"host": host})
        assert answer.status_code == 421
        assert "set-cookie" not in answer.headers
        assert answer.headers["x-frame-options"] == "DENY"
    for host in ("127.0.0.1:8080", "[::1]:8080", "localhost"):
        assert (await browser.http.get("/", headers={"host": host})).status_code == 200


async def test_cookies_are_out_of_reach_of_scripts_and_other_sites(browser: Browser) -> None:
    session = (await browser.get("/?lang=de")).headers.get_list("set-cookie")
    assert len(session) == 2
    assert all("HttpOnly" in cookie and "SameSite=" in cookie for cookie in session)
    assert [cookie for cookie in session if "silofrei_session" in cookie and "SameSite=strict" in cookie]


async def test_an_arrival_from_another_site_does_not_start_a_new_session(browser: Browser) -> None:
    arrival = {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate"}
    answer = await browser.get("/queue/service?page=1", headers=arrival)
    assert 'content="0; url=/queue/service?page=1"' in answer.text
    assert "set-cookie" not in answer.headers
    hostile = await browser.http.get("http://localhost:8080//evil.example/", headers=arrival)
    assert 'content="0; url=/"' in hostile.text


async def test_secrets_of_several_processes_can_be_the_same(make_settings: Any, queue: MemoryQueue) -> None:
    shared = make_settings(desk_secret="long and random")
    one = Browser(create_app(shared, Config(), queue, report, lambda: NOW), queue)  # type: ignore[arg-type]
    two = Browser(create_app(shared, Config(), queue, report, lambda: NOW), queue)  # type: ignore[arg-type]
    await one.come_in()
    two.http.cookies, two.csrf = one.http.cookies, one.csrf
    assert (await two.post("/queue/service/take")).status_code == 303
    empty = make_settings(desk_secret="")
    three, four = (
        Browser(create_app(empty, Config(), queue, report, lambda: NOW), queue)  # type: ignore[arg-type]
        for _ in range(2)
    )
    await three.come_in()
    four.http.cookies, four.csrf = three.http.cookies, three.csrf
    assert (await four.post("/queue/service/take")).status_code == 403, "an empty secret must not be a known key"


# --- Confidential departments


async def test_a_confidential_queue_opens_after_the_person_chose_it(browser: Browser) -> None:
    await browser.come_in()
    for path in ("/queue/hr", "/ticket/t-job"):
        answer = await browser.get(path)
        assert answer.status_code == 403
        assert "no sign-in yet, so Silofrei cannot check that" in answer.text
        assert SECRET not in answer.text
    assert (await browser.post("/queue/hr/take")).status_code == 403
    assert (await browser.post("/ticket/t-job/claim")).status_code == 403
    assert browser.queue.tickets["t-job"].status is TicketStatus.WAITING
    answer = await browser.post("/me/departments", mine="hr", next="/queue/hr")
    assert answer.headers["location"] == "/queue/hr"
    assert SECRET in (await browser.get("/queue/hr")).text
    assert "could read it" in (await browser.get("/ticket/t-job")).text


async def test_the_reason_of_a_confidential_hand_over_is_for_its_sides_and_the_holder(
    browser: Browser, queue: MemoryQueue
) -> None:
    await browser.come_in()
    await browser.post("/me/departments", mine="hr", next="/")
    for token, (source, to) in enumerate((("hr", "service"), ("service", "hr"), ("hr", "pr")), 1):
        assert (await browser.post("/ticket/t-job/claim")).status_code == 303
        await browser.post("/ticket/t-job/transfer", token=str(token), to=to, reason=f"secret of {source}")
    read = text_of(await browser.get("/ticket/t-job"))
    assert read.count("secret of") == 3, "who works there reads all"
    assert "from HR: secret of hr" in text_of(await browser.get("/queue/pr"))

    browser.http.cookies.delete("silofrei_mine")
    row = text_of(await browser.get("/queue/pr"))
    assert "from HR" in row
    read = text_of(await browser.get("/ticket/t-job"))
    assert "Handed over from HR Anna@desk" in read
    assert "The reason is confidential; whoever holds the ticket reads it here." in read
    assert "Service → HR · Anna@desk · just now The reason is confidential." in read
    api = [(await browser.get(path)).json() for path in ("/api/queue/pr", "/api/ticket/t-job")]
    assert [step["reason"] for step in api[0][0]["handovers"] + api[1]["handovers"]] == [""] * 6
    assert "secret of" not in row + read

    await browser.post("/ticket/t-job/claim")
    read = text_of(await browser.get("/ticket/t-job"))
    assert read.count("secret of hr") == 1, "the reason was written for whoever takes it"
    assert "secret of service" not in read
    assert "secret of" not in text_of(await browser.get("/queue/pr")) + text_of(await browser.get("/"))
    await browser.post("/me", name="Ben")
    assert "secret of" not in (await browser.get("/ticket/t-job")).text


async def test_a_name_alone_opens_no_confidential_ticket(browser: Browser, queue: MemoryQueue) -> None:
    await browser.come_in()
    lease = Lease(holder="Anna@desk", token=9, until=NOW + timedelta(minutes=5))
    queue._put(queue.tickets["t-job"], status=TicketStatus.CLAIMED, lease=lease)
    assert SECRET not in (await browser.get("/")).text
    await browser.post("/me/departments", mine="hr", next="/")
    assert SECRET in (await browser.get("/")).text


async def test_the_api_keeps_confidential_texts(browser: Browser) -> None:
    await browser.come_in()
    await browser.post("/me/departments", mine="hr", next="/")
    for path in ("/api/queue/hr", "/api/ticket/t-job"):
        answer = await browser.get(path)
        assert answer.status_code == 403
        assert "confidential" in answer.json()["error"]


# --- API and probes


async def test_the_api_lists_queues_and_tickets(browser: Browser) -> None:
    queues = {line["department"]: line for line in (await browser.get("/api/queues")).json()}
    assert list(queues) == ["service", "sales", "hr", "pr", "triage"]
    assert queues["service"]["waiting"] == 3
    assert queues["service"]["overdue"] == 1
    assert queues["service"]["next_due_at"] == "2026-11-24T08:30:00Z"
    assert queues["triage"]["next_due_at"] is None
    assert queues["hr"]["confidential"] is True
    listed = (await browser.get("/api/queue/service?limit=2&offset=1")).json()
    assert [one["id"] for one in listed] == ["t-soon", "t-calm"]
    one = (await browser.get("/api/ticket/t-soon")).json()
    assert Ticket.model_validate(one).mentions[0].mention.text == "Paket fehlt"
    assert (await browser.get("/counts")).json()["service"] == {"waiting": 3, "claimed": 0, "overdue": 1}


async def test_the_api_says_what_is_wrong(browser: Browser) -> None:
    for path, status, words in (
        ("/api/queue/nothing", 404, "use one of service, sales, hr, pr, triage"),
        ("/api/ticket/t-none", 404, "there is no ticket t-none of brand demo"),
        ("/api/queues?brand=other", 404, "unknown brand 'other'; use one of demo"),
        ("/api/queue/service?limit=0", 422, "limit"),
        ("/api/nothing", 404, "Not Found"),
    ):
        answer = await browser.get(path)
        assert answer.status_code == status
        assert words in answer.json()["error"]


async def test_the_api_describes_itself_without_pages_from_elsewhere(browser: Browser) -> None:
    described = (await browser.get("/api/openapi.json")).json()
    assert set(described["paths"]) == {"/healthz", "/api/queues", "/api/queue/{department}", "/api/ticket/{ticket_id}"}
    assert (await browser.get("/docs")).status_code == 404


# --- Redis away, and mistakes of our own


async def test_pages_while_redis_is_away(browser: Browser, queue: MemoryQueue) -> None:
    await browser.come_in()
    await browser.post("/queue/service/take")
    queue.away = True
    for path in ("/", "/queue/service", "/ticket/t-late"):
        answer = await browser.get(path)
        assert answer.status_code == 503
        assert answer.headers["retry-after"] == "5"
        assert '<meta http-equiv="refresh" content="5">' in answer.text
        assert "Nothing is lost" in answer.text
    answer = await browser.post("/ticket/t-late/resolve", token="1", outcome="solved", note="my text")
    assert answer.status_code == 503
    assert "It is not known whether that was done" in answer.text
    assert "my text" in answer.text
    assert "http-equiv" not in answer.text, "a form is not sent again by itself"
    for path in ("/counts", "/api/queues"):
        assert (await browser.get(path)).json() == {"error": "Redis does not answer; ask again soon"}
    health = await browser.get("/healthz")
    assert (health.status_code, health.json()) == (200, {"status": "degraded", "redis": "away"})
    assert (await browser.get("/report")).status_code == 200, "the ledger is still there"
    assert (await browser.get("/nowhere")).status_code == 404
    queue.away = False
    assert (await browser.get("/healthz")).json() == {"status": "ok", "redis": "up"}


async def test_a_mistake_of_ours_shows_no_traceback(browser: Browser, monkeypatch: pytest.MonkeyPatch) -> None:
    async def broken(*_: Any, **__: Any) -> Any:
        raise KeyError(SECRET)

    monkeypatch.setattr(browser.queue, "waiting", broken)
    answer = await browser.get("/queue/service")
    assert answer.status_code == 500
    assert "That is our mistake" in answer.text
    assert SECRET not in answer.text
    assert "KeyError" not in answer.text
    assert answer.headers["content-security-policy"] == HEADERS["Content-Security-Policy"]
    assert (await browser.get("/api/queue/service")).json() == {"error": "unexpected error; the desk's log has it"}


async def test_the_queue_is_closed_at_the_end(browser: Browser, queue: MemoryQueue) -> None:
    app = browser.http._transport.app  # type: ignore[attr-defined]
    async with app.router.lifespan_context(app):
        assert not queue.closed
    assert queue.closed


# --- Several brands


async def test_brands_do_not_mix(queue: MemoryQueue, make_settings: Any) -> None:
    other = ticket("other")
    queue.tickets["t-other"] = other.model_copy(update={"brand": "acme"})
    config = Config(brands=("demo", "acme"))
    browser = Browser(create_app(make_settings(), config, queue, report, lambda: NOW), queue)  # type: ignore[arg-type]
    await browser.come_in()
    assert 'href="/queue/service?brand=demo"' in (await browser.get("/")).text
    assert (await browser.get("/ticket/t-other")).status_code == 404
    page = await browser.get("/queue/service?brand=acme")
    assert 'action="/queue/service/take?brand=acme"' in page.text
    assert "Author other" in page.text
    await browser.get("/?brand=demo")
    answer = await browser.post("/queue/service/take?brand=acme")
    assert answer.headers["location"] == "/ticket/t-other?said=claimed&brand=acme", (
        "the tab's brand wins over the cookie"
    )
    assert (await browser.get("/?brand=nope")).status_code == 200


# --- The report


async def test_the_report_page(queue: MemoryQueue, make_settings: Any) -> None:
    asked: list[tuple[Any, ...]] = []
    config = Config(departments={"shop": Department(title=Title(de="Laden <x>", en="Shop <x>"))})
    figures = Figures(
        opened=12, mentions=15, open_now=3, overdue_now=1, resolved=9, ping_pong=1,
        first_claim=Spread(count=10, median=90.0, p90=4000.0), resolution=Spread(),
        deadlines=Share(part=8, whole=10), first_touch=Share(), outcomes={Outcome.SOLVED: 5, Outcome.LEAD: 4},
    )  # fmt: skip

    def source(brand: str, since: datetime | None, until: datetime | None) -> Report:
        asked.append((brand, since, until))
        return Report(
            brand=brand, since=since, until=until, as_of=NOW, last_event_at=NOW, total=figures, lost=2,
            departments=({"department": "service", "figures": figures}, {"department": "shop", "figures": Figures()}),
            handovers=(HandOver(from_department="service", to_department="shop", count=4),),
            discarded={DiscardReason.RULE: 3},
        )  # fmt: skip

    browser = Browser(create_app(make_settings(), config, queue, source, lambda: NOW), queue)  # type: ignore[arg-type]
    read = text_of(await browser.get("/report?period=week"))
    assert asked == [("demo", datetime(2026, 11, 18, tzinfo=UTC), None)]
    for words in (
        "1 min p90 1 hr 6 mins", "80% 8 of 10", "Shop <x>", "2 records were deleted", "Solved 5 Lead 4", "By a rule 3",
        "1 ticket came back", "Newest event on record: 24 Nov 2026, 09:00.",
    ):  # fmt: skip
        assert words in read
    await browser.get("/report?first=2026-11-01&last=2026-11-02")
    assert asked[-1] == ("demo", datetime(2026, 11, 1, tzinfo=UTC), datetime(2026, 11, 3, tzinfo=UTC))
    wrong = await browser.get("/report?first=yesterday")
    assert (wrong.status_code, "such as 2026-11-24" in wrong.text) == (422, True)
    assert (await browser.get("/report?first=2026-11-02&last=2026-11-01")).status_code == 422
    for day in ("0001-01-01", "9999-12-31", "2026-02-30"):
        assert (await browser.get(f"/report?first={day}&last={day}")).status_code == 422


async def test_a_ledger_that_cannot_be_read_is_told(queue: MemoryQueue, make_settings: Any) -> None:
    def source(*_: Any) -> Report:
        raise ConfigurationError("/ledger: the ledger has a damaged file; restore it")

    browser = Browser(create_app(make_settings(), Config(), queue, source, lambda: NOW), queue)  # type: ignore[arg-type]
    answer = await browser.get("/report")
    assert answer.status_code == 500
    assert "The ledger cannot be read" in answer.text
    assert "restore it" in answer.text


def test_the_period_of_an_address() -> None:
    today = NOW.date()
    assert choose_period("", "", "", today).name == "month"
    assert choose_period("all", "", "", today).first is None
    assert choose_period("today", "", "", today).first == today
    assert choose_period("bogus", "", "", today).name == "month"
    assert choose_period("week", "2026-01-01", "", today).name == ""


def test_the_matrix_has_the_same_order_both_ways() -> None:
    pairs = [
        HandOver(from_department="a", to_department="b", count=10),
        HandOver(from_department="b", to_department="a", count=1),
    ]
    rows = matrix(["a", "b"], pairs)
    assert [(row.department, row.cells) for row in rows] == [("a", ((0, 0), (10, 5))), ("b", ((1, 1), (0, 0)))]
    assert matrix(["a", "b"], []) == []


# --- Start


@pytest.mark.parametrize("host", ["0.0.0.0", "192.168.1.5", "desk.example", "::", ""])  # noqa: S104 - it must be refused
def test_the_desk_refuses_to_be_reached_from_elsewhere(
    make_settings: Any, monkeypatch: pytest.MonkeyPatch, host: str
) -> None:
    monkeypatch.setattr(desk_app, "uvicorn", None)
    with pytest.raises(ConfigurationError, match=r"SILOFREI_DESK_HOST=.*no sign-in.*127\.0\.0\.1"):
        run_desk(make_settings(desk_host=host), Config())
