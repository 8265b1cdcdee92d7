"""Commands for the classifier's life: collect corrections, train, evaluate, watch in the shadow, activate, go back."""

import json as jsonlib
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from silofrei.deploy.cli.company_models import load_model
from silofrei.deploy.cli.context import (
    REFUSED,
    ConfigOption,
    DataOption,
    JsonOption,
    LanguageOption,
    check_language,
    clean_errors,
    complain,
    configuration,
    fail,
    now,
    say,
    settings_for,
)
from silofrei.deploy.cli.encoder import fail_without_training, fetch, is_folder, use_encoder
from silofrei.deploy.cli.intake import open_lines
from silofrei.deploy.cli.private_file import write_private
from silofrei.schemas.settings import ConfigurationError

if TYPE_CHECKING:
    from silofrei.routing.classifier.assess import Assessment
    from silofrei.routing.classifier.labelled import Labelled
    from silofrei.routing.classifier.model import TextInput
    from silofrei.routing.classifier.registry import Registry

BATCH = 500

model = typer.Typer(help="The classifier's models: train, evaluate, activate, roll back.", no_args_is_help=True)

NameArgument = Annotated[str, typer.Argument(metavar="NAME", help="As `model list` prints it, or packaged.")]


def _registry(data: DataOption, config: ConfigOption) -> "Registry":
    from silofrei.routing.classifier.registry import Registry

    settings = settings_for(data, config)
    return Registry(settings.models_folder, encoder_threads=settings.encoder_threads)


class _Complaints:
    """Passes on what is wrong with a line, and counts."""

    def __init__(self) -> None:
        self.number = 0

    def __call__(self, text: str) -> None:
        self.number += 1
        complain(f"silofrei: {text}")


def _batches(items: "Iterator[TextInput]") -> "Iterator[list[TextInput]]":
    while batch := list(islice(items, BATCH)):
        yield batch


def _write_page(path: Path, found: "Assessment", language: str, file: str | None) -> None:
    from silofrei.desk.evaluation_page import evaluation_page

    page = evaluation_page(found, language, now(), source="" if file in (None, "-") else Path(str(file)).name)
    try:
        path.write_text(page, encoding="utf-8")
    except OSError as error:
        raise ConfigurationError(f"--html {path}: {error.strerror}") from None


@model.command("corrections")
def corrections(
    out: Annotated[
        Path | None, typer.Option("--out", help="A file that only you can read, instead of standard output.")
    ] = None,
    no_action: Annotated[
        bool,
        typer.Option("--no-action", help="Also tickets resolved with no_action, as `none`; look through them first."),
    ] = False,
    config: ConfigOption = None,
    data: DataOption = None,
) -> None:
    """Collect what people said about wrong routings, as JSON lines with the texts: keep and erase them accordingly."""
    with clean_errors():
        settings = settings_for(data, config)
        from silofrei.routing.classifier.corrections import Skipped
        from silofrei.streams.corrections import collect_corrections

        found = collect_corrections(settings, no_action=no_action)
        lines = [one.model_dump_json() for one in found.corrections]
        if out is None:
            for line in lines:
                say(line)
        else:
            try:
                write_private(out, "".join(f"{line}\n" for line in lines))
            except OSError as error:
                raise ConfigurationError(f"--out {out}: {error.strerror}") from None
        left = found.skipped
        complain(
            f"{len(lines)} corrections; left out: {left[Skipped.NO_LABEL]} that went to a department which is no label "
            f"of the classifier, {left[Skipped.NO_TEXT]} without a text"
        )
        if not lines:
            raise typer.Exit(REFUSED)


@model.command("train")
def train(
    corrections: Annotated[
        list[str] | None, typer.Option("--corrections", help="File of `model corrections`; may be given several times.")
    ] = None,
    tolerance: Annotated[
        float, typer.Option("--tolerance", min=0, max=1, help="How much macro-F1, or one department's F1, may fall.")
    ] = 0.02,
    name: Annotated[str | None, typer.Option("--name", help="Of the new model; day and time by default.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Compare only; store and activate nothing.")] = False,
    lang: LanguageOption = "en",
    config: ConfigOption = None,
    data: DataOption = None,
    json: JsonOption = False,
) -> None:
    """Train on the corpus and the corrections; the new model becomes active where it is not worse than the old."""
    with clean_errors():
        check_language(lang)
        registry = _registry(data, config)
        complaints = _Complaints()
        told: list[Labelled] = []
        for file in corrections or ():
            told += _labelled(file, complaints)
        try:
            from silofrei.routing.classifier.retrain import retrain
        except ModuleNotFoundError as error:
            fail_without_training(error)
        from silofrei.deploy.cli.print_model import training_as_json, training_as_text

        at = now()
        done = retrain(
            registry,
            told,
            name=name or f"{at:%Y%m%d-%H%M%S}",
            tolerance=tolerance,
            at=at,
            dry_run=dry_run,
        )
        say(training_as_json(done, complaints.number) if json else training_as_text(done, lang))
        if complaints.number or not done.verdict.passed:
            raise typer.Exit(REFUSED)


def _labelled(file: str, complaints: Callable[[str], None]) -> "list[Labelled]":
    from silofrei.routing.classifier.labelled import Labelled, read_lines

    with open_lines(file) as lines:
        return list(read_lines(lines, Labelled, lambda text: complaints(f"{file}: {text}")))


@model.command("list")
def list_models(
    lang: LanguageOption = "en", config: ConfigOption = None, data: DataOption = None, json: JsonOption = False
) -> None:
    """List the models: which is active, when each was trained, on how many corrections, what it reaches."""
    with clean_errors():
        check_language(lang)
        registry = _registry(data, config)
        from silofrei.deploy.cli.print_model import models_as_json, models_as_text
        from silofrei.routing.classifier.overview import overview

        found = overview(registry)
        say(models_as_json(found) if json else models_as_text(found, lang))


@model.command("use")
def use(
    what: Annotated[
        str,
        typer.Argument(
            metavar="NAME|FOLDER",
            help="A model as `model list` prints it, or packaged; or the folder of an encoder, such as ./minilm.",
        ),
    ],
    tolerance: Annotated[
        float, typer.Option("--tolerance", min=0, max=1, help="FOLDER: how much a figure may fall.")
    ] = 0.02,
    name: Annotated[
        str | None, typer.Option("--name", help="FOLDER: of the new model; day and time by default.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="FOLDER: compare; store and activate nothing.")] = False,
    lang: LanguageOption = "en",
    config: ConfigOption = None,
    data: DataOption = None,
    json: JsonOption = False,
) -> None:
    """Make a model the active one, or put an encoder behind the active one; workers take it within a second."""
    with clean_errors():
        check_language(lang)
        from silofrei.routing.classifier.registry import NoSuchModel

        registry = _registry(data, config)
        if is_folder(what, registry):
            use_encoder(registry, Path(what), tolerance=tolerance, name=name, dry_run=dry_run, lang=lang, json=json)
            return
        if name is not None or dry_run:
            fail(
                f"--name and --dry-run are for an encoder's folder, and '{what}' is a model's name; a folder has a '/'"
            )
        try:
            pointer = registry.activate(what, now())
        except NoSuchModel as error:
            raise NoSuchModel(f"{error}; an encoder's folder is named with a '/', such as ./{what}") from None
        say(jsonlib.dumps({"active": pointer.active}) if json else f"{pointer.active} is active")


model.command("fetch")(fetch)


@model.command("rollback")
def rollback(config: ConfigOption = None, data: DataOption = None) -> None:
    """Go back to the model that was active before; once more goes further back."""
    with clean_errors():
        registry = _registry(data, config)
        from silofrei.routing.classifier.registry import NothingBefore

        try:
            pointer = registry.rollback(now())
        except NothingBefore as error:
            fail(str(error), REFUSED)
        say(f"{pointer.active} is active again")


@model.command("shadow")
def shadow(
    name: NameArgument,
    file: Annotated[
        str, typer.Argument(metavar="FILE", help='JSON lines {"text","lang"?}; - or nothing reads standard input.')
    ] = "-",
    lang: LanguageOption = "en",
    config: ConfigOption = None,
    data: DataOption = None,
    json: JsonOption = False,
) -> None:
    """Show what a model would route elsewhere than the active one; live: SILOFREI_SHADOW_MODEL and its metric."""
    with clean_errors():
        check_language(lang)
        settings = settings_for(data, config)
        company = configuration(settings)
        from silofrei.deploy.cli.print_model import comparison_as_text
        from silofrei.routing.classifier.labelled import PlainText, read_lines
        from silofrei.routing.classifier.model import TextInput
        from silofrei.routing.classifier.shadow import compare

        candidate, active = load_model(settings, company, name), load_model(settings, company)
        complaints = _Complaints()
        with open_lines(file) as stream:
            texts = (TextInput(one.text, one.lang) for one in read_lines(stream, PlainText, complaints))
            found = compare(active, candidate, _batches(texts))
        say(found.model_dump_json() if json else comparison_as_text(found, lang))
        if complaints.number or not found.texts:
            raise typer.Exit(REFUSED)


@model.command("evaluate")
def evaluate(
    file: Annotated[
        str | None,
        typer.Argument(
            metavar="[FILE]", help='JSON lines {"text","label","secondary"?,"lang"?}; the held-out corpus by default.'
        ),
    ] = None,
    name: Annotated[str | None, typer.Option("--model", help="Which model; the active one by default.")] = None,
    html: Annotated[Path | None, typer.Option("--html", help="Also write a page with plots to this file.")] = None,
    lang: LanguageOption = "en",
    config: ConfigOption = None,
    data: DataOption = None,
    json: JsonOption = False,
) -> None:
    """Measure a model on labelled texts: F1 per class and language, confusion, coverage, calibration."""
    with clean_errors():
        check_language(lang)
        settings = settings_for(data, config)
        company = configuration(settings)
        from silofrei.deploy.cli.print_model import assessment_as_text
        from silofrei.routing.classifier.assess import assess
        from silofrei.routing.classifier.corpus_rows import load_corpus
        from silofrei.routing.classifier.labelled import labelled

        classifier, complaints = load_model(settings, company, name or None), _Complaints()
        rows = [labelled(row) for row in load_corpus() if row.held_out] if file is None else _labelled(file, complaints)
        if not rows:
            fail(f"{file}: no line that can be evaluated", REFUSED)
        found = assess(classifier, rows)
        say(found.model_dump_json() if json else assessment_as_text(found, lang))
        if html is not None:
            _write_page(html, found, lang, file)
        if complaints.number:
            raise typer.Exit(REFUSED)
