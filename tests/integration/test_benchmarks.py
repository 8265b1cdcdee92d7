"""The benchmark's quick form: it runs, does the work and writes results of the promised shape. Never how fast."""

import json
import os
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

from benchmarks import readme

ROOT = Path(__file__).parents[2]
SYSTEMS = ("silofrei", "kafka-python", "librdkafka", "bytewax")
SPREAD = {"min", "median", "max"}

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def results(kafka_jars, tmp_path_factory):
    out = tmp_path_factory.mktemp("bench") / "results.json"
    environment = {name: value for name, value in os.environ.items() if not name.startswith("SILOFREI_")}
    parts = ("--only", "cases", "claims", "storage", "--systems", *SYSTEMS)
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks", "--quick", *parts, "--out", str(out)],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stderr + done.stdout
    return json.loads(out.read_text(encoding="utf-8"))


@pytest.mark.timeout(270)
def test_every_system_is_measured_in_every_case_or_says_why_not(results):
    rows = results["cases"]
    assert {(row["case"], row["classifier"], row["system"]) for row in rows} == {
        (case, classifier, system)
        for case in ("one-per-delivery", "ten-per-delivery")
        for classifier in ("real", "constant")
        for system in SYSTEMS
    }
    for row in rows:
        if "mentions_per_s" not in row:
            assert row["system"] == "bytewax"
            assert row["missing"]
            continue
        for name in ("mentions_per_s", "cpu_us_per_mention", "others_cores"):
            assert row[name].keys() == SPREAD
            assert 0 <= row[name]["min"] <= row[name]["median"] <= row[name]["max"]
        assert {"silofrei", "kafka-python", "librdkafka"} - {row["system"]} <= row["ratio"].keys()


def test_the_results_tell_the_machine_without_its_name(results):
    assert {"cores", "memory_gb", "architecture", "kernel", "python"} == results["machine"].keys()
    assert {"silofrei", "faust-streaming", "aiokafka", "kafka-python", "confluent-kafka"} <= results["versions"].keys()


def test_claims_and_storage_have_their_figures(results):
    assert results["claims"]["clients"] == 50
    assert results["claims"]["paced"].keys() == {"claims_per_s", "p50_ms", "p99_ms", "max_ms"}
    assert all(value > 0 for value in results["storage"].values())


def test_the_readme_has_a_place_for_the_table_and_the_table_every_system(results, tmp_path):
    copy = tmp_path / "README.md"
    copy.write_text((ROOT / "README.md").read_text(encoding="utf-8"), encoding="utf-8")
    readme.write(results, copy)
    text = copy.read_text(encoding="utf-8")
    assert ElementTree.parse(tmp_path / readme.PLOT).getroot().tag.endswith("svg")  # noqa: S314  # we wrote it
    assert all(f"| {system}" in text or f"**{system.capitalize()}**" in text for system in SYSTEMS)
    assert text.count(readme.BEGIN) == text.count(readme.END) == 1
