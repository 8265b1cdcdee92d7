"""Logging of the long-running parts: to stderr, as text or JSON, secrets never among it."""

import json
import logging
import sys
from datetime import UTC, datetime

from silofrei.schemas.settings import Settings
from silofrei.streams.log_repeats import quiet_clients

_CLIENTS = ("aiokafka", "kafka", "faust", "mode")


class _JsonLines(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        line = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            line["error"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False)


def start_logging(settings: Settings) -> None:
    """Log to stderr at the level and in the form that the settings name."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        _JsonLines() if settings.log_format == "json" else logging.Formatter("%(asctime)s %(levelname)-7s %(message)s")
    )
    logging.basicConfig(level=settings.log_level.upper(), handlers=[handler], force=True)
    quiet_clients(*_CLIENTS)
    for chatty in _CLIENTS:
        logging.getLogger(chatty).setLevel(max(logging.WARNING, logging.getLogger().level))
