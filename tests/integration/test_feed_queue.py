"""The sample feed on the real queue: in = out, however its partitions overtake each other."""

import zlib
from collections import Counter, namedtuple
from datetime import UTC, datetime

import pytest

from silofrei.deploy.demo.feed import BRAND, expected, render, rows
from silofrei.routing.policy import Policy
from silofrei.routing.queue import TicketQueue
from silofrei.routing.queue.codes import ApplyCode
from silofrei.routing.queue.effects import Effect
from silofrei.schemas.classification import Classification, Scores
from silofrei.schemas.config import Config
from silofrei.schemas.mention import MentionDeleted
from silofrei.schemas.names import Label, Language
from silofrei.streams.parsing import parse

START = datetime(2026, 11, 24, 8, 0, tzinfo=UTC)
PARTITIONS = 4
Record = namedtuple("Record", ["topic", "partition", "offset", "value"])
SERVICE = Classification(
    label=Label.SERVICE,
    scores=Scores(service=0.9, sales=0.025, hr=0.025, pr=0.025, none=0.025),
    language=Language.OTHER,
    abstained=False,
    model="fixed",
)


def partitions():
    """The feed's changes by partition, as its keys spread them."""
    found = [[] for _ in range(PARTITIONS)]
    for number, one in enumerate(render(rows(), START)):
        partition = zlib.crc32(one.key.encode()) % PARTITIONS
        record = Record("mentions.raw", partition, number, one.value())
        found[partition] += [change for _, change in parse(record, {BRAND}, lambda: START).changes]
    return found


@pytest.mark.parametrize("order", [(0, 1, 2, 3), (3, 2, 1, 0), (1, 3, 0, 2)])
async def test_every_change_ends_as_the_rows_promise(make_settings, redis_url, order):
    queue = TicketQueue.connect(make_settings(redis=redis_url))
    policy = Policy(Config())
    await queue.begin_epoch(BRAND)
    codes = Counter()
    by_partition = partitions()
    assert all(by_partition)
    for partition in order:
        effects = [
            Effect(change)
            if isinstance(change, MentionDeleted)
            else Effect(change, SERVICE, policy.decide(change.mention, SERVICE, START))
            for change in by_partition[partition]
        ]
        codes.update(applied.code for applied in await queue.apply(BRAND, effects))
    await queue.close()
    truth = expected()
    assert codes[ApplyCode.OPENED] + codes[ApplyCode.APPENDED] == truth.created
    assert codes[ApplyCode.APPENDED] > 0
    assert codes[ApplyCode.EDITED] == truth.edited
    assert codes[ApplyCode.DELETED] == truth.deleted
    assert codes[ApplyCode.DUPLICATE] == truth.duplicates
    assert codes.total() == truth.changes
