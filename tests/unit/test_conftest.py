"""The shared fixtures themselves."""

from pathlib import Path

import pytest

from silofrei.schemas.settings import ConfigurationError


def test_settings_ignore_the_environment(make_settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path(".env").write_text("SILOFREI_KAFKA=nowhere:1\n")
    settings = make_settings(worker_slot="7")
    assert settings.kafka == "127.0.0.1:9092"
    assert settings.worker_slot == "7"
    assert settings.data == tmp_path / "data"


def test_wrong_settings_are_refused(make_settings) -> None:
    with pytest.raises(ConfigurationError, match="SILOFREI_KAFKA"):
        make_settings(kafka="nonsense")
