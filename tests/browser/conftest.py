"""A running desk over a real Redis with a morning's tickets in it, and a browser in front."""

import os
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any, NoReturn

import pytest
import pytest_asyncio
import redis

from silofrei.deploy.local.redis import LocalRedis, redis_missing

TESTS = Path(__file__).parents[1]
SCREENSHOTS = TESTS.parent / "screenshots"

CHROMIUM = (
    *("--no-sandbox", "--headless=new", "--disable-gpu", "--disable-background-networking", "--no-first-run"),
    *("--disable-component-update", "--disable-sync", "--disable-quic"),
)


def missing(reason: str) -> NoReturn:
    """Skips, or fails where CI=true."""
    if os.environ.get("CI") == "true":
        pytest.fail(f"CI must have all services: {reason}")
    pytest.skip(reason)


def fill(*arguments: str) -> None:
    """Run the script that brings tickets."""
    subprocess.run([sys.executable, str(TESTS / "desk_morning.py"), *arguments], check=True, timeout=60)


# --- What runs


@pytest.fixture(scope="session")
def desk_redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a Redis for the browser tests alone, so that others do not empty it under a running desk."""
    reason = redis_missing()
    if reason:
        missing(reason)
    server = LocalRedis(tmp_path_factory.mktemp("desk-redis"))
    server.start()
    yield server.url
    server.stop()


@pytest.fixture(scope="session")
def desk(desk_redis: str, start_lasting_desk: Any) -> str:
    """The address of a desk that runs as its own process, with a week in its ledger."""
    running = start_lasting_desk(desk_redis)
    fill(desk_redis, str(running.data / "ledger"))
    return str(running.address())


@pytest.fixture
def tickets(desk_redis: str) -> None:
    """The queues, emptied and filled with a morning's tickets."""
    with redis.Redis.from_url(desk_redis) as client:
        client.flushall()
    fill(desk_redis)


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
async def open_page(browser: Any, desk: str, tickets: None) -> AsyncIterator[Open]:
    """Opens a page in a browser profile of its own; no script error and no request elsewhere may happen in it."""
    contexts: list[Any] = []
    troubles: list[str] = []

    def watch(page: Any) -> None:
        page.on("pageerror", lambda error: troubles.append(f"script error: {error}"))
        page.on(
            "console",
            lambda line: (
                troubles.append(f"console: {line.text}")
                if line.type == "error" and "Failed to load resource" not in line.text
                else None
            ),
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


@pytest.fixture
def shot() -> Callable[[Any, str], Awaitable[None]]:
    """Keeps a picture of a page to look at; nothing on it may be wider than the window."""

    async def shot_(page: Any, name: str) -> None:
        SCREENSHOTS.mkdir(exist_ok=True)
        await page.screenshot(path=SCREENSHOTS / f"{name}.png", full_page=True)
        width = page.viewport_size["width"]
        assert await page.evaluate("document.documentElement.scrollWidth") <= width, f"{name} scrolls sideways"

    return shot_
