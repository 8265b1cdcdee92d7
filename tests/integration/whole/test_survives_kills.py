"""2,000 deliveries while worker and relay are killed in the middle of their work: every mention has its one end."""

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]

SMALL = {"batch_records": 40, "batch_mentions": 5}
"""Small fetches and calls, so that a kill falls into the middle of one."""


def test_every_mention_of_2000_deliveries_has_one_end_though_worker_and_relay_are_killed(scene):
    deliveries = scene.load.send(2000)
    scene.load.flush()
    mentions = {(one.brand, change.mention) for one in deliveries for change in one.changes}
    assert len(mentions) > 1700
    with scene.commits:
        for share in (0.15, 0.4, 0.65):
            worker = scene.worker(ready=False, **SMALL)
            least = share * len(mentions)
            scene.kill_in_step(worker, lambda least=least: scene.audit.applied() > least, scene.audit.torn)
            assert scene.audit.torn()
            assert scene.surroundings.lag() > 100
            if share == 0.4:
                relay = scene.relay(ready=False)
                scene.kill_in_step(relay, scene.audit.relay_active, lambda: scene.audit.doubled() > 0)
                assert scene.audit.outbox() > 100
                relay = scene.relay()
        assert scene.audit.applied() < len(mentions)
        worker = scene.worker(**SMALL)
        scene.surroundings.wait_for(scene.audit.settled, 60, worker)
    book = scene.audit.check(scene.commits)
    assert len(book.dead) >= 20
    kinds = scene.audit.kinds
    assert min(kinds[one] for one in ("mention.appended", "mention.edited", "mention.deleted", "ticket.resolved")) > 20
    assert worker.stop(10) == 0
    assert relay.stop(10) == 0
