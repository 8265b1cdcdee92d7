"""docs/channels.md: its examples are read as it says, and its tables leave no channel out."""

import json
import re
from datetime import UTC, datetime
from pathlib import Path

from silofrei.schemas.delivery import RawDelivery
from silofrei.schemas.mention import MentionCreated
from silofrei.schemas.names import Channel, DeadLetterReason
from silofrei.streams.channels.cloudevents import CloudEventsParser
from silofrei.streams.connectors.lines import key_of, row_delivery

PAGE = (Path(__file__).parents[2] / "docs" / "channels.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL)
NOW = datetime(2026, 11, 3, 9, 0, 5, tzinfo=UTC)


def test_the_event_is_read_whole():
    payload = json.loads(EXAMPLES[0])
    delivery = RawDelivery(
        delivery_id="d1", brand="demo", channel="cloudevents", connector="test", received_at=NOW, body=EXAMPLES[0]
    )
    parser = CloudEventsParser()
    (item,) = parser.split(payload, delivery)
    change = parser.change(item, delivery)
    assert isinstance(change, MentionCreated)
    assert change.mention.id == "cloudevents:https://forum.nordwind.example/17"
    assert change.mention.model_dump(exclude_defaults=True).keys() == set(type(change.mention).model_fields) - {"v"}


def test_each_field_of_the_event_is_explained():
    for field in json.loads(EXAMPLES[0])["data"]:
        assert re.search(rf"`(\w+\.)?{field}(\.|\[|`)", PAGE), field


def test_the_row_is_taken():
    key, delivery = row_delivery(EXAMPLES[1].encode(), "demo", lambda: NOW)
    assert key is None
    assert key_of(delivery) == "mastodon:115500001"


def test_every_channel_has_a_section_and_every_reason_a_word():
    headings = re.findall(r"^## (\w+)", PAGE, re.MULTILINE)
    assert {channel.value for channel in Channel} <= {heading.lower() for heading in headings}
    for reason in set(DeadLetterReason) - {DeadLetterReason.REFUSED}:
        assert f"`{reason.value}`" in PAGE
