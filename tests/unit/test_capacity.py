"""The capacity model against what was measured: results.json has both."""

import json
from pathlib import Path

import pytest

from benchmarks.capacity import LOADS_PER_DAY, Measured, Site, measured, needs, redis_bytes, table, worker_per_s

ROOT = Path(__file__).parents[2]
COSTS = Measured(
    worker_us=200,
    relay_us=40,
    redis_us=50,
    redis_bytes=2_000,
    raw_bytes=1_000,
    event_bytes=3_000,
    work_event_bytes=500,
    parquet_bytes=60,
)


@pytest.fixture(scope="module")
def results():
    return json.loads((ROOT / "benchmarks/results.json").read_text(encoding="utf-8"))


def test_the_memory_of_redis_is_what_was_measured_from_ten_thousand_to_a_million_tickets(results):
    costs = measured(results)
    for point in results["growth"]["points"]:
        assert redis_bytes(costs, point["open_tickets"]) / 1e6 == pytest.approx(point["redis_mb"], rel=0.25)


def test_a_worker_is_as_fast_as_its_cost_lets_it_be_and_no_faster(results):
    """What runs beside it on the machine may hold it back, so measured points lie below the model, within a half."""
    most = worker_per_s(measured(results))
    rates = [point["mentions_per_s"] for point in results["growth"]["points"]]
    assert max(rates) <= most * 1.1
    assert max(rates) >= most * 0.5


def test_the_page_has_the_models_table(results):
    page = (ROOT / "docs/capacity.md").read_text(encoding="utf-8")
    assert table(measured(results)) in page


def test_needs_grow_with_the_load_and_with_nothing_else():
    small, large = needs(Site(1_000_000), COSTS), needs(Site(10_000_000), COSTS)
    assert large.redis_bytes == pytest.approx(10 * small.redis_bytes)
    assert large.kafka_bytes == pytest.approx(10 * small.kafka_bytes)
    assert large.workers == 1
    assert needs(Site(LOADS_PER_DAY[-1] * 10), COSTS).workers == 7


def test_ten_billion_a_year_are_the_largest_load_of_the_page():
    assert LOADS_PER_DAY[-1] * 365 == pytest.approx(10e9, rel=0.001)


def test_a_small_site_needs_one_of_each():
    one = needs(Site(1_000), COSTS)
    assert (one.workers, one.partitions, one.relays, one.redis_shards) == (1, 4, 1, 1)
