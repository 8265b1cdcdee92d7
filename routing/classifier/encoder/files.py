"""The files of a sentence encoder in a folder: where they lie, how large they may be, and their checksums.

Owns: the layout, `model.onnx` (or `onnx/model.onnx`) beside `tokenizer.json`. Refuses: what is in them (sentence.py).
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from silofrei.routing.classifier.stored import ModelError

MODEL, TOKENIZER = "model.onnx", "tokenizer.json"
PLACES = {MODEL: (MODEL, f"onnx/{MODEL}"), TOKENIZER: (TOKENIZER,)}
"""Where each file may lie, in the order in which it is looked for."""
LARGEST = {MODEL: 2_000_000_000, TOKENIZER: 64_000_000}
"""Bytes; an ONNX file of its own cannot be larger."""


class EncoderError(ModelError):
    """An encoder cannot be used; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class EncoderFiles:
    """What an encoder consists of, as read once: what is checked is what is used.

    Attributes:
        folder: where it was read.
        model: the ONNX graph with its weights.
        tokenizer: the JSON of Hugging Face's `tokenizers`.
    """

    folder: Path
    model: bytes
    tokenizer: bytes

    def checksums(self) -> dict[str, str]:
        """SHA-256 of each file, in hexadecimal digits."""
        parts = {MODEL: self.model, TOKENIZER: self.tokenizer}
        return {name: hashlib.sha256(part).hexdigest() for name, part in parts.items()}


def read_files(folder: Path, expected: Mapping[str, str] | None = None) -> EncoderFiles:
    """The files in `folder`.

    Args:
        folder: where they lie.
        expected: the SHA-256 that each must have.

    Raises:
        EncoderError: one is missing, too large, cannot be read or is not the one expected.
    """
    paths = find_files(folder)
    files = EncoderFiles(folder, _read(paths[MODEL]), _read(paths[TOKENIZER]))
    if expected is not None:
        for name, checksum in files.checksums().items():
            if checksum != expected.get(name):
                raise EncoderError(
                    f"{folder}: {name} has changed since the encoder was taken into use; put the old file back, or "
                    f"take the new one into use: `silofrei model use {folder}`"
                )
    return files


def find_files(folder: Path) -> dict[str, Path]:
    """Where each file lies, by name, without reading it.

    Raises:
        EncoderError: one is missing or too large.
    """
    return {name: _find(folder, name) for name in (MODEL, TOKENIZER)}


def _find(folder: Path, name: str) -> Path:
    for place in PLACES[name]:
        path = folder / place
        try:
            size = path.stat().st_size
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError as error:
            raise EncoderError(f"{path}: cannot be read: {error.strerror}") from None
        if size > LARGEST[name]:
            raise EncoderError(f"{path}: has {size} bytes, more than the {LARGEST[name]} that are read")
        return path
    tried = " or ".join(PLACES[name])
    raise EncoderError(
        f"{folder}: there is no {tried}; name a folder with {MODEL} and {TOKENIZER}, such as "
        f"`silofrei model fetch URL {folder}` makes"
    )


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise EncoderError(f"{path}: cannot be read: {error.strerror}") from None
