"""Commands that run a whole Silofrei on this machine: `up`, and `demo` with a sample feed."""

import tempfile
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from silofrei.deploy.cli.context import (
    REFUSED,
    ConfigOption,
    DataOption,
    JsonOption,
    clean_errors,
    configuration,
    run,
    say,
)
from silofrei.deploy.local.fetch_bar import FetchBar
from silofrei.deploy.local.instance import Instance
from silofrei.deploy.local.supervisor import Event, EventKind, Report
from silofrei.schemas.config import Config
from silofrei.schemas.settings import Settings, load_settings

KafkaOption = Annotated[
    str,
    typer.Option(
        "--kafka", help="auto (local where that is quick, else memory), memory, local, or HOST:PORT.", show_default=True
    ),
]
RedisOption = Annotated[str | None, typer.Option("--redis", help="A Redis of yours; without it Silofrei brings one.")]
WorkersOption = Annotated[int, typer.Option("--workers", min=1, max=64, help="How many workers.")]


def _report(console: Console, *, quiet: bool) -> Report:
    """What a person sees of the system's events: all, or only what is not as it should be."""
    bar = FetchBar(console)
    ordinary = {EventKind.STARTING, EventKind.STOPPED} | ({EventKind.READY, EventKind.STOPPING} if quiet else set())

    def report(event: Event) -> None:
        if not bar.shows(event) and event.kind not in ordinary:
            console.print(event.text, highlight=False, markup=False, soft_wrap=True)

    return report


def _prepare(data: DataOption, config: ConfigOption, redis: RedisOption) -> tuple[Settings, Config]:
    # Not `settings_for`: a system that runs already must not lend its addresses to one that starts.
    settings = load_settings(data=data, config=config, redis=redis)
    return settings, configuration(settings)


def _addresses(instance: Instance, data: DataOption) -> str:
    option = f" --data {data}" if data else ""
    return "\n".join(
        [
            "",
            f"  Desk        {instance.desk}",
            f"  Report      {instance.desk}/report      (or: silofrei report{option})",
            f"  Kafka       {instance.kafka}",
            f"  Redis       {instance.redis}",
            f"  Metrics     {', '.join(f'http://{address}/metrics' for address in instance.metrics.values())}",
            f"  Prometheus  prometheus --config.file={instance.prometheus}",
            f"  In another shell:  silofrei pull service{option}   or   silofrei doctor{option}",
            "  Ctrl-C ends everything.",
            "",
        ]
    )


def up(
    kafka: KafkaOption = "auto",
    redis: RedisOption = None,
    workers: WorkersOption = 1,
    config: ConfigOption = None,
    data: DataOption = None,
) -> None:
    """Start everything on this machine: Kafka, Redis, worker, relay, ledger and desk."""
    with clean_errors():
        settings, company = _prepare(data, config, redis)
        import asyncio

        from silofrei.deploy.local.system import LocalSystem

        async def work(instance: Instance) -> None:
            say(_addresses(instance, data))
            await asyncio.Event().wait()

        report = _report(Console(stderr=True), quiet=False)
        run(LocalSystem(settings, company, report=report, kafka=kafka, redis=redis, workers=workers).run(work))


def demo(
    once: Annotated[bool, typer.Option("--once", help="Play the feed once at full speed, print the sum, end.")] = False,
    speed: Annotated[float, typer.Option("--speed", min=0.1, max=1000, help="How much faster than life.")] = 1.0,
    kafka: KafkaOption = "auto",
    redis: RedisOption = None,
    workers: WorkersOption = 1,
    config: ConfigOption = None,
    data: DataOption = None,
    json: JsonOption = False,
) -> None:
    """Like `up`, with sample mentions of a made-up company and simulated people who work on the tickets."""
    with clean_errors():
        if not once:
            settings, company = _prepare(data, config, redis)
            from silofrei.deploy.demo.live import run_live

            def tell(instance: Instance) -> None:
                say(_addresses(instance, data))

            run(
                run_live(
                    settings,
                    company,
                    _report(Console(stderr=True), quiet=False),
                    tell,
                    say,
                    kafka,
                    redis,
                    workers,
                    speed,
                )
            )
            return
        from silofrei.deploy.demo.once import run_once

        with tempfile.TemporaryDirectory(prefix="silofrei-demo-") as folder:
            # A folder of its own, so that every round begins with nothing and its sum can be checked.
            settings, company = _prepare(data or Path(folder), config, redis)
            total = run(run_once(settings, company, _report(Console(stderr=True), quiet=True), kafka, redis, workers))
        say(total.as_json() if json else total.as_text())
        if not total.balanced:
            raise typer.Exit(REFUSED)
