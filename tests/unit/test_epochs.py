import pytest

from silofrei.routing.queue import EpochMissing
from silofrei.streams.epochs import begin_epochs


class Queue:
    def __init__(self, **epochs):
        self.epochs = epochs

    async def epoch(self, brand):
        return self.epochs.get(brand)

    async def begin_epoch(self, brand):
        return self.epochs.setdefault(brand, f"new-{brand}")


async def test_a_first_start_begins_the_epoch_of_every_brand():
    queue = Queue()
    await begin_epochs(queue, ["demo", "other"], committed=False)
    assert queue.epochs == {"demo": "new-demo", "other": "new-other"}


async def test_epochs_that_stand_are_kept():
    queue = Queue(demo="old")
    await begin_epochs(queue, ["demo"], committed=True)
    assert queue.epochs == {"demo": "old"}


async def test_a_brand_that_is_new_in_the_configuration_begins():
    queue = Queue(demo="old")
    await begin_epochs(queue, ["demo", "other"], committed=True)
    assert queue.epochs == {"demo": "old", "other": "new-other"}


async def test_an_empty_redis_behind_committed_offsets_is_lost_data_and_not_a_new_start():
    queue = Queue()
    with pytest.raises(EpochMissing, match="SILOFREI_REDIS"):
        await begin_epochs(queue, ["demo", "other"], committed=True)
    assert queue.epochs == {}
