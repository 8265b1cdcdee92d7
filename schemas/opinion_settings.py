"""Settings of the second opinion: where it is asked, what it may cost, and which texts may leave the company.

Owns: the fields that start with `second_opinion_` and what must hold among them. Refuses: reading the environment
(settings.py, whose class these join).
"""

from typing import Annotated, Self
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, StringConstraints, field_validator, model_validator
from pydantic_settings import BaseSettings

from silofrei.schemas.loopback import is_loopback

_URL = "SILOFREI_SECOND_OPINION_URL"
_PATH = "/chat/completions"


class OpinionSettings(BaseSettings):
    """What an operator can set of the second opinion; without a URL it is off and no text leaves the company."""

    second_opinion_url: str | None = Field(
        None,
        description="Base address of an OpenAI-compatible server that is asked about texts which the classifier is "
        "unsure of, such as https://models.example/v1; unset: no text leaves the company.",
    )
    second_opinion_model: Annotated[str, StringConstraints(pattern=r"^([A-Za-z0-9][A-Za-z0-9._:/@-]{0,99})?$")] = Field(
        "", description="Name of the model there; needed with the URL."
    )
    second_opinion_api_key: SecretStr | None = Field(None, description="Key for that server (secret).")
    second_opinion_plain_http: bool = Field(
        False, description="Let texts and key travel unencrypted, over http:// to a machine other than this one."
    )
    second_opinion_timeout: Annotated[float, Field(ge=0.1, le=30)] = Field(
        3.0, description="Longest wait for an answer, and for all answers of one batch together."
    )
    second_opinion_at_once: Annotated[int, Field(ge=1, le=64)] = Field(
        4, description="Most questions at once; further unsure texts of a batch keep the local answer."
    )
    second_opinion_per_minute: Annotated[int, Field(ge=1, le=10_000)] = Field(
        30, description="Most questions within a minute, of each worker."
    )
    second_opinion_per_day: Annotated[int, Field(ge=1, le=100_000)] = Field(
        2000, description="Most questions within 24 hours, of each worker since its start."
    )
    second_opinion_brands: Annotated[str, StringConstraints(pattern=r"^([a-z][a-z0-9-]*(,[a-z][a-z0-9-]*)*)?$")] = (
        Field("", description="Brands whose texts may leave, comma separated; empty is all.")
    )
    second_opinion_hr: bool = Field(
        False, description="Let texts leave that look as if they were for HR; they are confidential."
    )
    second_opinion_messages: bool = Field(
        False, description="Let direct messages leave, which their authors did not publish."
    )

    @field_validator("second_opinion_api_key")
    @classmethod
    def _one_word(cls, key: SecretStr | None) -> SecretStr | None:
        if key is not None and not all("!" <= character <= "~" for character in key.get_secret_value()):
            raise ValueError("must be one word of printable ASCII, since it travels in a header; copy it anew")
        return key

    @model_validator(mode="after")
    def _reachable(self) -> Self:
        if self.second_opinion_url is None:
            return self
        wrong = _wrong_address(self.second_opinion_url, plain=self.second_opinion_plain_http)
        if wrong:
            raise ValueError(f"{_URL}: {wrong}")
        if not self.second_opinion_model:
            raise ValueError(f"SILOFREI_SECOND_OPINION_MODEL is needed with {_URL}; set it to a model of that server")
        return self

    @property
    def second_opinion_allowed_brands(self) -> frozenset[str]:
        """The brands whose texts may leave; empty is all."""
        return frozenset(name for name in self.second_opinion_brands.split(",") if name)


def _wrong_address(url: str, *, plain: bool) -> str | None:
    """What is wrong and the fix. It never quotes the address, which may hold a secret."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        return "is no address; write it as https://HOST/v1"
    if parts.scheme not in ("http", "https") or not host or any(not "!" <= character <= "~" for character in url):
        return "is no address; write it as https://HOST/v1"
    if "@" in parts.netloc:
        return "must not carry a password; set SILOFREI_SECOND_OPINION_API_KEY (or its secrets file) instead"
    if "?" in url or "#" in url:
        return "must end with its path; leave out what follows ? or #"
    if parts.path.rstrip("/").endswith(_PATH):
        return f"is the base address; leave out {_PATH}"
    if parts.scheme == "http" and not plain and not is_loopback(host):
        return (
            f"texts would travel unencrypted to {host}; use https://, or allow it with "
            "SILOFREI_SECOND_OPINION_PLAIN_HTTP=true in a network that is yours"
        )
    return None
