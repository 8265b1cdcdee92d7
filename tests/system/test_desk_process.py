"""A desk as its own process over a real Redis, met over HTTP alone."""

import asyncio
import re
import signal
import socket
import subprocess
import sys
import time
from html import unescape
from pathlib import Path
from typing import Any

import httpx
import pytest

from silofrei.deploy.local.redis import LocalRedis

TESTS = Path(__file__).parents[1]


def fill(*arguments: str) -> None:
    """Bring a morning's tickets, and where asked a week's ledger."""
    subprocess.run([sys.executable, str(TESTS / "desk_morning.py"), *arguments], check=True, timeout=60)


class Person:
    """Somebody at a browser: keeps cookies, reads pages, fills in the forms that are on them."""

    def __init__(self, address: str, name: str) -> None:
        self.http = httpx.AsyncClient(base_url=address, follow_redirects=True, timeout=20)
        self.name = name
        self.page = ""

    async def open(self, path: str) -> httpx.Response:
        return self._read(await self.http.get(path))

    async def send(self, path: str, **fields: str) -> httpx.Response:
        return self._read(await self.http.post(path, data=self.hidden() | {"name": self.name} | fields))

    def hidden(self) -> dict[str, str]:
        """The hidden fields of the page's forms."""
        return dict(re.findall(r'type="hidden" name="(csrf|token)" value="([^"]+)"', self.page))

    def _read(self, answer: httpx.Response) -> httpx.Response:
        self.page = answer.text
        return answer

    @property
    def read(self) -> str:
        return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]*>", " ", self.page)))

    async def __aenter__(self) -> "Person":
        return self

    async def __aexit__(self, *_: Any) -> None:
        await self.http.aclose()


async def test_take_hand_over_and_resolve_over_http(start_desk: Any, redis_url: str) -> None:
    fill(redis_url)
    address = start_desk(redis_url).address()
    async with Person(address, "Anna") as anna, Person(address, "Ben") as ben:
        await anna.open("/queue/service")
        taken = await anna.send("/queue/service/take")
        ticket = taken.url.path
        assert "Jana Krämer" in anna.read
        assert "Ich brauche das Paket bis Freitag" in anna.read
        assert "das Letzte" not in anna.read, "a deleted text is gone"
        answer = await anna.send(f"{ticket}/transfer", to="pr", reason="A journalist asks")
        assert (answer.status_code, answer.url.path) == (200, "/queue/service")
        await ben.open("/queue/pr")
        assert "Jana Krämer High Facebook DE 3 mentions from Service: A journalist asks" in ben.read
        await ben.send(f"{ticket}/claim")
        assert "You are working on this" in ben.read
        assert "Handed over from Service Anna@desk · just now A journalist asks" in ben.read
        answer = await ben.send(f"{ticket}/resolve", outcome="answered", note="Called back")
        assert "The ticket is resolved." in ben.read
        assert (await ben.http.head(ticket)).status_code == 200
        late = await anna.send(f"{ticket}/resolve", outcome="solved", token="1")
        assert (late.status_code, "This ticket is already resolved" in anna.read) == (409, True)
        state = (await anna.http.get(f"/api{ticket}")).json()
        assert (state["status"], state["outcome"], state["department"]) == ("resolved", "answered", "pr")
        assert (state["resolved_by"], state["note"]) == ("Ben@desk", "Called back")
        (step,) = state["handovers"]
        assert (step["from_department"], step["holder"], step["reason"]) == (
            "service",
            "Anna@desk",
            "A journalist asks",
        )


async def test_many_people_at_once_never_get_the_same_ticket(start_desk: Any, redis_url: str) -> None:
    fill(redis_url)
    address = start_desk(redis_url).address()
    people = [Person(address, f"Person {number}") for number in range(20)]
    await asyncio.gather(*(person.open("/queue/service") for person in people))
    taken = await asyncio.gather(*(person.send("/queue/service/take") for person in people))
    assert len({answer.url.path for answer in taken}) == 20
    assert all(answer.url.path.startswith("/ticket/t-") for answer in taken)
    counts = (await people[0].http.get("/counts")).json()["service"]
    assert (counts["waiting"], counts["claimed"]) == (45, 20)
    await asyncio.gather(*(person.http.aclose() for person in people))


async def test_a_lease_that_ran_out_acts_no_more(start_desk: Any, redis_url: str) -> None:
    fill(redis_url)
    async with Person(start_desk(redis_url, LEASE="5").address(), "Anna") as anna:
        await anna.open("/queue/sales")
        ticket = (await anna.send("/queue/sales/take")).url.path
        await asyncio.sleep(5.2)
        answer = await anna.send(f"{ticket}/resolve", outcome="lead", note="Wants forty bikes")
        assert answer.status_code == 409
        assert "Your lease has run out" in anna.read
        assert "Wants forty bikes" in anna.read
        assert (await anna.http.get(f"/api{ticket}")).json()["status"] == "claimed"


@pytest.mark.usefixtures("redis_server")  # skips where there is no Redis to be had
async def test_redis_away_and_back(start_desk: Any, tmp_path: Path) -> None:
    server = LocalRedis(tmp_path / "redis")
    server.start()
    fill(server.url)
    desk = start_desk(server.url)
    async with Person(desk.address(), "Anna") as anna:
        await anna.open("/queue/service")
        server.stop()
        begin = time.monotonic()
        answer = await anna.open("/queue/service")
        assert answer.status_code == 503
        assert time.monotonic() - begin < 5
        assert "Nothing is lost" in anna.read
        assert (await anna.http.get("/healthz")).json() == {"status": "degraded", "redis": "away"}
        server.start()
        answer = await anna.open("/queue/service")
        assert answer.status_code == 200
        assert "65 waiting" in anna.read
    assert desk.stop()[0] == 0
    server.stop()


async def test_forms_outlive_a_restart_only_with_a_secret(start_desk: Any, redis_url: str) -> None:
    fill(redis_url)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = str(free.getsockname()[1])
    for secret, status in (("", 403), ("long and random", 200)):
        desk = start_desk(redis_url, DESK_PORT=port, DESK_SECRET=secret)
        async with Person(desk.address(), "Anna") as anna:
            await anna.open("/queue/service")
            assert desk.stop()[0] == 0
            desk = start_desk(redis_url, DESK_PORT=port, DESK_SECRET=secret)
            desk.address()
            assert (await anna.send("/queue/service/take")).status_code == status
            assert desk.stop()[0] == 0


async def test_the_report_reads_the_ledger(start_desk: Any, redis_url: str) -> None:
    desk = start_desk(redis_url)
    fill(redis_url, str(desk.data / "ledger"))
    async with Person(desk.address(), "Anna") as anna:
        assert (await anna.open("/report?period=all&lang=de")).status_code == 200
        assert "Tickets 240 240 Erwähnungen" in anna.read
        await anna.open("/report?first=2001-01-01&last=2001-01-02")
        assert "Zu diesem Zeitraum ist noch nichts aufgezeichnet." in anna.read


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_desk_ends_cleanly(start_desk: Any, number: int) -> None:
    desk = start_desk("redis://127.0.0.1:1/0")
    address = desk.address()
    assert httpx.get(f"{address}/healthz").json()["redis"] == "away", "it starts without Redis"
    assert desk.stop(number)[0] == 0


def test_a_wrong_address_is_one_readable_error(start_desk: Any) -> None:
    code, output = start_desk("redis://127.0.0.1:1/0", DESK_HOST="0.0.0.0").ended()  # noqa: S104 - it must be refused
    assert code == 2
    assert output.startswith("silofrei: SILOFREI_DESK_HOST='0.0.0.0': the desk has no sign-in yet")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        code, output = start_desk("redis://127.0.0.1:1/0", DESK_PORT=port).ended()
    assert code == 2
    assert f"SILOFREI_DESK_PORT={port}: cannot listen there: Address already in use; choose another port" in output
