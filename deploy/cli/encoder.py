"""`silofrei model fetch` and, for a folder, `silofrei model use`: a sentence encoder behind the classifier."""

import json as jsonlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from silofrei.deploy.cli.context import REFUSED, JsonOption, clean_errors, complain, fail, now, say
from silofrei.schemas.settings import ConfigurationError

if TYPE_CHECKING:
    from silofrei.routing.classifier.registry import Registry

_HEX = set("0123456789abcdef")
_STEPS = 10
"""Times that a person is told how far it is."""


def fail_without_training(error: ModuleNotFoundError) -> NoReturn:
    """End with what to install, where that is what is missing.

    Raises:
        ModuleNotFoundError: it is something else.
    """
    if error.name is None or error.name.partition(".")[0] not in ("sklearn", "scipy", "threadpoolctl"):
        raise error
    fail("training needs scikit-learn; install the extra `train`: pip install 'silofrei[train]'")


def is_folder(what: str, registry: "Registry") -> bool:
    """Whether `model use` is given a folder: it has a slash, or it is one and no model has its name."""
    from silofrei.routing.classifier.registry import PACKAGED_NAME

    return "/" in what or (what not in (PACKAGED_NAME, *registry.names()) and Path(what).is_dir())


def use_encoder(
    registry: "Registry", folder: Path, *, tolerance: float, name: str | None, dry_run: bool, lang: str, json: bool
) -> None:
    """Put the encoder in `folder` behind the active model, and say what that gives.

    Raises:
        ConfigurationError: the encoder, the name or the active model cannot be used.
    """
    try:
        from silofrei.routing.classifier.encoder.adopt import adopt
    except ModuleNotFoundError as error:
        fail_without_training(error)
    from silofrei.deploy.cli.print_encoder import adopted_as_json, adopted_as_text

    done = adopt(
        registry,
        folder,
        name=name or f"encoder-{now():%Y%m%d-%H%M%S}",
        tolerance=tolerance,
        clock=now,
        dry_run=dry_run,
        progress=_progress,
    )
    say(adopted_as_json(done) if json else adopted_as_text(done, lang))
    if done.verdict is None or not done.verdict.passed:
        raise typer.Exit(REFUSED)


def _progress(done: int, of: int) -> None:
    if sys.stderr.isatty() and done * _STEPS // of != (done - 1) * _STEPS // of:
        complain(f"{done} of {of} texts of the corpus encoded")


def fetch(
    url: Annotated[
        str,
        typer.Argument(
            metavar="URL",
            help="Where model.onnx and tokenizer.json lie, such as https://huggingface.co/OWNER/MODEL/resolve/main.",
        ),
    ],
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="A new folder for them.")],
    model: Annotated[
        str | None, typer.Option("--model", help="Where the ONNX file lies below URL, such as onnx/model_int8.onnx.")
    ] = None,
    sha256: Annotated[
        list[str] | None,
        typer.Option(
            "--sha256", metavar="FILE=SHA256", help="What model.onnx or tokenizer.json must be; once for each."
        ),
    ] = None,
    json: JsonOption = False,
) -> None:
    """Fetch a sentence encoder (model.onnx, tokenizer.json): both files or nothing; says their checksums."""
    with clean_errors():
        from silofrei.deploy.cli.fetch_encoder import fetch_encoder

        found = fetch_encoder(url, folder, checksums=_checksums(sha256 or []), model=model, tell=complain)
        for one in found:
            say(jsonlib.dumps(one._asdict()) if json else f"{one.name}: {one.size} bytes, SHA-256 {one.sha256}")
        where = folder if "/" in str(folder) else f"./{folder}"
        complain(f"put it behind the classifier with: silofrei model use {where}")


def _checksums(given: list[str]) -> dict[str, str]:
    from silofrei.routing.classifier.encoder.files import MODEL, TOKENIZER

    found = {}
    for one in given:
        name, _, checksum = one.partition("=")
        if name not in (MODEL, TOKENIZER) or len(checksum) != 64 or not set(checksum.lower()) <= _HEX:
            raise ConfigurationError(f"--sha256 {one}: write {MODEL}= or {TOKENIZER}= and 64 hexadecimal digits")
        found[name] = checksum.lower()
    return found
