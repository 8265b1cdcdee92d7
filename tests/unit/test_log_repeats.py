import logging

from silofrei.streams.log_repeats import Repeats


def record(message, *values, name="aiokafka"):
    return logging.LogRecord(name, logging.ERROR, "client.py", 1, message, values, None)


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


def test_a_message_that_comes_again_and_again_is_shown_once_in_a_while():
    clock = Clock()
    repeats = Repeats(30, clock)
    assert repeats.filter(record("No connection to %s", 1))
    for _ in range(5):
        clock.now += 5
        assert not repeats.filter(record("No connection to %s", 2))
    clock.now += 5
    shown = record("No connection to %s", 3)
    assert repeats.filter(shown)
    assert shown.getMessage() == "No connection to 3 (and 5 times before)"


def test_other_messages_are_not_held_back():
    repeats = Repeats(30, Clock())
    assert repeats.filter(record("No connection"))
    assert repeats.filter(record("No leader"))
    assert repeats.filter(record("No connection", name="kafka"))
