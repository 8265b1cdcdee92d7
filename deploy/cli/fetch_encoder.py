"""Fetching the files of a sentence encoder from where a person says, into a folder that did not exist before.

Owns: the way over HTTPS (or HTTP on this machine), limits of size, checksums, all or nothing. Refuses: what is in the
files (routing/classifier/encoder).
"""

import hashlib
import http.client
import os
import shutil
import tempfile
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO, NamedTuple

from silofrei.routing.classifier.encoder.files import LARGEST, MODEL, PLACES, TOKENIZER, EncoderError
from silofrei.schemas.loopback import is_loopback

TIMEOUT = 30.0
"""Longest wait for the next bytes, seconds."""
_PIECE = 1 << 20


class Fetched(NamedTuple):
    """One file that is there now."""

    name: str
    size: int
    sha256: str


class _NotThereError(EncoderError):
    """The server has no such file."""


def fetch_encoder(
    base: str,
    folder: Path,
    *,
    checksums: Mapping[str, str] | None = None,
    model: str | None = None,
    largest: Mapping[str, int] = LARGEST,
    tell: Callable[[str], None] = lambda text: None,
) -> list[Fetched]:
    """Fetch `model.onnx` and `tokenizer.json` below a URL; both are in the folder at the end, or nothing is.

    Args:
        base: URL of the folder that has them; https, or http on this machine.
        folder: where they shall stand; it must not be there, or be empty.
        checksums: SHA-256 that a file must have, by name.
        model: where the ONNX file lies below the URL; by default it is looked for as in a folder.
        largest: bytes, by name.
        tell: is told which file is being fetched.

    Raises:
        EncoderError: the URL is none to fetch from, a file is not there, too large, cut off or another than expected,
            or the folder cannot be written.
    """
    base = check_url(base).rstrip("/") + "/"
    expected = {name: one.lower() for name, one in (checksums or {}).items()}
    try:
        if folder.is_symlink() or (folder.exists() and (not folder.is_dir() or any(folder.iterdir()))):
            raise EncoderError(f"{folder} is there already; name a new folder, or remove this one first")
        folder.parent.mkdir(parents=True, exist_ok=True)
        part = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    except OSError as error:
        raise EncoderError(f"{folder}: {error.strerror}; name a folder that can be made") from None
    try:
        found = []
        for name in (MODEL, TOKENIZER):
            places = (model,) if model and name == MODEL else PLACES[name]
            size, checksum = _first(base, places, part / name, largest[name], tell)
            if expected.get(name, checksum) != checksum:
                raise EncoderError(
                    f"{name} has the SHA-256 {checksum}, not {expected[name]} as --sha256 says; nothing was kept"
                )
            found.append(Fetched(name, size, checksum))
        part.chmod(0o755)
        part.rename(folder)
    except OSError as error:
        raise EncoderError(f"{folder}: {error.strerror or error}; nothing was kept") from None
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return found


def check_url(url: str) -> str:
    """The URL, where it may be fetched from.

    Raises:
        EncoderError: it is neither https nor http on this machine, or says more than a place.
    """
    try:
        parts = urllib.parse.urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError as error:
        raise EncoderError(f"{url}: is no URL: {error}") from None
    if not host or parts.scheme not in ("https", "http"):
        raise EncoderError(f"{url}: name a URL such as https://huggingface.co/OWNER/MODEL/resolve/main")
    if parts.username or parts.password or parts.query or parts.fragment:
        raise EncoderError(f"{host}: the URL must have no user, no '?' and no '#'; name the folder of the files alone")
    return _check_way(url)


def _check_way(url: str) -> str:
    parts = urllib.parse.urlsplit(url)
    if parts.scheme == "https" or (parts.scheme == "http" and is_loopback(parts.hostname or "")):
        return url
    raise EncoderError(
        f"{parts.scheme}://{parts.hostname}: anybody on the way could change what comes; only https is fetched from, "
        f"or http on this machine"
    )


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Follows where the way stays safe."""

    def redirect_request(
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: http.client.HTTPMessage,
        newurl: str,
    ) -> urllib.request.Request | None:
        """The next request.

        Raises:
            EncoderError: it would leave the safe way.
        """
        if req.type == "https" and urllib.parse.urlsplit(newurl).scheme != "https":
            raise EncoderError(f"{req.host} redirects to {newurl[:200]}, away from https; it was not followed")
        _check_way(newurl)
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _first(
    base: str, places: tuple[str, ...], path: Path, largest: int, tell: Callable[[str], None]
) -> tuple[int, str]:
    """Size and checksum of the first of these places that is there."""
    for place in places[:-1]:
        try:
            return _fetch(base + place, path, largest, tell)
        except _NotThereError:
            continue
    return _fetch(base + places[-1], path, largest, tell)


def _fetch(url: str, path: Path, largest: int, tell: Callable[[str], None]) -> tuple[int, str]:
    tell(f"fetching {url}")
    # A proxy could not reach this machine's own address.
    proxies = [urllib.request.ProxyHandler({})] if url.startswith("http:") else []
    request = urllib.request.Request(url, headers={"Accept-Encoding": "identity", "User-Agent": "silofrei"})  # noqa: S310  # check_url
    try:
        with urllib.request.build_opener(_Redirects, *proxies).open(request, timeout=TIMEOUT) as answer:
            return _save(answer, url, path, largest)
    except urllib.error.HTTPError as error:
        with error:
            kind = _NotThereError if error.code in (404, 410) else EncoderError
            raise kind(f"{url}: the server answers {error.code} {error.reason}; nothing was kept") from None
    except urllib.error.URLError as error:
        raise EncoderError(f"{url}: {error.reason}; nothing was kept") from None
    except (http.client.HTTPException, TimeoutError, ConnectionError) as error:
        raise EncoderError(f"{url}: cut off: {str(error) or type(error).__name__}; nothing was kept") from None


def _save(answer: http.client.HTTPResponse, url: str, path: Path, largest: int) -> tuple[int, str]:
    told = answer.headers.get("Content-Length")
    length = int(told) if told and told.isdecimal() else None
    if length is None and answer.headers.get("Transfer-Encoding", "").lower() != "chunked":
        raise EncoderError(f"{url}: the server does not say how long the file is; fetch it from another")
    if answer.headers.get("Content-Encoding", "identity") != "identity":
        raise EncoderError(f"{url}: the server packs the file, which was not asked for; fetch it from another")
    if length is not None and length > largest:
        raise EncoderError(f"{url}: has {length} bytes, more than the {largest} that are fetched; nothing was kept")
    size, checksum = 0, hashlib.sha256()
    with path.open("wb") as file:
        while piece := answer.read(_PIECE):
            size += len(piece)
            if size > largest:
                raise EncoderError(f"{url}: has more than the {largest} bytes that are fetched; nothing was kept")
            checksum.update(piece)
            file.write(piece)
        file.flush()
        os.fsync(file.fileno())
    if length is not None and size != length:
        raise EncoderError(f"{url}: cut off after {size} of {length} bytes; nothing was kept")
    return size, checksum.hexdigest()
