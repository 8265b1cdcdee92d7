"""Settings through a child's environment and back."""

from pathlib import Path

import pytest
from pydantic import SecretStr

from silofrei.deploy.local.environment import environment_of
from silofrei.schemas.names import Durability
from silofrei.schemas.settings import load_settings


def test_a_child_reads_the_same_settings(make_settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = make_settings(
        kafka="kafka:1",
        kafka_memory=True,
        kafka_security="SASL_SSL",
        kafka_username="us",
        kafka_password=SecretStr("pass word"),
        redis="unix:///a b/redis.sock",
        redis_durability=Durability.WAITAOF,
        ledger=tmp_path / "ledger",
        topic_prefix="t.",
        lease=12.5,
        retention_events_hours=-1,
        second_opinion_url="http://127.0.0.1:1/v1",
        second_opinion_model="m",
        second_opinion_messages=True,
    )
    for name, value in environment_of(settings).items():
        monkeypatch.setenv(name, value)
    read = load_settings(_env_file=None)
    unset = {"desk_secret", "redis_password", "second_opinion_api_key"}
    assert read.model_dump(exclude=unset) == settings.model_dump(exclude=unset)


def test_a_secret_of_our_own_environment_does_not_reach_a_child_that_shall_not_have_it(
    make_settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    variables = environment_of(make_settings(redis_password=None))
    monkeypatch.setenv("SILOFREI_REDIS_PASSWORD", "of another Redis")
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    password = load_settings(_env_file=None).redis_password
    assert password is not None
    assert not password.get_secret_value()


def test_paths_are_absolute(make_settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    assert environment_of(make_settings(data="here"))["SILOFREI_DATA"] == str(tmp_path / "here")
