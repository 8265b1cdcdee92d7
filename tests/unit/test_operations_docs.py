import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client.metrics import MetricWrapperBase

from silofrei.routing import metrics

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
RULES = ROOT / "deploy" / "prometheus" / "rules"
ANNOTATIONS = {"summary", "description", "summary_de", "description_de", "runbook_url"}
ALERTS: list[dict[str, Any]] = [
    rule
    for path in sorted(RULES.glob("*.yml"))
    for group in yaml.safe_load(path.read_text(encoding="utf-8"))["groups"]
    for rule in group["rules"]
    if "alert" in rule
]


def anchors() -> set[str]:
    headings = re.findall(r"^#+ (.+)$", PAGE, flags=re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def documented() -> dict[str, tuple[str, set[str]]]:
    """Kind and labels by metric name, from the tables."""
    rows = re.findall(r"^\| `(silofrei_\w+)` \| (\w+) \|([^|]*)\| [^|]+\.[^|]* \|$", PAGE, flags=re.MULTILINE)
    return {name: (kind, {label for label in labels.strip().split(", ") if label}) for name, kind, labels in rows}


def test_the_page_lists_exactly_the_metrics_that_are_declared_with_kind_and_labels() -> None:
    declared = {
        found.name + ("_total" if found.type == "counter" else ""): (found.type, set(metric._labelnames))
        for metric in vars(metrics).values()
        if isinstance(metric, MetricWrapperBase)
        for found in metric.describe()
    }
    assert documented() == declared


@pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: alert["alert"])
def test_every_alert_says_what_is_wrong_in_both_languages_and_where_the_page_tells_what_to_do(
    alert: dict[str, Any],
) -> None:
    assert alert["labels"]["severity"] in {"critical", "warning", "info"}
    assert set(alert["annotations"]) == ANNOTATIONS
    assert alert["annotations"]["runbook_url"] == f"docs/operations.md#{alert['alert'].lower()}"
    assert alert["alert"].lower() in anchors()
    paragraph = PAGE.partition(f"### {alert['alert']}\n")[2].partition("\n### ")[0]
    assert f"({alert['labels']['severity']})" in paragraph
    for text in ("description", "description_de"):
        assert alert["annotations"][text].endswith(".")


def test_the_page_has_no_paragraph_for_an_alert_that_is_gone() -> None:
    assert set(re.findall(r"^### (Silofrei\w+)$", PAGE, flags=re.MULTILINE)) == {alert["alert"] for alert in ALERTS}


def test_links_within_the_page_lead_somewhere() -> None:
    assert set(re.findall(r"\]\(#([^)]+)\)", PAGE)) - anchors() == set()
    for path in re.findall(r"\]\(([^)#]+)\)", PAGE):
        assert (ROOT / "docs" / path).exists(), path
