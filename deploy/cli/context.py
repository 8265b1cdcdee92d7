"""What every command needs: settings (from options, the environment and a running local system) and clean endings.

Owns: exit codes and the form of an error. Exit codes: 0 done, 1 nothing to do or refused, 2 wrong use or configuration.
"""

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, NoReturn, TypeVar

import typer

from silofrei.deploy.local.instance import read_instance
from silofrei.routing.queue import Refused, TicketQueue, Unavailable
from silofrei.schemas.config import Config, load_config
from silofrei.schemas.settings import PREFIX, ConfigurationError, Settings, load_settings

REFUSED = 1
WRONG = 2

T = TypeVar("T")

ConfigOption = Annotated[Path | None, typer.Option("--config", help="silofrei.toml; SILOFREI_CONFIG by default.")]
DataOption = Annotated[
    Path | None, typer.Option("--data", help="Folder of the local system; SILOFREI_DATA by default.")
]
BrandOption = Annotated[str | None, typer.Option("--brand", help="The brand; the first configured one by default.")]
JsonOption = Annotated[bool, typer.Option("--json", help="One JSON object per line.")]
LanguageOption = Annotated[
    str, typer.Option("--lang", help="Language of the output: en or de.", envvar="SILOFREI_LANG")
]


def now() -> datetime:
    """The current moment in UTC."""
    return datetime.now(UTC)


def say(text: str) -> None:
    """A line of output."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def complain(text: str) -> None:
    """A line for the person, beside the output."""
    sys.stderr.write(text + "\n")
    sys.stderr.flush()


def fail(text: str, code: int = WRONG) -> NoReturn:
    """End with this message on stderr and this exit code."""
    complain(f"silofrei: {text}")
    raise typer.Exit(code)


@contextmanager
def clean_errors() -> Iterator[None]:
    """Turn what a person can mend into one readable message and the right exit code."""
    try:
        yield
    except ConfigurationError as error:
        fail(str(error).replace("\n", "\n          "))
    except Unavailable as error:
        fail(f"{error}\nIs the system running? `silofrei up` starts one, `silofrei doctor` tells what is wrong.")
    except Refused as error:
        fail(str(error), REFUSED)
    except BrokenPipeError:
        # The reader of our output has seen enough; keep Python from complaining at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise typer.Exit(REFUSED) from None


def settings_for(data: Path | None = None, config: Path | None = None, **overrides: object) -> Settings:
    """Settings for a command; addresses of the running local system stand in for what the environment leaves out.

    Args:
        data: folder of the local system, from an option.
        config: silofrei.toml, from an option.
        overrides: further options; None is ignored.

    Raises:
        ConfigurationError: a setting is wrong.
    """
    base = load_settings(data=data, config=config, **overrides)
    instance = read_instance(base.data)
    if instance is None:
        return base
    found = {
        name: value
        for name, value in instance.settings().items()
        if f"{PREFIX}{name.upper()}" not in os.environ and overrides.get(name) is None
    }
    if config is not None:
        found.pop("config", None)
    return load_settings(**{"data": data, "config": config, **overrides, **found})


def configuration(settings: Settings) -> Config:
    """The company's configuration for these settings.

    Raises:
        ConfigurationError: silofrei.toml is wrong.
    """
    return load_config(settings.config)


def check_language(language: str) -> str:
    """The language of the output.

    Raises:
        ConfigurationError: it is none that we write.
    """
    if language not in ("de", "en"):
        raise ConfigurationError(f"--lang {language}: use de or en")
    return language


def brand_of(config: Config, brand: str | None) -> str:
    """The brand to work on.

    Raises:
        ConfigurationError: it is not configured.
    """
    if brand is None:
        return config.brands[0]
    if brand not in config.brands:
        raise ConfigurationError(f"--brand {brand}: not configured; use one of {', '.join(config.brands)}")
    return brand


def known_queue(config: Config, department: str) -> str:
    """The queue with this name.

    Raises:
        ConfigurationError: there is none.
    """
    if department not in config.queue_names():
        raise ConfigurationError(f"unknown department '{department}'; use one of {', '.join(config.queue_names())}")
    return department


@asynccontextmanager
async def open_queue(settings: Settings, config: Config) -> AsyncIterator[TicketQueue]:
    """The queue of these settings and departments, closed at the end."""
    queue = TicketQueue.connect(settings, departments=config.queue_names())
    try:
        yield queue
    finally:
        await queue.close()


def on_queue(settings: Settings, config: Config, work: Callable[[TicketQueue], Coroutine[Any, Any, T]]) -> T:
    """What `work` makes of the queue of these settings and departments."""

    async def opened() -> T:
        async with open_queue(settings, config) as queue:
            return await work(queue)

    return run(opened())


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run one asynchronous piece of work to its end."""
    return asyncio.run(work)
