from aiokafka import TopicPartition

from silofrei.streams.lag import Position
from silofrei.streams.watchdog import Watchdog

TP = TopicPartition("mentions.raw", 2)
OTHER = TopicPartition("mentions.raw", 3)


class Clock:
    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now


def watched(patience=60.0):
    clock = Clock()
    return Watchdog(patience, clock), clock


def at(committed, end):
    return Position(committed, end, end - committed)


def test_lag_without_a_commit_is_stuck_once_the_patience_is_over():
    watchdog, clock = watched()
    assert watchdog.observe({TP: at(5, 9)}) is None
    clock.now += 59
    assert watchdog.observe({TP: at(5, 12)}) is None
    clock.now += 1
    said = watchdog.observe({TP: at(5, 12)})
    assert said == "mentions.raw, partition 2: 7 records wait and the commit has stood at 5 for 60 s"


def test_a_commit_starts_the_time_anew():
    watchdog, clock = watched()
    for committed in range(10):
        clock.now += 50
        assert watchdog.observe({TP: at(committed, 100)}) is None


def test_no_lag_is_no_fault_however_long_it_lasts():
    watchdog, clock = watched()
    for _ in range(10):
        clock.now += 50
        assert watchdog.observe({TP: at(5, 5)}) is None
    assert watchdog.observe({TP: at(5, 6)}) is None
    clock.now += 59
    assert watchdog.observe({TP: at(5, 6)}) is None


def test_one_stuck_partition_among_others_is_found():
    watchdog, clock = watched()
    watchdog.observe({TP: at(0, 5), OTHER: at(0, 5)})
    clock.now += 61
    assert "partition 3" in watchdog.observe({TP: at(3, 5), OTHER: at(0, 5)})


def test_a_partition_that_went_away_and_came_back_starts_anew():
    watchdog, clock = watched()
    watchdog.observe({TP: at(0, 5)})
    clock.now += 40
    watchdog.observe({})
    clock.now += 40
    assert watchdog.observe({TP: at(0, 5)}) is None


def test_waiting_for_a_dependency_is_excused():
    watchdog, clock = watched()
    for _ in range(10):
        assert watchdog.observe({TP: at(0, 5)}) is None
        clock.now += 50
        watchdog.excuse()
