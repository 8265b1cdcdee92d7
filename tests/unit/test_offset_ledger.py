from types import SimpleNamespace

from aiokafka import TopicPartition
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from silofrei.streams.fetches import Fetch, OffsetLedger

TP = TopicPartition("mentions.raw", 0)
OTHER = TopicPartition("mentions.raw", 1)


def fetch(*offsets, tp=TP):
    records = [SimpleNamespace(topic=tp.topic, partition=tp.partition, offset=n, value=b"") for n in offsets]
    return Fetch(tp, records)


def taken(ledger, *fetches):
    for one in fetches:
        ledger.take(one)
    return fetches


def test_nothing_is_committed_before_the_first_fetch_is_settled():
    ledger = OffsetLedger()
    taken(ledger, fetch(0, 1, 2))
    assert ledger.committable(TP) is None
    assert ledger.partitions() == []


def test_a_settled_fetch_is_committed_behind_its_last_record():
    ledger = OffsetLedger()
    (one,) = taken(ledger, fetch(4, 5, 6))
    ledger.settle(one)
    assert ledger.committable(TP) == 7
    assert ledger.partitions() == [TP]


def test_a_later_fetch_waits_for_an_earlier_one():
    ledger = OffsetLedger()
    first, second, third = taken(ledger, fetch(0, 1), fetch(2), fetch(3, 4))
    ledger.settle(second)
    assert ledger.committable(TP) is None
    ledger.settle(first)
    assert ledger.committable(TP) == 3
    ledger.settle(third)
    assert ledger.committable(TP) == 5


def test_offsets_that_compaction_or_markers_took_away_hold_nothing_back():
    ledger = OffsetLedger()
    one, two = taken(ledger, fetch(3, 9, 17), fetch(40, 41))
    ledger.settle(one)
    assert ledger.committable(TP) == 18
    ledger.settle(two)
    assert ledger.committable(TP) == 42


def test_partitions_do_not_wait_for_each_other():
    ledger = OffsetLedger()
    _, other = taken(ledger, fetch(0), fetch(7, tp=OTHER))
    ledger.settle(other)
    assert ledger.committable(TP) is None
    assert ledger.committable(OTHER) == 8


def test_the_first_record_in_hand_moves_with_what_is_settled():
    ledger = OffsetLedger()
    one, _ = taken(ledger, fetch(2, 3), fetch(6, 7))
    assert ledger.first_held(TP) == 2
    ledger.settle(one)
    assert ledger.first_held(TP) == 6
    assert ledger.first_held(OTHER) is None


def test_what_was_taken_away_can_no_longer_be_settled():
    ledger = OffsetLedger()
    (old,) = taken(ledger, fetch(0, 1))
    ledger.forget([TP])
    assert old.forgotten
    assert old.halt.is_set()
    (new,) = taken(ledger, fetch(0, 1))
    ledger.settle(old)
    assert ledger.committable(TP) is None
    ledger.settle(new)
    assert ledger.committable(TP) == 2


def test_a_forgotten_partition_leaves_nothing_to_commit():
    ledger = OffsetLedger()
    (one,) = taken(ledger, fetch(0))
    ledger.settle(one)
    ledger.forget([TP, OTHER])
    assert ledger.committable(TP) is None
    assert ledger.partitions() == []


def test_halting_asks_for_what_is_in_hand_and_for_nothing_later():
    ledger = OffsetLedger()
    done, held = taken(ledger, fetch(0), fetch(1, tp=OTHER))
    ledger.settle(done)
    ledger.halt()
    (later,) = taken(ledger, fetch(2))
    assert held.halt.is_set()
    assert not done.halt.is_set()
    assert not later.halt.is_set()
    assert not held.forgotten


@given(st.data())
def test_in_any_order_of_settling_the_commit_stays_below_the_first_unsettled_record(data):
    ledger = OffsetLedger()
    gaps = data.draw(st.lists(st.integers(1, 5), min_size=1, max_size=60))
    offsets = [sum(gaps[:n]) for n in range(1, len(gaps) + 1)]
    cuts = sorted(data.draw(st.sets(st.integers(1, len(offsets) - 1))) if len(offsets) > 1 else [])
    fetches = [fetch(*offsets[a:b]) for a, b in zip([0, *cuts], [*cuts, len(offsets)], strict=True)]
    taken(ledger, *fetches)
    for one in data.draw(st.permutations(fetches)):
        ledger.settle(one)
        committable = ledger.committable(TP) or 0
        unsettled = [record.offset for other in fetches if not other.settled for record in other.records]
        assert committable <= min(unsettled, default=committable)
    assert ledger.committable(TP) == offsets[-1] + 1


class Consuming(RuleBasedStateMachine):
    """A partition that is fetched, settled, rewound and taken away in any order, against what was really applied."""

    def __init__(self):
        super().__init__()
        self.ledger = OffsetLedger()
        self.position = 0
        self.committed = 0
        self.applied = set()
        self.in_hand = []

    @rule(size=st.integers(1, 5), gap=st.integers(0, 3))
    def fetch(self, size, gap):
        offsets = range(self.position + gap, self.position + gap + size)
        # What compaction removed never needs to be applied.
        self.applied.update(range(self.position, self.position + gap))
        self.position = offsets.stop
        one = fetch(*offsets)
        self.ledger.take(one)
        self.in_hand.append(one)

    @precondition(lambda self: self.in_hand)
    @rule(data=st.data())
    def apply(self, data):
        one = self.in_hand.pop(data.draw(st.integers(0, len(self.in_hand) - 1)))
        self.applied.update(record.offset for record in one.records)
        self.ledger.settle(one)

    @precondition(lambda self: self.in_hand)
    @rule(data=st.data())
    def give_up(self, data):
        self.in_hand.pop(data.draw(st.integers(0, len(self.in_hand) - 1)))

    @rule()
    def commit(self):
        offset = self.ledger.committable(TP)
        if offset is not None:
            self.committed = offset

    @rule(keep=st.booleans())
    def rebalance(self, keep):
        """Back to the committed offset; a fetch may still be on its way to the worker."""
        self.ledger.forget([TP])
        self.position = self.committed
        if not keep:
            self.in_hand.clear()

    @rule(late=st.booleans())
    def rewind(self, late):
        """In the middle of work, back to what was applied; a fetch may end while it is under way."""
        done = max(self.committed, self.ledger.committable(TP) or 0)
        if late and self.in_hand:
            one = self.in_hand.pop(0)
            self.applied.update(record.offset for record in one.records)
            self.ledger.settle(one)
        self.ledger.let_go(TP)
        self.position = done

    @invariant()
    def no_commit_passes_a_record_that_was_not_applied(self):
        for offset in (self.committed, self.ledger.committable(TP) or 0):
            assert set(range(offset)) <= self.applied


TestConsuming = Consuming.TestCase
