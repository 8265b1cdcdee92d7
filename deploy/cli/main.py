"""The command `silofrei`: one command per thing a person or a supervisor starts."""

import typer

from silofrei.deploy.cli import doctor, intake, model, services, tickets, whole

app = typer.Typer(
    name="silofrei",
    help="Silofrei: a social inbox that brings every mention to the department that must act.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)

app.command("up")(whole.up)
app.command("demo")(whole.demo)

app.command("worker")(services.worker)
app.command("relay")(services.relay)
app.command("ledger")(services.ledger)
app.command("desk")(services.desk)
app.command("topics")(services.topics)

app.command("ingest")(intake.ingest)
app.command("classify")(intake.classify)
app.add_typer(intake.dead_letters, name="dead-letters")
app.add_typer(model.model, name="model")

app.command("pull")(tickets.pull)
app.command("show")(tickets.show)
app.command("extend")(tickets.extend)
app.command("release")(tickets.release)
app.command("transfer")(tickets.transfer)
app.command("resolve")(tickets.resolve)
app.command("report")(tickets.report)

app.command("schemas")(doctor.schemas)
app.command("doctor")(doctor.doctor)


def main() -> None:
    """The entry point of the command `silofrei`."""
    # Also under `python -m`, where the module's name would stand in every usage line.
    app(prog_name="silofrei")


if __name__ == "__main__":
    main()
