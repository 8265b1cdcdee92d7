"""Commands that start one long-running part, for a supervisor or an orchestrator, and the topics."""

import json as jsonlib
from typing import TYPE_CHECKING, Annotated

import typer

from silofrei.deploy.cli.company_models import company_registry, load_model
from silofrei.deploy.cli.context import (
    REFUSED,
    ConfigOption,
    DataOption,
    JsonOption,
    clean_errors,
    configuration,
    say,
    settings_for,
)
from silofrei.deploy.cli.logs import start_logging
from silofrei.schemas.config import Config
from silofrei.schemas.settings import ConfigurationError, Settings

if TYPE_CHECKING:
    from silofrei.routing.classifier.model import Classifier


def _prepare(config: ConfigOption, data: DataOption) -> tuple[Settings, Config]:
    settings = settings_for(data, config)
    start_logging(settings)
    return settings, configuration(settings)


def worker(config: ConfigOption = None, data: DataOption = None) -> None:
    """Take deliveries from mentions.raw, classify, decide and queue them."""
    with clean_errors():
        settings, company = _prepare(config, data)
        from silofrei.streams.worker import run_worker

        raise typer.Exit(run_worker(settings, company, _classifier(settings, company)))


def _classifier(settings: Settings, company: Config) -> "Classifier":
    """The active model, with the shadow model beside it where there is one."""
    from silofrei.routing.classifier.active import ActiveClassifier
    from silofrei.routing.classifier.encoder.opened import live
    from silofrei.routing.classifier.shadow import ShadowedClassifier
    from silofrei.routing.classifier.stored import ModelError
    from silofrei.routing.metrics import begin_encoder_series, begin_shadow_series

    begin_encoder_series()
    active = ActiveClassifier(company_registry(settings, company), company.thresholds)
    if settings.shadow_model is None:
        return active
    try:
        candidate = live(load_model(settings, company, settings.shadow_model))
    except ModelError as error:
        raise ConfigurationError(f"SILOFREI_SHADOW_MODEL={settings.shadow_model!r}: {error}; or unset it") from None
    begin_shadow_series()
    return ShadowedClassifier(active, candidate)


def relay(config: ConfigOption = None, data: DataOption = None) -> None:
    """Move the outbox to Kafka, return expired leases, measure the queues."""
    with clean_errors():
        settings, company = _prepare(config, data)
        from silofrei.streams.relay import run_relay

        raise typer.Exit(run_relay(settings, company))


def ledger(config: ConfigOption = None, data: DataOption = None) -> None:
    """Write tickets.events to Parquet."""
    with clean_errors():
        settings, _ = _prepare(config, data)
        from silofrei.streams.ledger import run_ledger

        raise typer.Exit(run_ledger(settings))


def desk(config: ConfigOption = None, data: DataOption = None) -> None:
    """Serve the pages for departments and leadership."""
    with clean_errors():
        settings, company = _prepare(config, data)
        from silofrei.desk.app import run_desk

        raise typer.Exit(run_desk(settings, company))


def topics(
    check: Annotated[bool, typer.Option("--check", help="Compare only; create nothing.")] = False,
    config: ConfigOption = None,
    data: DataOption = None,
    json: JsonOption = False,
) -> None:
    """Create the topics that are missing and report where one differs from the settings."""
    with clean_errors():
        settings = settings_for(data, config)
        company = configuration(settings)
        from silofrei.streams.topics import compare, provision

        reports = compare(settings, company) if check else provision(settings, company)
        for report in reports:
            state = "created" if report.created else "there" if report.exists else "missing"
            if json:
                say(jsonlib.dumps({"topic": report.name, "state": state, "problems": report.problems}))
            else:
                say("\n  ".join([f"{report.name}: {state}", *report.problems]))
        if not all(report.ok for report in reports):
            raise typer.Exit(REFUSED)
