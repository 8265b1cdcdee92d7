"""The partition of a key is the one that every other client chooses."""

import random

from aiokafka.partitioner import DefaultPartitioner
from aiokafka.partitioner import murmur2 as theirs

from silofrei.streams.murmur import murmur2, partition_of


def test_the_hash_is_that_of_kafkas_clients():
    chance = random.Random(7)  # noqa: S311  # no secret
    keys = [chance.randbytes(length) for length in range(40) for _ in range(25)]
    assert [murmur2(key) for key in keys] == [theirs(key) & 0xFFFFFFFF for key in keys]


def test_the_partition_is_that_of_kafkas_clients():
    for count in (1, 4, 12):
        choice = list(range(count))
        for number in range(200):
            key = f"t-{number}".encode()
            assert partition_of(key, count) == DefaultPartitioner()(key, choice, choice)
