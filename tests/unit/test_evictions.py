from silofrei.streams.transport import Evictions


class Clock:
    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


def lost(*moments):
    clock = Clock()
    evictions = Evictions(clock)
    answers = []
    for clock.now in moments:
        answers.append(evictions.lost())
    return answers


def test_a_membership_lost_in_an_outage_is_no_fight():
    assert lost(500, 520, 700, 720, 900) == [False] * 5


def test_the_newcomer_gives_up_at_the_third_time():
    assert lost(4, 7, 10) == [False, False, True]


def test_who_was_there_before_stays_longer_and_gives_up_in_the_end():
    assert lost(*range(100, 124, 3)) == [False] * 7 + [True]
