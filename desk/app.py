"""The desk's application and how it is served.

`create_app` puts the parts together and does no I/O; `run_desk` opens the port.
"""

import logging
import secrets
import signal
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, tzinfo
from pathlib import Path
from types import MappingProxyType

import uvicorn
from babel.dates import LOCALTZ
from fastapi import FastAPI
from starlette.staticfiles import StaticFiles

from silofrei.desk import actions, api, pages, report_page
from silofrei.desk.frame import Desk, ReportSource, load_templates
from silofrei.desk.guard import FormTokens, Guard, HeadAsGet
from silofrei.desk.problems import add_problem_pages
from silofrei.desk.report import Report, build_report
from silofrei.desk.words import LOCALES, Words
from silofrei.routing.queue.queue import TicketQueue
from silofrei.schemas.config import Config
from silofrei.schemas.loopback import is_loopback
from silofrei.schemas.settings import ConfigurationError, Settings

log = logging.getLogger(__name__)

_STATIC = Path(__file__).parent / "static"


def create_app(
    settings: Settings,
    config: Config,
    queue: TicketQueue,
    report_source: ReportSource,
    clock: Callable[[], datetime],
    timezone: tzinfo = UTC,
) -> FastAPI:
    """The desk as an ASGI application.

    Args:
        settings: for the secret that signs forms.
        config: departments and brands.
        queue: the live tickets; closed when the application ends.
        report_source: builds a report of a brand between two moments.
        clock: the current moment.
        timezone: in which the pages show moments.
    """
    secret = settings.desk_secret.get_secret_value().encode() if settings.desk_secret else secrets.token_bytes(32)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        await queue.close()

    app = FastAPI(
        title="Silofrei desk",
        description="Queues and tickets, read-only.",
        lifespan=lifespan,
        docs_url=None,  # the pages of both would load scripts from elsewhere
        redoc_url=None,
        openapi_url="/api/openapi.json",
    )
    app.state.desk = Desk(
        config=config,
        queue=queue,
        report_source=report_source,
        clock=clock,
        tokens=FormTokens(secret),
        words=MappingProxyType({language: Words(language, timezone) for language in LOCALES}),
        templates=load_templates(),
    )
    app.include_router(pages.router)
    app.include_router(report_page.router)
    app.include_router(actions.router)
    app.include_router(api.router)
    app.mount("/static", StaticFiles(directory=_STATIC), name="static")
    add_problem_pages(app)
    app.add_middleware(HeadAsGet)
    app.add_middleware(Guard)
    return app


def run_desk(settings: Settings, config: Config) -> int:
    """Serve the desk until SIGINT or SIGTERM.

    Raises:
        ConfigurationError: the address is not this machine's own, or the port is taken.
    """
    if not is_loopback(settings.desk_host):
        raise ConfigurationError(
            f"SILOFREI_DESK_HOST={settings.desk_host!r}: the desk has no sign-in yet, so everybody who reaches it "
            "could read and answer every ticket; use 127.0.0.1, ::1 or localhost"
        )
    queue = TicketQueue.connect(settings, departments=config.queue_names())

    def now() -> datetime:
        return datetime.now(UTC)

    def report(brand: str, since: datetime | None, until: datetime | None) -> Report:
        return build_report(settings.ledger_folder, brand, since, until, config, now())

    app = create_app(settings, config, queue, report, now, LOCALTZ)
    with _listen(settings.desk_host, settings.desk_port) as listener:
        host = f"[{settings.desk_host}]" if ":" in settings.desk_host else settings.desk_host
        log.info("The desk answers on http://%s:%d", host, listener.getsockname()[1])
        server = uvicorn.Server(
            uvicorn.Config(
                app,
                log_config=None,
                access_log=False,
                server_header=False,
                proxy_headers=False,
                timeout_graceful_shutdown=5,
            )
        )

        def end(*_: object) -> None:
            server.should_exit = True

        # uvicorn raises the signal again once it has shut down, and it should find more than the default there: a
        # desk that was asked to stop has ended well. The same handler serves until uvicorn has set its own.
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, end)
        server.run(sockets=[listener])
    return 0 if server.started else 1


def _listen(host: str, port: int) -> socket.socket:
    """A listening socket; says where, because port 0 takes any free one."""
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listener = socket.create_server(address[:2], family=family)
    except OSError as error:
        reason = str(error.strerror).partition(" (while")[0]
        raise ConfigurationError(
            f"SILOFREI_DESK_HOST={host!r}, SILOFREI_DESK_PORT={port}: cannot listen there: {reason}; "
            "choose another port, or 0 for any free one"
        ) from None
    return listener
