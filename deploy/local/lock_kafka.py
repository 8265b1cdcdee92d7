"""Writes kafka.lock.toml anew: `python -m silofrei.deploy.local.lock_kafka [VERSION]`.

Resolves org.apache.kafka:kafka_2.13 with its runtime dependencies, adds the bridge from slf4j to the log4j that comes
with it, downloads everything and notes size and SHA-256. Look at the difference before you commit it.
"""

import argparse
import sys
import tempfile
from pathlib import Path

from jgo.maven import MavenContext

from silofrei.deploy.local.jars import LOCK, Jar, read_lock, sha256

_HEADER = """\
# Apache Kafka and all it runs with. Made by `python -m silofrei.deploy.local.lock_kafka`; not edited by hand.
"""


def resolve(version: str, folder: Path) -> list[Jar]:
    """The jars of this version of Kafka, downloaded and measured.

    Args:
        version: of Kafka, such as 4.3.1.
        folder: takes the downloads.
    """
    context = MavenContext(repo_cache=folder)
    kafka = context.create_dependency(f"org.apache.kafka:kafka_2.13:{version}")
    inputs, others = context.resolver.resolve([kafka])
    artifacts = {(found.groupId, found.artifactId): found.artifact for found in (*inputs, *others)}
    # Not resolved together with Kafka: asked for both, jgo takes an older kafka-clients.
    log4j = ("org.apache.logging.log4j", "log4j-slf4j-impl")
    bridge = context.project(*log4j).at_version(artifacts[(log4j[0], "log4j-core")].version)
    artifacts[log4j] = bridge.artifact()
    jars = []
    for (group, name), artifact in sorted(artifacts.items()):
        path = Path(artifact.resolve())
        jars.append(Jar(f"{group}:{name}:{artifact.version}", path.stat().st_size, sha256(path)))
    return jars


def as_text(version: str, jars: list[Jar]) -> str:
    """The lock file for these jars."""
    parts = [f'{_HEADER}version = "{version}"\n']
    parts += [
        f'\n[[jar]]\ncoordinate = "{jar.coordinate}"\nsize = {jar.size}\nsha256 = "{jar.sha256}"\n' for jar in jars
    ]
    return "".join(parts)


def main() -> None:
    """Writes the lock file and says what it holds."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("version", nargs="?", default=read_lock().version if LOCK.exists() else None)
    version: str = parser.parse_args().version
    with tempfile.TemporaryDirectory() as folder:
        jars = resolve(version, Path(folder))
    LOCK.write_text(as_text(version, jars), encoding="utf-8")
    lock = read_lock()
    sys.stdout.write(f"Kafka {lock.version}: {len(lock.jars)} jars, {sum(jar.size for jar in jars) / 1e6:.1f} MB\n")


if __name__ == "__main__":
    main()
