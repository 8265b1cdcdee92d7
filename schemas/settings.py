"""Settings: one frozen class for every process; each setting has a default, a doc and a check at start.

Read from the environment (`SILOFREI_...`), from `.env` and, for secrets, from files in the folder that
`SILOFREI_SECRETS_DIR` names. Only composition roots (deploy/cli) build it.
"""

import os
import re
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, SecretStr, StringConstraints, ValidationError, field_validator, model_validator
from pydantic_settings import SettingsConfigDict

from silofrei.schemas.names import Durability
from silofrei.schemas.opinion_settings import OpinionSettings

PREFIX = "SILOFREI_"
_USER_INFO = re.compile(r"//[^@/]*@")
"""The part of a URL that may hold a password."""


class ConfigurationError(Exception):
    """Something in the configuration is wrong; the message names it and the fix. Exit code 2."""


class Settings(OpinionSettings):
    """Everything an operator can set. Durations are seconds, sizes bytes, unless the name says otherwise.

    What begins with `second_opinion_` stands in opinion_settings.py.
    """

    model_config = SettingsConfigDict(env_prefix=PREFIX, env_file=".env", frozen=True, extra="ignore")

    # --- Where things are
    kafka: Annotated[str, StringConstraints(pattern=r"^[^\s,:]+:\d+(,[^\s,:]+:\d+)*$")] = Field(
        "127.0.0.1:9092", description="Bootstrap servers, HOST:PORT, comma separated."
    )
    kafka_security: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = Field(
        "PLAINTEXT", description="How to talk to Kafka."
    )
    kafka_sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = Field(
        "SCRAM-SHA-512", description="SASL mechanism, used where kafka_security starts with SASL_."
    )
    kafka_username: str = Field("", description="SASL user name.")
    kafka_password: SecretStr | None = Field(None, description="SASL password (secret).")
    kafka_ca: Path | None = Field(None, description="CA certificates (PEM) for SSL.")
    kafka_memory: bool = Field(
        False, description="The broker is librdkafka's memory cluster: topics come by auto-creation, nothing is kept."
    )
    redis: Annotated[str, StringConstraints(pattern=r"^(redis|rediss|unix)://.+$")] = Field(
        "redis://127.0.0.1:6379/0", description="Redis or Valkey, redis://, rediss:// or unix://; no password in it."
    )
    redis_username: str = Field("", description="Redis ACL user; empty is the default user.")
    redis_password: SecretStr | None = Field(None, description="Redis password (secret).")
    redis_durability: Durability = Field(
        Durability.EVERYSEC, description="When a write to Redis is safe: everysec, always or waitaof."
    )
    redis_timeout: Annotated[float, Field(gt=0, le=60)] = Field(5.0, description="Longest wait for one Redis reply.")
    config: Path | None = Field(
        None, description="Path of silofrei.toml; ./silofrei.toml where there is one, else the built-in configuration."
    )
    data: Path = Field(Path("silofrei-data"), description="Folder for local Kafka, local Redis, the ledger and models.")
    ledger: Path | None = Field(None, description="Folder of the Parquet ledger; DATA/ledger by default.")

    # --- Topics
    topic_prefix: Annotated[str, StringConstraints(pattern=r"^([a-z0-9][a-z0-9.-]*\.)?$")] = Field(
        "", description="Put before every topic name and consumer group, such as 'staging.'; ends with a dot."
    )
    topic_partitions: Annotated[int, Field(ge=1, le=1000)] = Field(4, description="Partitions of a topic.")
    topic_replication: Annotated[int, Field(ge=1, le=10)] = Field(
        1, description="Replicas of a topic; 3 in production."
    )
    retention_raw_hours: Annotated[int, Field(ge=1)] = Field(168, description="How long deliveries are kept, hours.")
    retention_events_hours: Annotated[int, Field(ge=-1)] = Field(
        -1, description="How long tickets.events is kept, hours; -1 for ever (it is the record)."
    )
    retention_dead_letters_hours: Annotated[int, Field(ge=1)] = Field(
        2160, description="How long dead letters are kept, hours."
    )
    max_delivery_bytes: Annotated[int, Field(ge=10_000, le=100_000_000)] = Field(
        4_000_000, description="Largest delivery that mentions.raw takes."
    )

    # --- Worker
    worker_slot: Annotated[str, StringConstraints(pattern=r"^[a-z0-9-]{1,40}$")] = Field(
        "0", description="Name of this worker's slot: its static membership in the consumer group."
    )
    batch_records: Annotated[int, Field(ge=1, le=10_000)] = Field(1000, description="Most deliveries in one fetch.")
    batch_mentions: Annotated[int, Field(ge=1, le=10_000)] = Field(
        250,
        description="Most mentions in one script call, during which Redis serves nobody else: each takes 30 to 60 µs, "
        "and one call should take about 10 ms at most.",
    )
    retry_cap: Annotated[float, Field(gt=0, le=60)] = Field(5.0, description="Longest pause between retries.")
    shadow_model: Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9._-]{0,59}$")] | None = Field(
        None,
        description="A model that classifies beside the active one and is only counted; `silofrei model list` has all.",
    )
    encoder_threads: Annotated[int, Field(ge=1, le=64)] = Field(
        1, description="Threads of the processor for one text, where a sentence encoder stands behind the model."
    )
    watchdog: Annotated[float, Field(ge=5)] = Field(
        120.0, description="Exit when there is lag and no commit for this long, so that the supervisor restarts."
    )

    # --- Queue
    lease: Annotated[float, Field(ge=5, le=86_400)] = Field(900.0, description="How long a claim lasts.")
    tombstone_hours: Annotated[int, Field(ge=1)] = Field(
        720, description="How long a mention is remembered after its last change; must exceed retention_raw_hours."
    )

    # --- Metrics, desk, logs
    metrics_host: str = Field("127.0.0.1", description="Address of the metrics port.")
    metrics_port: Annotated[int, Field(ge=0, le=65_535)] = Field(
        0, description="Port of the metrics; 0 is off. One per process."
    )
    desk_host: str = Field("127.0.0.1", description="Address of the desk; loopback until sign-in exists.")
    desk_port: Annotated[int, Field(ge=0, le=65_535)] = Field(8080, description="Port of the desk.")
    desk_secret: SecretStr | None = Field(
        None, description="Signs the desk's form tokens (secret); a random one per start where it is not set."
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="Lowest level that is logged.")
    log_format: Literal["text", "json"] = Field("text", description="Form of a log line.")

    @field_validator("redis")
    @classmethod
    def _no_password(cls, url: str) -> str:
        if "@" in url.partition("://")[2].partition("/")[0]:
            raise ValueError("must not carry a password; set SILOFREI_REDIS_PASSWORD (or its secrets file) instead")
        return url

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.kafka_security.startswith("SASL") and not (self.kafka_username and self.kafka_password):
            raise ValueError(
                f"SILOFREI_KAFKA_USERNAME and SILOFREI_KAFKA_PASSWORD are needed with "
                f"SILOFREI_KAFKA_SECURITY={self.kafka_security}; set both (the password may be a secrets file)"
            )
        if self.tombstone_hours <= self.retention_raw_hours:
            raise ValueError(
                f"SILOFREI_TOMBSTONE_HOURS={self.tombstone_hours} must exceed "
                f"SILOFREI_RETENTION_RAW_HOURS={self.retention_raw_hours}, or a replay reopens finished tickets"
            )
        if self.second_opinion_url and self.second_opinion_timeout > self.watchdog / 2:
            raise ValueError(
                f"SILOFREI_SECOND_OPINION_TIMEOUT={self.second_opinion_timeout:g} must be at most half of "
                f"SILOFREI_WATCHDOG={self.watchdog:g}, or waiting is taken for standing still"
            )
        return self

    @property
    def models_folder(self) -> Path:
        """Where the models that were trained here lie."""
        return self.data / "models"

    @property
    def ledger_folder(self) -> Path:
        """Where the Parquet ledger lies."""
        return self.ledger or self.data / "ledger"


def load_settings(**overrides: object) -> Settings:
    """The settings of this process.

    Args:
        overrides: values that win over the environment, such as those of command-line options; None is ignored.

    Raises:
        ConfigurationError: a setting is wrong; the message has one line per mistake, naming variable, value and fix.
    """
    secrets = os.environ.get(f"{PREFIX}SECRETS_DIR")
    if secrets and not Path(secrets).is_dir():
        raise ConfigurationError(f"SILOFREI_SECRETS_DIR={secrets} is not a folder; create it or unset the variable")
    given = {key: value for key, value in overrides.items() if value is not None}
    try:
        return Settings(_secrets_dir=secrets, **given)  # type: ignore[arg-type]  # overrides are checked by pydantic
    except ValidationError as error:
        raise ConfigurationError("\n".join(_explain(error))) from None


def _explain(error: ValidationError) -> list[str]:
    lines = []
    for problem in error.errors():
        message = problem["msg"].removeprefix("Value error, ")
        if not problem["loc"]:
            lines.append(message)
            continue
        name = str(problem["loc"][0])
        field = Settings.model_fields[name]
        secret = "SecretStr" in str(field.annotation)
        shown = "***" if secret else _USER_INFO.sub("//***@", repr(problem["input"]))
        lines.append(f"{PREFIX}{name.upper()}={shown}: {message}. {field.description}")
    return lines
