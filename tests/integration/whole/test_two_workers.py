"""Two workers share the partitions; one stands still longer than its session, later one dies for good."""

import signal

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]

SMALL = {"batch_records": 40, "batch_mentions": 5}
BURST = 600
TAKEN = 'silofrei_deliveries_total{channel="cloudevents"}'


def test_one_takes_over_what_the_other_leaves_and_a_revenant_does_no_harm(scene):
    relay = scene.relay()
    first = scene.worker("a", **SMALL)
    lag = 'silofrei_consumer_lag{{partition="{}",topic="{}"}}'

    def partitions(worker):
        return {n for n in range(4) if lag.format(n, scene.surroundings.topics.raw) in worker.shown()}

    def takes_over(survivor):
        """All partitions go on, in the hands of one."""
        before = scene.surroundings.committed()
        scene.until(
            lambda: all(before[n] < offset for n, offset in scene.surroundings.committed().items()), 60, survivor, relay
        )
        scene.until(lambda: partitions(survivor) == {0, 1, 2, 3}, 20, survivor, relay)

    with scene.commits:
        with scene.load.running(per_second=50):
            scene.busy_until(lambda: partitions(first) == {0, 1, 2, 3}, 30, first, relay)
            second = scene.worker("b", **SMALL, ready=False)

            def shared():
                return "ready" in second.says() and len(partitions(first)) == 2 and len(partitions(second)) == 2

            scene.busy_until(shared, 40, first, second, relay)

            # In the middle of a fetch of its own: the others' fetches are finished while it stands still.
            own = partitions(second)
            scene.freeze_when(second, lambda: own & set(scene.audit.torn()), BURST)
            takes_over(first)
            # The survivor is in the middle of something itself while the load goes on.
            scene.until(lambda: not own & set(scene.audit.torn()), 60, first, relay)
            second.signal(signal.SIGCONT)
            before = second.metric(TAKEN)
            scene.busy_until(lambda: second.metric(TAKEN) > before + 20, 60, first, second, relay)
            # While they share them out anew, what the metrics show may have moved on already.
            scene.busy_until(shared, 60, first, second, relay)
            own = partitions(first)
            scene.kill_when(first, lambda: own & set(scene.audit.torn()), BURST)
            takes_over(second)
        scene.load.flush()
        scene.until(scene.audit.settled, 60, second, relay)
    book = scene.audit.check(scene.commits)
    assert len(book.tickets) > 500
    assert second.stop(10) == 0
    assert relay.stop(10) == 0
