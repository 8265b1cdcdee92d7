"""The port where Prometheus scrapes a process of the streams."""

from prometheus_client import start_http_server

from silofrei.schemas.settings import ConfigurationError, Settings


def serve_metrics(settings: Settings) -> None:
    """Serve this process' metrics where the settings name a port.

    Raises:
        ConfigurationError: the port is taken.
    """
    if not settings.metrics_port:
        return
    try:
        start_http_server(settings.metrics_port, settings.metrics_host)
    except OSError as error:
        raise ConfigurationError(
            f"SILOFREI_METRICS_PORT={settings.metrics_port}: {error.strerror}; every process needs a port of its own"
        ) from error
