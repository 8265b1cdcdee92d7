"""Commands that explain: `doctor` checks what the system stands on, `schemas` writes the contracts."""

import json as jsonlib
import platform
import sys
from collections.abc import AsyncIterator, Iterator
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from typing import Annotated

import typer

from silofrei.deploy.cli.company_models import company_registry
from silofrei.deploy.cli.context import (
    WRONG,
    ConfigOption,
    DataOption,
    JsonOption,
    clean_errors,
    configuration,
    now,
    open_queue,
    run,
    say,
    settings_for,
)
from silofrei.routing.queue import Unavailable
from silofrei.schemas.config import Config
from silofrei.schemas.export import write_schemas
from silofrei.schemas.settings import ConfigurationError, Settings

CLOCK_TOLERANCE = 2.0
"""Seconds that the clocks of this machine and of Redis may differ: leases and latencies use both."""


@dataclass(frozen=True)
class Check:
    """One thing that was looked at, and what to do where it is not well."""

    name: str
    good: bool
    detail: str
    fix: str = ""

    def as_text(self) -> str:
        """One line, two where there is something to do."""
        line = f"{'ok  ' if self.good else 'FIX '} {self.name:<12} {self.detail}"
        return line if self.good or not self.fix else f"{line}\n     {'':<12} {self.fix}"


def schemas(
    folder: Annotated[Path, typer.Argument(help="Where to write one JSON Schema per contract.")] = Path("schemas-json"),
) -> None:
    """Write the contracts as JSON Schema (draft 2020-12)."""
    with clean_errors():
        try:
            paths = write_schemas(folder)
        except OSError as error:
            raise ConfigurationError(f"{folder}: {error.strerror}; name a folder that can be written") from None
        for path in paths:
            say(str(path))


def doctor(config: ConfigOption = None, data: DataOption = None, json: JsonOption = False) -> None:
    """Check versions, configuration, model, second opinion, broker, topics, Redis and clocks; say what to fix."""
    with clean_errors():
        settings = settings_for(data, config)
        company = configuration(settings)
        wrong = 0

        def tell(check: Check) -> None:
            nonlocal wrong
            wrong += not check.good
            say(jsonlib.dumps(asdict(check), ensure_ascii=False) if json else check.as_text())

        for check in (*_versions(), _config(settings, company), _model(settings, company)):
            tell(check)
        tell(_second_opinion(settings, company))
        for check in _kafka(settings, company):
            tell(check)

        async def look_at_redis() -> None:
            async for check in _redis(settings, company):
                tell(check)

        run(look_at_redis())
        if wrong:
            sys.stdout.flush()
            raise typer.Exit(WRONG)


def _versions() -> Iterator[Check]:
    yield Check(
        "python",
        sys.version_info >= (3, 11),
        f"{platform.python_version()} on {platform.system()} {platform.machine()}",
        "install Python 3.11 or newer",
    )
    names = ("silofrei", "faust-streaming", "aiokafka", "kafka-python", "redis", "pydantic")
    yield Check("packages", True, ", ".join(f"{name} {metadata.version(name)}" for name in names))


def _config(settings: Settings, company: Config) -> Check:
    source = settings.config or (Path("silofrei.toml") if Path("silofrei.toml").exists() else None)
    return Check(
        "config",
        True,
        f"{source or 'built-in'}: brands {', '.join(company.brands)}; {len(company.departments)} departments, "
        f"{len(company.rules)} rules",
    )


def _model(settings: Settings, company: Config) -> Check:
    from silofrei.routing.classifier.registry import PACKAGED_NAME

    try:
        registry = company_registry(settings, company)
        name = registry.pointer().active
        registry.check(name)
        return Check("model", True, f"{registry.load(name, company.thresholds).model} ({name})")
    except ConfigurationError as error:
        fix = f"`silofrei model use {PACKAGED_NAME}`, or another of `silofrei model list`; else install silofrei again"
        return Check("model", False, str(error), fix)


def _second_opinion(settings: Settings, company: Config) -> Check:
    from silofrei.deploy.cli.opinion import ask_once
    from silofrei.routing.opinion.answer import Unreadable
    from silofrei.routing.opinion.asking import EndpointFailed
    from silofrei.streams.opinions import check_brands

    name = "second-opinion"
    try:
        check_brands(settings, company)
        answered = ask_once(settings)
    except (ConfigurationError, EndpointFailed) as error:
        fix = "until it answers, unsure texts go to triage; unset SILOFREI_SECOND_OPINION_URL to do without"
        return Check(name, False, str(error), fix)
    except Unreadable as error:
        detail = f"{settings.second_opinion_model} answers, but what it says {error}"
        return Check(name, False, detail, "choose a model that follows instructions in SILOFREI_SECOND_OPINION_MODEL")
    if answered is None:
        return Check(name, True, "off: no text leaves the company")
    opinion, seconds = answered
    return Check(name, True, f"{settings.second_opinion_model} answers in {seconds:.2f} s ({opinion.label.value})")


def _kafka(settings: Settings, company: Config) -> Iterator[Check]:
    from silofrei.streams.topics import compare

    try:
        reports = compare(settings, company)
    except ConfigurationError as error:
        yield Check("broker", False, str(error))
        return
    memory = ", in memory: nothing is kept" if settings.kafka_memory else ""
    yield Check("broker", True, f"{settings.kafka} answers{memory}")
    for report in reports:
        yield Check("topic", report.ok, report.name, "; ".join(report.problems))


async def _redis(settings: Settings, company: Config) -> AsyncIterator[Check]:
    async with open_queue(settings, company) as queue:
        try:
            await queue.ping()
            problems = await queue.durability_problems()
            ahead = (now() - await queue.time()).total_seconds()
            epochs = {brand: await queue.epoch(brand) for brand in company.brands}
        except Unavailable as error:
            yield Check(
                "redis", False, f"{settings.redis}: {error}", "start Redis or Valkey, or set SILOFREI_REDIS to it"
            )
            return
    yield Check("redis", True, f"{settings.redis} answers")
    for problem in problems:
        yield Check("durability", False, problem)
    if not problems:
        yield Check("durability", True, f"{settings.redis_durability.value}, nothing is evicted")
    yield Check(
        "clock",
        abs(ahead) <= CLOCK_TOLERANCE,
        f"{ahead:+.2f} s against Redis",
        "let both machines keep their time with NTP (chrony or systemd-timesyncd)",
    )
    for brand, epoch in epochs.items():
        yield Check(
            "epoch",
            epoch is not None,
            f"{brand}: {epoch or 'missing, so workers wait'}",
            "a new system: `silofrei up` or `silofrei topics` begins one; after a loss of Redis, restore its AOF first",
        )
    yield Check("data", True, str(settings.data.resolve()))
