"""A sentence encoder: a text becomes one vector, with onnxruntime on the processor (extra `encoder`).

Owns: the session, the tokenizer, pooling. Refuses: reading files (files.py) and what a vector means (stage.py).

Each text goes through the graph alone. So its vector hangs on nothing but the text, also where the graph scales its
numbers by what else is in a batch (dynamic quantisation does), a replay decides alike, and a failure concerns one text.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from silofrei.routing.classifier.encoder.files import MODEL, TOKENIZER, EncoderError, EncoderFiles

MAX_TOKENS = 128
"""What comes after is not read."""
MAX_CHARS = 4_000
"""Of a text, before it is cut into tokens, which takes time by its length."""

_INPUTS = ("input_ids", "attention_mask", "token_type_ids")
_TYPES: Mapping[str, type[np.integer[Any]]] = {"tensor(int64)": np.int64, "tensor(int32)": np.int32}
_OUTPUTS = ("sentence_embedding", "last_hidden_state", "token_embeddings")
"""Outputs that are taken, the best first; without any of these names the first one that fits."""
_NOWHERE = "/dev/null/none"
_PROBE = (0,)
"""A token that every vocabulary has."""

Vector = NDArray[np.float32]


class SentenceEncoder:
    """Turns texts into vectors of length 1.

    Args:
        files: as read.
        threads: of the processor, for one text.

    Raises:
        EncoderError: onnxruntime or tokenizers is not installed, a file is damaged, or the graph is none of a sentence
            encoder.
    """

    def __init__(self, files: EncoderFiles, threads: int = 1) -> None:
        self._where = files.folder
        self._session, self._tokenizer = _load(files, threads)
        self._types = self._inputs()
        self._output = self._choose_output()
        self.dimension = len(self._run(_PROBE, _PROBE))
        """Numbers in a vector."""

    def embed(self, text: str) -> Vector:
        """(dimension,) the vector of a text, of length 1; zeros where the text has no token.

        Raises:
            EncoderError: the graph fails, or gives something else than numbers for the text.
        """
        # A lone surrogate has no bytes in UTF-8, which the tokenizer reads.
        encoding = self._tokenizer.encode(text[:MAX_CHARS].encode("utf-8", "replace").decode("utf-8"))
        if not encoding.ids:
            return np.zeros(self.dimension, dtype=np.float32)
        return self._run(encoding.ids, encoding.type_ids)

    def _run(self, ids: Sequence[int], types: Sequence[int]) -> Vector:
        given = {"input_ids": ids, "attention_mask": [1] * len(ids), "token_type_ids": types}
        feed = {name: np.array([given[name]], dtype=kind) for name, kind in self._types.items()}
        try:
            (found,) = self._session.run([self._output], feed)
        except Exception as error:  # its classes of exceptions have no public name
            raise EncoderError(
                f"{self._where}: {MODEL} cannot encode {len(ids)} tokens of this {TOKENIZER}: {_first_line(error)}"
            ) from None
        vector = _pooled(np.asarray(found, dtype=np.float32))
        length = float(np.linalg.norm(vector)) if vector is not None else 0.0
        if vector is None or not np.isfinite(length) or length == 0.0:
            raise EncoderError(
                f"{self._where}: {MODEL} gives {np.shape(found)} for a text, and no vector; take another encoder"
            )
        return np.asarray(vector / length, dtype=np.float32)

    def _inputs(self) -> Mapping[str, type[np.integer[Any]]]:
        asked = {one.name: one.type for one in self._session.get_inputs()}
        foreign = sorted(name for name, kind in asked.items() if name not in _INPUTS or kind not in _TYPES)
        if foreign or "input_ids" not in asked:
            raise EncoderError(
                f"{self._where}: {MODEL} asks for {', '.join(sorted(asked)) or 'nothing'}; a sentence encoder asks for "
                f"integers, input_ids and maybe {_INPUTS[1]} and {_INPUTS[2]}; take another file of the model"
            )
        return {name: _TYPES[kind] for name, kind in asked.items()}

    def _choose_output(self) -> str:
        names: list[str] = [one.name for one in self._session.get_outputs()]
        return next((name for name in _OUTPUTS if name in names), names[0])


def _pooled(found: Vector) -> Vector | None:
    """The one vector of the one text: as the graph gives it, or the mean over its tokens; None where it is neither.

    The text went alone and without padding, so all its tokens count.
    """
    if found.ndim == 3 and found.shape[0] == 1:
        found = found.mean(axis=1)
    return found[0] if found.ndim == 2 and found.shape[0] == 1 and found.shape[1] else None


def _load(files: EncoderFiles, threads: int) -> tuple[Any, Any]:
    """The session of onnxruntime, which ships no types, and the tokenizer."""
    try:
        import onnxruntime
        from tokenizers import Tokenizer
    except ImportError as error:
        raise EncoderError(
            f"an encoder needs onnxruntime and tokenizers ({error}); install the extra `encoder`: "
            f"pip install 'silofrei[encoder]'"
        ) from None
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 4  # what is wrong comes as an exception
    options.enable_mem_pattern = False  # texts differ in length, so there is no pattern
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    # Weights in a second file would be looked for where the process runs, and nobody has seen their checksum.
    options.add_session_config_entry("session.model_external_initializers_file_folder_path", _NOWHERE)
    try:
        session = onnxruntime.InferenceSession(files.model, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # its classes of exceptions have no public name
        if "external" in str(error).lower():
            fix = "it has its weights in a second file; take one that has all in one"
        else:
            fix = "fetch it anew"
        raise EncoderError(f"{files.folder}: {MODEL} cannot be loaded: {_first_line(error)}; {fix}") from None
    try:
        tokenizer = Tokenizer.from_str(files.tokenizer.decode("utf-8"))
        tokenizer.no_padding()
        tokenizer.enable_truncation(MAX_TOKENS)
    except Exception as error:  # it throws plain exceptions
        raise EncoderError(
            f"{files.folder}: {TOKENIZER} cannot be loaded: {_first_line(error)}; fetch it anew"
        ) from None
    return session, tokenizer


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:200]
