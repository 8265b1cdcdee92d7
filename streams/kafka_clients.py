"""Options of the Kafka clients, from the settings: aiokafka in event loops, kafka-python in tools.

Owns: addresses, security and the producers' durability. Refuses: topic names (topics.py), connections kept open, and
importing aiokafka, whose load the tools shall not bear.
"""

import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from kafka import KafkaAdminClient
from kafka.errors import KafkaError

from silofrei.schemas.settings import ConfigurationError, Settings

CLIENT = "silofrei"
ANSWER_MS = 30_000
"""Longest wait for a broker's answer."""
REACH_MS = 5_000
"""Longest wait for the first contact with a broker."""
MEMORY_VERSION = (0, 11)
"""librdkafka's memory cluster does not know the ApiVersions request that kafka-python asks with."""


def aiokafka_options(settings: Settings) -> dict[str, Any]:
    """What every aiokafka client needs: addresses and security."""
    options = _security(settings)
    return {"bootstrap_servers": settings.kafka.split(","), "client_id": CLIENT, **options}


def aiokafka_producer_options(settings: Settings, *, max_request_size: int) -> dict[str, Any]:
    """An aiokafka producer that has its records on all in-sync replicas before it says so.

    Args:
        settings: the settings of this process.
        max_request_size: largest request in bytes; not below the largest record of the topics that it writes to.
    """
    return {
        **aiokafka_options(settings),
        "acks": "all",
        # The memory cluster has no producer ids; there a repeated request may double a record.
        "enable_idempotence": not settings.kafka_memory,
        "request_timeout_ms": ANSWER_MS,
        "max_request_size": max_request_size,
    }


def kafka_python_options(settings: Settings) -> dict[str, Any]:
    """What every kafka-python client needs: addresses, security and time limits."""
    options = _security(settings)
    options.update(
        bootstrap_servers=settings.kafka.split(","),
        client_id=CLIENT,
        request_timeout_ms=ANSWER_MS,
        bootstrap_timeout_ms=REACH_MS,
    )
    if settings.kafka_memory:
        options["api_version"] = MEMORY_VERSION
    return options


def kafka_python_producer_options(settings: Settings, *, max_request_size: int) -> dict[str, Any]:
    """A kafka-python producer that has its records on all in-sync replicas before it says so.

    Args:
        settings: the settings of this process.
        max_request_size: largest request in bytes; not below the largest record of the topics that it writes to.
    """
    return {
        **kafka_python_options(settings),
        "acks": "all",
        "enable_idempotence": not settings.kafka_memory,
        "max_request_size": max_request_size,
    }


def reach(settings: Settings) -> None:
    """Return once a broker accepts a connection.

    kafka-python would find out too, but later, and leaves its sockets open when it fails.

    Raises:
        ConfigurationError: none does.
    """
    error: OSError | None = None
    for address in settings.kafka.split(","):
        host, _, port = address.rpartition(":")
        try:
            with socket.create_connection((host.strip("[]"), int(port)), timeout=REACH_MS / 1000):
                return
        except OSError as failed:
            error = failed
    raise unreachable(settings, error or OSError("no address")) from error


@contextmanager
def admin_client(settings: Settings) -> Iterator[KafkaAdminClient]:
    """A kafka-python admin client, closed at the end.

    Raises:
        ConfigurationError: no broker answers, or it refuses us.
    """
    options = kafka_python_options(settings)
    reach(settings)
    try:
        client = KafkaAdminClient(**options)
    except KafkaError as error:
        raise unreachable(settings, error) from error
    try:
        yield client
    finally:
        client.close()


def unreachable(settings: Settings, error: BaseException) -> ConfigurationError:
    """The error for people when no broker can be spoken to.

    Args:
        settings: where the brokers should be.
        error: an OSError where none could be connected to; another one where the connection led to nothing.
    """
    fix = "start Kafka (`silofrei up` brings its own) or correct the address"
    if not isinstance(error, OSError):
        fix += "; where it is right, check SILOFREI_KAFKA_SECURITY"
        if settings.kafka_security != "PLAINTEXT":
            fix += ", SILOFREI_KAFKA_CA, SILOFREI_KAFKA_USERNAME and SILOFREI_KAFKA_PASSWORD"
    return ConfigurationError(
        f"SILOFREI_KAFKA={settings.kafka!r}: no broker answers over {settings.kafka_security} "
        f"({_first_line(error)}); {fix}"
    )


def ssl_context(settings: Settings) -> ssl.SSLContext | None:
    """The TLS context, or None where the settings ask for none.

    Raises:
        ConfigurationError: the file with the CA certificates cannot be used.
    """
    if settings.kafka_security not in ("SSL", "SASL_SSL"):
        return None
    try:
        return ssl.create_default_context(cafile=str(settings.kafka_ca) if settings.kafka_ca else None)
    except (OSError, ssl.SSLError) as error:
        raise ConfigurationError(
            f"SILOFREI_KAFKA_CA={str(settings.kafka_ca)!r}: {error}; give the path of a readable PEM file"
        ) from error


def _security(settings: Settings) -> dict[str, Any]:
    options: dict[str, Any] = {"security_protocol": settings.kafka_security}
    context = ssl_context(settings)
    if context is not None:
        options["ssl_context"] = context
    if settings.kafka_security.startswith("SASL"):
        options.update(
            sasl_mechanism=settings.kafka_sasl_mechanism,
            sasl_plain_username=settings.kafka_username,
            sasl_plain_password=settings.kafka_password.get_secret_value() if settings.kafka_password else "",
        )
    return options


def _first_line(error: BaseException) -> str:
    text = str(error).strip()
    return text.splitlines()[0] if text else type(error).__name__
