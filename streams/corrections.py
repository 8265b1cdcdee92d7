"""Corrections from Kafka: reads `tickets.events` from its beginning, without a group, and commits nothing."""

from collections.abc import Iterator

from silofrei.routing.classifier.corrections import Collected, collect
from silofrei.schemas.settings import Settings
from silofrei.streams.topic_reader import read_topic
from silofrei.streams.topics import Topics


def collect_corrections(settings: Settings, *, no_action: bool = False) -> Collected:
    """The corrections that people made, of all brands.

    Args:
        settings: where Kafka is.
        no_action: see `collect`.

    Raises:
        ConfigurationError: no broker answers, or the topic is missing.
    """

    def events() -> Iterator[bytes | None]:
        return (record.value for record in read_topic(settings, Topics(settings).events))

    return collect(events, no_action=no_action)
