"""Prometheus' own checker reads the configuration and the rules, and runs the rules' unit tests."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

FOLDER = Path(__file__).parents[2] / "deploy" / "prometheus"
RULE_TESTS = sorted((FOLDER / "tests").glob("*.yml"))


def promtool(*arguments: str | Path) -> str:
    if shutil.which("promtool") is None:
        missing = "promtool is not installed; on Debian: apt-get install prometheus"
        if os.environ.get("CI") == "true":
            pytest.fail(f"CI must have all tools: {missing}")
        pytest.skip(missing)
    ran = subprocess.run(["promtool", *arguments], capture_output=True, text=True, timeout=100, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran.stdout + ran.stderr


def test_the_configuration_is_valid_with_all_rules() -> None:
    said = promtool("check", "config", FOLDER / "prometheus.yml")
    assert f"{len(list((FOLDER / 'rules').glob('*.yml')))} rule files found" in said


@pytest.mark.parametrize("path", RULE_TESTS, ids=lambda path: path.stem)
def test_rules(path: Path) -> None:
    assert "SUCCESS" in promtool("test", "rules", path)


def test_each_alert_is_shown_firing_and_silent() -> None:
    """Every alert fires in some case, and none in the healthy day, which all rule files take part in."""
    firing: set[str] = set()
    for path in RULE_TESTS:
        for case in yaml.safe_load(path.read_text(encoding="utf-8"))["tests"]:
            for query in case["promql_expr_test"]:
                for sample in query["exp_samples"]:
                    _, found, name = sample["labels"].partition('ALERTS{alertname="')
                    if found:
                        firing.add(name.partition('"')[0])
    rules = sorted((FOLDER / "rules").glob("*.yml"))
    alerts = {
        rule["alert"]
        for path in rules
        for group in yaml.safe_load(path.read_text(encoding="utf-8"))["groups"]
        for rule in group["rules"]
        if "alert" in rule
    }
    assert firing == alerts
    healthy = yaml.safe_load((FOLDER / "tests" / "healthy.yml").read_text(encoding="utf-8"))
    assert sorted(healthy["rule_files"]) == [f"../rules/{path.name}" for path in rules]
