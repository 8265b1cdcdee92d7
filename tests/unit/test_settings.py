"""Settings and silofrei.toml: every mistake gives one readable error that names the key and the fix."""

from datetime import timedelta
from pathlib import Path

import pytest

from silofrei.schemas.config import Config, load_config, parse_config
from silofrei.schemas.names import Channel, Priority
from silofrei.schemas.settings import ConfigurationError, Settings, load_settings


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    for name in Settings.model_fields:
        monkeypatch.delenv(f"SILOFREI_{name.upper()}", raising=False)


@pytest.mark.parametrize(
    ("variable", "value", "words"),
    [
        ("KAFKA", "broker", ["SILOFREI_KAFKA='broker'", "HOST:PORT"]),
        ("REDIS", "http://here", ["SILOFREI_REDIS", "unix://"]),
        ("REDIS", "redis://user:word@here/0", ["SILOFREI_REDIS", "SILOFREI_REDIS_PASSWORD"]),
        ("BATCH_RECORDS", "many", ["SILOFREI_BATCH_RECORDS='many'", "integer"]),
        ("BATCH_RECORDS", "0", ["SILOFREI_BATCH_RECORDS", "greater than or equal to 1"]),
        ("KAFKA_SECURITY", "SASL_SSL", ["SILOFREI_KAFKA_USERNAME", "SILOFREI_KAFKA_PASSWORD"]),
        ("TOMBSTONE_HOURS", "24", ["SILOFREI_TOMBSTONE_HOURS=24", "SILOFREI_RETENTION_RAW_HOURS=168"]),
        ("SECRETS_DIR", "/nowhere/at/all", ["SILOFREI_SECRETS_DIR", "not a folder"]),
        ("SECOND_OPINION_TIMEOUT", "300", ["SILOFREI_SECOND_OPINION_TIMEOUT", "less than or equal to 30"]),
        ("SECOND_OPINION_MODEL", "a b", ["SILOFREI_SECOND_OPINION_MODEL='a b'", "pattern"]),
        ("SECOND_OPINION_BRANDS", "A, b", ["SILOFREI_SECOND_OPINION_BRANDS='A, b'", "comma separated"]),
        ("REDIS_DURABILITY", "sometimes", ["SILOFREI_REDIS_DURABILITY='sometimes'", "everysec"]),
    ],
)
def test_a_wrong_setting_is_named(monkeypatch: pytest.MonkeyPatch, variable: str, value: str, words: list[str]) -> None:
    monkeypatch.setenv(f"SILOFREI_{variable}", value)
    with pytest.raises(ConfigurationError) as caught:
        load_settings()
    for word in words:
        assert word in str(caught.value)


def test_the_password_in_a_url_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SILOFREI_REDIS", "redis://user:hunter2@here/0")
    with pytest.raises(ConfigurationError) as caught:
        load_settings()
    assert "hunter2" not in str(caught.value)


def test_secrets_come_from_files_and_stay_masked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "silofrei_redis_password").write_text("hunter2")
    monkeypatch.setenv("SILOFREI_SECRETS_DIR", str(tmp_path))
    settings = load_settings()
    assert settings.redis_password is not None
    assert settings.redis_password.get_secret_value() == "hunter2"
    assert "hunter2" not in repr(settings)


def test_options_win_over_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SILOFREI_KAFKA", "a:1")
    assert load_settings(kafka="b:2", redis=None).kafka == "b:2"


def test_every_setting_is_documented() -> None:
    assert [name for name, field in Settings.model_fields.items() if not field.description] == []


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('[[rules]]\nname = "vip"\nthen = { department = "legal" }', ["rules[0] (vip)", "'legal'", "service, sales"]),
        ('[[rules]]\nname = "vip"\nthen = { collaborators = ["legal"] }', ["rules[0] (vip)", "'legal'"]),
        ('[channels.x]\ndeadline = "5 hours"', ["channels.x.deadline = '5 hours'", "'4h'"]),
        ('[channels.x]\ndeadline = "0h"', ["channels.x.deadline", "'4h'"]),
        ('[channels.icq]\ndeadline = "5h"', ["icq", "'facebook'"]),
        ('[[rules]]\nname = "a"\nthen = { priority = "soon" }', ["rules[0].then.priority = 'soon'", "critical"]),
        ('[[rules]]\nname = "A b"\nthen = { discard = true }', ["rules[0].name = 'A b'", "pattern"]),
        ("[thresholds]\nservice = 45", ["thresholds.service = 45", "less than or equal to 1"]),
        ("[treshold]\nservice = 0.4", ["treshold", "unknown key"]),
        ("brands = []", ["brands", "at least 1"]),
        ('brands = ["My Brand"]', ["brands[0] = 'My Brand'", "pattern"]),
        ("[departments.purchasing]", ["departments.purchasing.title", "required"]),
        ('[departments.triage]\ntitle = { de = "T", en = "T" }', ["departments.triage", "[triage]"]),
        (
            '[[rules]]\nname="a"\nthen={discard=true}\n[[rules]]\nname="a"\nthen={discard=true}',
            ["rules[1] (a)", "taken"],
        ),
        ('[[rules]]\nname="a"\nthen={discard=true, department="pr"}', ["rules[0] (a)", "discard"]),
        ("brands = [", ["not valid TOML", "Invalid value"]),
    ],
)
def test_a_wrong_key_is_named(text: str, words: list[str]) -> None:
    with pytest.raises(ConfigurationError) as caught:
        parse_config(text, "silofrei.toml")
    for word in ["silofrei.toml: ", *words]:
        assert word in str(caught.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="SILOFREI_CONFIG"):
        load_config(tmp_path / "nowhere.toml")


def test_an_empty_file_is_the_default() -> None:
    assert parse_config("", "silofrei.toml") == Config()
    assert load_config(None) == Config()


def test_a_department_of_ones_own_joins_the_defaults() -> None:
    text = """
    [departments.purchasing]
    title = { de = "Einkauf", en = "Purchasing" }
    deadline = "2d"

    [channels.x]
    deadline = "45m"

    [[rules]]
    name = "suppliers"
    when = { words = ["Lieferant"], channels = ["x"] }
    then = { department = "purchasing", priority = "high", deadline = "30m" }
    """
    config = parse_config(text, "silofrei.toml")
    assert config.queue_names() == ("service", "sales", "hr", "pr", "purchasing", "triage")
    assert config.department("purchasing").deadline == timedelta(days=2)
    assert config.channels[Channel.X].deadline == timedelta(minutes=45)
    assert config.rules[0].then.priority is Priority.HIGH
