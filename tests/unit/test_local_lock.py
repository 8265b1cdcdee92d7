"""The lock file of Kafka's jars."""

from pathlib import Path

import pytest

from silofrei.deploy.local.child import LocalError
from silofrei.deploy.local.jars import LOCK, Jar, cache_folder, is_cached, read_lock

GOOD = f'version = "4"\n[[jar]]\ncoordinate = "g:a:1"\nsize = 2\nsha256 = "{"a" * 64}"\n'


def test_names_a_whole_kafka_without_addresses() -> None:
    lock = read_lock()
    names = {jar.coordinate for jar in lock.jars}
    assert f"org.apache.kafka:kafka_2.13:{lock.version}" in names
    assert f"org.apache.kafka:kafka-clients:{lock.version}" in names
    assert any("log4j-slf4j-impl" in name for name in names)
    assert len(names) == len(lock.jars) > 40
    assert "://" not in LOCK.read_text()


def test_reads_coordinates_sizes_and_checksums(tmp_path: Path) -> None:
    path = tmp_path / "lock.toml"
    path.write_text(GOOD)
    assert read_lock(path).jars == (Jar("g:a:1", 2, "a" * 64),)
    assert read_lock(path).jars[0].filename == "a-1.jar"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("version =", "not a lock file"),
        ('version = "4"', "not a lock file"),
        (GOOD.replace("size = 2", 'size = "much"'), "not a lock file"),
        (GOOD.replace("g:a:1", "g:a"), "g:a: needs GROUP:ARTIFACT:VERSION"),
        (GOOD.replace("a" * 64, "a" * 40), "SHA-256 of 64 digits"),
        (GOOD + GOOD.partition("\n")[2].replace("g:a:1", "h:a:1"), "two jars have the same file name"),
    ],
)
def test_tells_what_is_wrong(tmp_path: Path, text: str, told: str) -> None:
    path = tmp_path / "lock.toml"
    path.write_text(text)
    with pytest.raises(LocalError, match=told):
        read_lock(path)


def test_a_jar_of_another_size_is_not_cached(tmp_path: Path) -> None:
    path = tmp_path / "lock.toml"
    path.write_text(GOOD)
    lock = read_lock(path)
    assert not is_cached(lock, tmp_path)
    (tmp_path / "a-1.jar").write_bytes(b"123")
    assert not is_cached(lock, tmp_path)
    (tmp_path / "a-1.jar").write_bytes(b"12")
    assert is_cached(lock, tmp_path)


def test_the_cache_follows_the_xdg_convention(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_folder("4.3.1") == tmp_path / "silofrei" / "kafka" / "4.3.1"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache_folder("4.3.1") == tmp_path / ".cache" / "silofrei" / "kafka" / "4.3.1"
