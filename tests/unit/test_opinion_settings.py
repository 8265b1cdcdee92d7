"""The second opinion is off until somebody names a server, and one that would give texts or key away is refused."""

from pathlib import Path

import pytest

from silofrei.schemas.config import Config
from silofrei.schemas.settings import ConfigurationError, Settings, load_settings
from silofrei.streams.opinions import opinions_of

URL = "SILOFREI_SECOND_OPINION_URL"


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    for name in Settings.model_fields:
        monkeypatch.delenv(f"SILOFREI_{name.upper()}", raising=False)


def test_by_default_it_is_off() -> None:
    settings = load_settings()
    assert settings.second_opinion_url is None
    assert (settings.second_opinion_hr, settings.second_opinion_messages) == (False, False)
    assert opinions_of(settings, Config()) is None


@pytest.mark.parametrize(
    "url",
    [
        "https://models.example/v1",
        "https://models.example:8443/v1/",
        "http://127.0.0.1:8000/v1",
        "http://127.8.0.1/v1",
        "http://localhost:11434/v1",
        "http://[::1]:8000/v1",
    ],
)
def test_https_and_this_machine_are_allowed(url: str) -> None:
    settings = load_settings(second_opinion_url=url, second_opinion_model="m")
    assert opinions_of(settings, Config()) is not None


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("http://models.example/v1", ["unencrypted to models.example", "https://", "SECOND_OPINION_PLAIN_HTTP=true"]),
        ("http://localhost.example/v1", ["unencrypted to localhost.example"]),
        ("http://127.0.0.1.example/v1", ["unencrypted"]),
        ("http://10.0.0.7/v1", ["unencrypted"]),
        ("http://0.0.0.0/v1", ["unencrypted"]),
        ("http://[::ffff:10.0.0.7]/v1", ["unencrypted"]),
        ("http://127.0.0.1:hunter2@models.example/v1", ["password", "SILOFREI_SECOND_OPINION_API_KEY"]),
        ("https://:hunter2@models.example/v1", ["password", "SILOFREI_SECOND_OPINION_API_KEY"]),
        ("https://models.example/v1?key=hunter2", ["leave out what follows"]),
        ("https://models.example/v1#hunter2", ["leave out what follows"]),
        ("https://models.example/v1/chat/completions", ["leave out /chat/completions"]),
        ("https://models.example/v1/chat/completions/", ["leave out /chat/completions"]),
        ("models.example/v1", ["no address", "https://HOST/v1"]),
        ("ftp://models.example/v1", ["no address"]),
        ("https:///v1", ["no address"]),
        ("https://models.example:hunter2/v1", ["no address"]),
        ("https://models.example/v1\nX-Key: hunter2", ["no address"]),
        ("https://[models/v1", ["no address"]),
        ("", ["no address"]),
    ],
)
def test_an_address_that_would_give_something_away_is_refused(url: str, words: list[str]) -> None:
    with pytest.raises(ConfigurationError) as caught:
        load_settings(second_opinion_url=url, second_opinion_model="m")
    for word in [URL, *words]:
        assert word in str(caught.value)
    assert "hunter2" not in str(caught.value)


def test_a_network_of_ones_own_may_do_without_encryption() -> None:
    given = {"second_opinion_url": "http://models.internal/v1", "second_opinion_model": "m"}
    assert load_settings(**given, second_opinion_plain_http=True).second_opinion_url == given["second_opinion_url"]


def test_a_server_without_a_model_is_refused() -> None:
    with pytest.raises(ConfigurationError, match=r"SILOFREI_SECOND_OPINION_MODEL is needed with .*_URL"):
        load_settings(second_opinion_url="https://models.example/v1")


def test_waiting_must_not_look_like_standing_still() -> None:
    given = {"second_opinion_timeout": 20.0, "watchdog": 30.0, "second_opinion_model": "m"}
    with pytest.raises(ConfigurationError, match=r"SILOFREI_SECOND_OPINION_TIMEOUT=20 .* SILOFREI_WATCHDOG=30"):
        load_settings(second_opinion_url="https://models.example/v1", **given)
    assert load_settings(**given).watchdog == 30


def test_the_key_comes_from_a_file_and_is_never_shown(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "silofrei_second_opinion_api_key").write_text("hunter2\n")
    monkeypatch.setenv("SILOFREI_SECRETS_DIR", str(tmp_path))
    settings = load_settings()
    assert settings.second_opinion_api_key is not None
    assert settings.second_opinion_api_key.get_secret_value() == "hunter2"
    assert "hunter2" not in repr(settings)


@pytest.mark.parametrize("key", ["hunter2\r\nX: y", "hunter2 x", "hunter2ä"])
def test_a_key_that_cannot_travel_in_a_header_is_refused_and_not_shown(
    monkeypatch: pytest.MonkeyPatch, key: str
) -> None:
    monkeypatch.setenv("SILOFREI_SECOND_OPINION_API_KEY", key)
    with pytest.raises(ConfigurationError) as caught:
        load_settings()
    assert "SILOFREI_SECOND_OPINION_API_KEY=***: must be one word" in str(caught.value)
    assert "hunter2" not in str(caught.value)


def test_a_brand_that_does_not_exist_is_named() -> None:
    settings = load_settings(second_opinion_brands="demo,nordwnd")
    with pytest.raises(ConfigurationError, match=r"SILOFREI_SECOND_OPINION_BRANDS names nordwnd, .* use demo"):
        opinions_of(settings, Config())
    assert settings.second_opinion_allowed_brands == {"demo", "nordwnd"}
