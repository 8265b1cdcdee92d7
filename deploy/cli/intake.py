"""Commands for what comes in: deliveries from a file, texts to classify, dead letters."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, BinaryIO

import typer
from pydantic import BaseModel, ConfigDict, ValidationError

from silofrei.deploy.cli.company_models import load_model
from silofrei.deploy.cli.context import (
    REFUSED,
    BrandOption,
    ConfigOption,
    DataOption,
    JsonOption,
    brand_of,
    clean_errors,
    complain,
    configuration,
    fail,
    now,
    say,
    settings_for,
)
from silofrei.schemas.names import Channel
from silofrei.schemas.settings import ConfigurationError

BATCH = 500
FileArgument = Annotated[str, typer.Argument(metavar="FILE", help="A file, or - for standard input.")]


@contextmanager
def open_lines(file: str) -> Iterator[BinaryIO]:
    """The lines of a file, or of standard input for `-`.

    Raises:
        ConfigurationError: it cannot be opened.
    """
    if file == "-":
        yield sys.stdin.buffer
        return
    try:
        stream = Path(file).open("rb")  # noqa: SIM115  # closed below; opening alone may fail with a person's mistake
    except OSError as error:
        raise ConfigurationError(f"{file}: {error.strerror}") from None
    with stream:
        yield stream


def ingest(
    file: FileArgument,
    channel: Annotated[
        Channel | None, typer.Option("--channel", help="Each line is one native payload of this channel.")
    ] = None,
    brand: BrandOption = None,
    config: ConfigOption = None,
    data: DataOption = None,
    json: JsonOption = False,
) -> None:
    """Bring deliveries from a file into mentions.raw (docs/channels.md has the form of a line)."""
    with clean_errors():
        settings = settings_for(data, config)
        company = configuration(settings)
        from silofrei.streams.connectors.file import ingest as ingest_lines

        with open_lines(file) as lines:
            result = ingest_lines(
                settings, lines, channel=channel, brand=brand_of(company, brand), clock=now, report=complain
            )
        say(result.as_json() if json else result.as_text())
        if result.refused:
            raise typer.Exit(REFUSED)


class _Line(BaseModel):
    """One text to classify; further fields are carried by nobody and therefore refused."""

    model_config = ConfigDict(extra="forbid")
    id: str | int
    text: str
    lang: str | None = None


class _Answer(BaseModel):
    id: str | int
    department: str
    scores: dict[str, float]
    abstained: bool
    language: str
    model: str


def classify(file: FileArgument, config: ConfigOption = None, data: DataOption = None) -> None:
    """Classify JSON lines {"id","text","lang"?}: one JSON line each, in the same order."""
    with clean_errors():
        settings = settings_for(data, config)
        company = configuration(settings)
        from silofrei.routing.classifier.model import TextInput

        classifier = load_model(settings, company)

        def answer(lines: list[_Line]) -> None:
            found = classifier.classify([TextInput(line.text, line.lang) for line in lines], explain=False)
            for line, result in zip(lines, found, strict=True):
                say(
                    _Answer(
                        id=line.id,
                        department=result.label.value,
                        scores={label: round(score, 4) for label, score in result.scores.model_dump().items()},
                        abstained=result.abstained,
                        language=result.language.value,
                        model=result.model,
                    ).model_dump_json()
                )

        refused = 0
        pending: list[_Line] = []
        with open_lines(file) as stream:
            for number, line in enumerate(stream, 1):
                if not line.strip():
                    continue
                try:
                    pending.append(_Line.model_validate_json(line))
                except ValidationError as error:
                    refused += 1
                    problem = error.errors()[0]
                    where = ".".join(str(part) for part in problem["loc"]) or "line"
                    complain(f"silofrei: line {number}: {where}: {problem['msg']}; the line was left out")
                if len(pending) == BATCH:
                    answer(pending)
                    pending = []
        if pending:
            answer(pending)
        if refused:
            raise typer.Exit(REFUSED)


dead_letters = typer.Typer(help="What could not be processed, and how it comes back.", no_args_is_help=True)


@dead_letters.command("list")
def list_dead_letters(
    everything: Annotated[bool, typer.Option("--all", help="Also those that were redriven.")] = False,
    config: ConfigOption = None,
    data: DataOption = None,
    json: JsonOption = False,
) -> None:
    """List the dead letters that wait for a person: id, reason, field, what to do."""
    with clean_errors():
        settings = settings_for(data, config)
        from silofrei.streams.dead_letters import list_dead_letters as read

        entries = [entry for entry in read(settings) if everything or entry.redriven is None]
        for entry in entries:
            say(entry.as_json() if json else entry.as_text())
        if not entries:
            complain("no dead letters")


@dead_letters.command("show")
def show_dead_letter(
    dead_letter_id: Annotated[str, typer.Argument(metavar="ID", help="As `dead-letters list` prints it.")],
    config: ConfigOption = None,
    data: DataOption = None,
) -> None:
    """Write the native payload of a dead letter to standard output, byte for byte, for an editor."""
    with clean_errors():
        settings = settings_for(data, config)
        from silofrei.streams.dead_letters import NotRedrivable, native_body, read_dead_letter

        try:
            letter = read_dead_letter(settings, dead_letter_id)
        except NotRedrivable as error:
            fail(str(error), REFUSED)
        sys.stdout.buffer.write(native_body(letter))
        sys.stdout.buffer.flush()


@dead_letters.command("redrive")
def redrive_dead_letters(
    dead_letter_id: Annotated[str, typer.Argument(metavar="ID", help="As `dead-letters list` prints it.")],
    body: Annotated[
        str | None, typer.Option("--body", help="File with the repaired native payload, or - for standard input.")
    ] = None,
    channel: Annotated[
        Channel | None, typer.Option("--channel", help="The right channel, where that was wrong.")
    ] = None,
    brand: BrandOption = None,
    config: ConfigOption = None,
    data: DataOption = None,
) -> None:
    """Send a dead letter through once more, as it was or repaired; what was routed before stays as it is."""
    with clean_errors():
        settings = settings_for(data, config)
        company = configuration(settings)
        from silofrei.streams.dead_letters import NotRedrivable, redrive

        repaired = None
        if body is not None:
            with open_lines(body) as stream:
                repaired = stream.read()
        try:
            redrive(
                settings,
                dead_letter_id,
                body=repaired,
                channel=channel,
                brand=brand_of(company, brand) if brand else None,
                clock=now,
            )
        except NotRedrivable as error:
            fail(str(error), REFUSED)
        say(f"{dead_letter_id} is on its way again")
