"""A running desk over a real Redis with a morning's tickets in it, and a browser in front."""

import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from silofrei.deploy.local.redis import LocalRedis, redis_missing
from silofrei.routing.queue import Effect, TicketQueue
from silofrei.schemas.classification import Classification, Evidence, Scores
from silofrei.schemas.decision import RoutingDecision
from silofrei.schemas.mention import Author, Engagement, Media, Mention, MentionCreated, MentionDeleted, MentionEdited
from silofrei.schemas.names import TRIAGE, Channel, Label, Language, MentionKind, Priority
from silofrei.schemas.settings import PREFIX, load_settings

ROOT = Path(__file__).parents[2]
SCREENSHOTS = ROOT / "screenshots"
BRAND = "demo"
ATTACK = '<script>document.title="owned"</script> "><img src=x onerror="document.title=\'owned\'"> {{7*7}} & Grüße'

CHROMIUM = (
    *("--no-sandbox", "--headless=new", "--disable-gpu", "--disable-background-networking", "--no-first-run"),
    *("--disable-component-update", "--disable-sync", "--disable-quic"),
)


def missing(reason: str) -> None:
    """Skips, or fails where CI=true."""
    if os.environ.get("CI") == "true":
        pytest.fail(f"CI must have all services: {reason}")
    pytest.skip(reason)


# --- Tickets


def mention(native: str, text: str, author: Author, now: datetime, *, ago: float, **more: Any) -> Mention:
    """A mention that was posted `ago` minutes before `now`."""
    channel = more.pop("channel", Channel.FACEBOOK)
    posted = now - timedelta(minutes=ago)
    values: dict[str, Any] = {
        "id": f"{channel.value}:{native}",
        "thread_id": f"{channel.value}:{more.pop('thread', native)}",
        "kind": MentionKind.COMMENT,
        "permalink": f"https://social.example/{channel.value}/{native}",
        "language": "de",
    }
    return Mention(
        brand=BRAND, channel=channel, author=author, text=text, created_at=posted, received_at=posted, **(values | more)
    )


def routed(
    said: Mention,
    department: str,
    scores: tuple[float, float, float, float, float],
    *,
    due: float,
    words: tuple[str, ...] = (),
    rule: str = "model",
    priority: Priority = Priority.NORMAL,
    collaborators: tuple[str, ...] = (),
) -> Effect:
    """What opens or continues a ticket: due in so many minutes, with the words that spoke for the best label."""
    values = dict(zip(("service", "sales", "hr", "pr", "none"), scores, strict=True))
    label = Label(max(values, key=lambda name: values[name]))
    evidence = tuple(
        Evidence(start=said.text.index(word), end=said.text.index(word) + len(word), text=word, label=label, weight=w)
        for word, w in zip(words, (2.1, 1.6, 1.2, 0.9, 0.5), strict=False)
    )
    classification = Classification(
        label=label,
        scores=Scores(**values),
        language=Language.ENGLISH if said.language == "en" else Language.GERMAN,
        abstained=rule == "unsure",
        evidence=evidence,
        model="linear-2026.11-1a2b3c4d",
    )
    decision = RoutingDecision(
        department=department,
        collaborators=collaborators,
        priority=priority,
        due_at=datetime.now(UTC) + timedelta(minutes=due),
        rule=rule,
    )
    return Effect(MentionCreated(mention=said), classification, decision)


def morning(now: datetime) -> list[Effect]:
    """Tickets as a morning brings them, German and English, in all queues."""
    jana = Author(id="9001", handle="jana.k", name="Jana Krämer", followers=212)
    tom = Author(id="9002", handle="tomwrites", name="Tom Ashworth", followers=184_000)
    review = Author(id="9003", name="Bernd S.")
    mallory = Author(id="9004", handle="mallory", name="<b>Mallory</b>")
    anyone = Author(id="9005", handle="k_loewe", name="Kira Löwe", followers=57)
    rail = mention(
        "101",
        "Seit drei Tagen warte ich auf mein Paket, die Sendungsverfolgung steht still und am Telefon hängt man ewig. "
        "Bestellung 48812, bitte kümmert euch endlich!",
        jana,
        now,
        ago=252,
        engagement=Engagement(likes=14, replies=3),
    )
    follow = mention("102", "Hallo? Ist da jemand?", jana, now, ago=31, thread="101")
    taken_back = mention("103", "Ihr seid echt das Letzte.", jana, now, ago=30, thread="101")
    mended = mention("102", "Hallo, ist da jemand? Ich brauche das Paket bis Freitag.", jana, now, ago=31, thread="101")
    effects = [
        routed(rail, "service", (0.91, 0.04, 0.01, 0.03, 0.01), due=-12,
               words=("warte ich auf mein Paket", "Sendungsverfolgung", "Bestellung"), priority=Priority.HIGH,
               collaborators=("pr",)),
        routed(follow, "service", (0.6, 0.1, 0.1, 0.1, 0.1), due=120),
        routed(taken_back, "service", (0.6, 0.1, 0.1, 0.1, 0.1), due=120),
        Effect(MentionEdited(mention=mended, revision="2"), *_again(mended)),
        Effect(MentionDeleted(mention_id="facebook:103", brand=BRAND, channel=Channel.FACEBOOK, deleted_at=now)),
        routed(mention("110", ATTACK, mallory, now, ago=44, permalink="javascript:alert(1)"), "service",
               (0.52, 0.2, 0.08, 0.1, 0.1), due=16, words=("script",)),
        routed(mention("111", "The app logs me out every single time I open it. Pixel 9, newest version. Anyone there?",
                       Author(id="9006", handle="@dee_codes", name="Dee"), now, ago=75, channel=Channel.X, language="en",
                       kind=MentionKind.POST), "service", (0.88, 0.03, 0.01, 0.05, 0.03), due=48,
               words=("logs me out", "app")),
        routed(mention("112", "Akku nach vier Monaten tot, Umtausch abgelehnt. Nie wieder.", review, now, ago=130,
                       channel=Channel.TRUSTPILOT, kind=MentionKind.REVIEW, rating=1.0), "service",
               (0.82, 0.08, 0.0, 0.06, 0.04), due=110, words=("Umtausch abgelehnt", "Akku"), priority=Priority.HIGH),
        routed(mention("113", "Wie stelle ich denn die Sprache der Anzeige um? In der Anleitung finde ich nichts.", anyone,
                       now, ago=9, channel=Channel.MASTODON, kind=MentionKind.POST), "service",
               (0.79, 0.12, 0.01, 0.02, 0.06), due=231, words=("Anleitung", "stelle ich")),
        routed(mention("120", "Gibt's das Trekkingrad auch in Rahmenhöhe 58? Und liefert ihr nach Österreich?", anyone, now,
                       ago=22, channel=Channel.INSTAGRAM), "sales", (0.07, 0.86, 0.01, 0.02, 0.04), due=458,
               words=("Gibt's", "liefert ihr")),
        routed(mention("121", "We need 40 bikes for our staff by May. Who do I talk to about a corporate rate?",
                       Author(id="9007", handle="northmill", name="Northmill Logistics", followers=3120), now, ago=61,
                       language="en", kind=MentionKind.MESSAGE, media=(Media(type="file", url="https://a.example/f"),)),
               "sales", (0.05, 0.9, 0.02, 0.02, 0.01), due=200, words=("corporate rate", "We need 40"),
               priority=Priority.HIGH, rule="big-orders"),
        routed(mention("130", "Ich habe mich vor sechs Wochen beworben und nie eine Antwort bekommen. Ist die Stelle noch frei?",
                       Author(id="9008", name="M. Yıldız"), now, ago=300, kind=MentionKind.MESSAGE), "hr",
               (0.06, 0.02, 0.88, 0.02, 0.02), due=2300, words=("beworben", "Stelle")),
        routed(mention("140", "Writing about the recall for Saturday's paper. Who can give me a statement by 4 pm?", tom, now,
                       ago=18, channel=Channel.X, language="en", kind=MentionKind.POST,
                       engagement=Engagement(likes=312, shares=87, replies=41)), "pr", (0.08, 0.01, 0.02, 0.86, 0.03),
               due=75, words=("statement", "recall"), priority=Priority.CRITICAL, rule="press-first",
               collaborators=("service",)),
        routed(mention("150", "Na toll. Und jetzt?", Author(id="9010", handle="ohne_namen"), now, ago=11,
                       channel=Channel.MASTODON, kind=MentionKind.POST), TRIAGE, (0.31, 0.12, 0.06, 0.28, 0.23), due=49,
               rule="unsure"),
    ]  # fmt: skip
    many = [
        routed(mention(f"16{n:02}", f"Zug {2300 + n} wieder {n + 5} Minuten zu spät, Anschluss in Fulda weg.",
                       Author(id=f"92{n:02}", handle=f"pendler_{n}"), now, ago=20 + n), "service",
               (0.83, 0.02, 0.0, 0.12, 0.03), due=130 + 7 * n, words=("zu spät",))
        for n in range(60)
    ]  # fmt: skip
    return effects + many


def _again(said: Mention) -> tuple[Classification | None, Any]:
    effect = routed(said, "service", (0.7, 0.1, 0.1, 0.05, 0.05), due=120)
    return effect.classification, effect.decision


# --- What runs


@pytest.fixture(scope="session")
def desk_redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalRedis]:
    """A Redis for the browser tests alone, so that other tests do not empty it under a running desk."""
    reason = redis_missing()
    if reason:
        missing(reason)
    server = LocalRedis(tmp_path_factory.mktemp("desk-redis"))
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def desk(desk_redis: LocalRedis, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a desk that runs as its own process."""
    folder = tmp_path_factory.mktemp("desk")
    log = folder / "desk.log"
    environment = {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)}
    environment |= {
        f"{PREFIX}REDIS": desk_redis.url,
        f"{PREFIX}DATA": str(folder / "data"),
        f"{PREFIX}DESK_PORT": "0",
        "TZ": "Europe/Berlin",
    }
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "silofrei.deploy.cli.main", "desk"],
            cwd=folder, env=environment, stdout=output, stderr=output,
        )  # fmt: skip
    try:
        yield _address(process, log)
    finally:
        process.terminate()
        assert process.wait(15) == 0, log.read_text()


def _address(process: "subprocess.Popen[bytes]", log: Path) -> str:
    end = time.monotonic() + 30
    while time.monotonic() < end:
        found = re.search(r"http://\S+:\d+", log.read_text())
        if found:
            return found[0]
        assert process.poll() is None, log.read_text()
        time.sleep(0.05)
    raise AssertionError(f"the desk did not start: {log.read_text()}")


@pytest_asyncio.fixture
async def queue(desk_redis: LocalRedis, tmp_path: Path) -> AsyncIterator[TicketQueue]:
    """The queue, emptied and filled with a morning's tickets."""
    import redis

    with redis.Redis.from_url(desk_redis.url) as client:
        client.flushall()
    tickets = TicketQueue.connect(load_settings(redis=desk_redis.url, data=tmp_path, _env_file=None))
    await tickets.begin_epoch(BRAND)
    await tickets.apply(BRAND, morning(datetime.now(UTC)))
    yield tickets
    await tickets.close()


# --- The browser


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser() -> AsyncIterator[Any]:
    """Debian's Chromium."""
    from playwright.async_api import async_playwright

    executable = shutil.which("chromium")
    if executable is None:
        missing("Chromium is not installed; on Debian: apt-get install chromium")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=executable, args=list(CHROMIUM))
        yield browser
        await browser.close()


Open = Callable[..., Awaitable[Any]]


@pytest_asyncio.fixture(loop_scope="session")
async def open_page(browser: Any, desk: str, queue: TicketQueue) -> AsyncIterator[Open]:
    """Opens a page in a browser profile of its own; no script error and no request elsewhere may happen in it."""
    contexts: list[Any] = []
    troubles: list[str] = []

    def watch(page: Any) -> None:
        page.on("pageerror", lambda error: troubles.append(f"script error: {error}"))
        page.on(
            "console",
            lambda line: troubles.append(f"console: {line.text}")
            if line.type == "error" and "Failed to load resource" not in line.text
            else None,
        )
        page.on(
            "request", lambda request: None if request.url.startswith(desk) else troubles.append(f"asked {request.url}")
        )

    async def open_(path: str = "/", *, name: str = "", width: int = 1280, height: int = 800, **options: Any) -> Any:
        options = {"locale": "en-GB"} | options
        context = await browser.new_context(base_url=desk, viewport={"width": width, "height": height}, **options)
        contexts.append(context)
        if name:
            await context.add_cookies([{"name": "silofrei_name", "value": name, "url": desk}])
        page = await context.new_page()
        watch(page)
        await page.goto(path)
        return page

    yield open_
    for context in contexts:
        await context.close()
    assert troubles == []
