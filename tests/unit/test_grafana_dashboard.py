import json
import re
from itertools import combinations
from pathlib import Path
from typing import Any

import yaml
from prometheus_client import REGISTRY

import silofrei.routing.metrics  # noqa: F401  # declares what the dashboard reads

DEPLOY = Path(__file__).parents[2] / "deploy"
DASHBOARD = json.loads((DEPLOY / "grafana" / "silofrei-operations.json").read_text(encoding="utf-8"))
PANELS: list[dict[str, Any]] = DASHBOARD["panels"]
SHOWN = [panel for panel in PANELS if panel["type"] != "row"]
SOURCE = {"type": "prometheus", "uid": "${datasource}"}


def rules() -> list[dict[str, Any]]:
    return [
        rule
        for path in (DEPLOY / "prometheus" / "rules").glob("*.yml")
        for group in yaml.safe_load(path.read_text(encoding="utf-8"))["groups"]
        for rule in group["rules"]
    ]


def exposed() -> set[str]:
    """Every series name that the metrics module can expose."""
    return {
        metric.name + suffix
        for metric in REGISTRY.collect()
        if metric.name.startswith("silofrei_")
        for suffix in {"counter": ("_total",), "gauge": ("",), "histogram": ("_bucket", "_sum", "_count")}[metric.type]
    }


def read_names(expression: str) -> set[str]:
    """Names of our metrics and recorded series in an expression."""
    without_strings = re.sub(r'"[^"]*"', "", expression)
    return set(re.findall(r"\b(?:\w+:)?silofrei[_:]\w+(?::\w+)?", without_strings))


def test_panels_have_ids_of_their_own_and_do_not_overlap() -> None:
    assert len({panel["id"] for panel in PANELS}) == len(PANELS)
    places = [panel["gridPos"] for panel in PANELS]
    assert all(place["x"] + place["w"] <= 24 for place in places)
    for one, other in combinations(places, 2):
        apart = (
            one["x"] + one["w"] <= other["x"]
            or other["x"] + other["w"] <= one["x"]
            or one["y"] + one["h"] <= other["y"]
            or other["y"] + other["h"] <= one["y"]
        )
        assert apart, (one, other)


def test_rows_are_the_path_of_a_mention() -> None:
    assert [panel["title"] for panel in PANELS if panel["type"] == "row"] == [
        "Flow",
        "Latency per step",
        "Queues",
        "Health",
    ]


def test_every_panel_reads_the_chosen_data_source_and_is_explained_in_both_languages() -> None:
    for panel in SHOWN:
        english, separator, german = panel["description"].partition("\n\nDE: ")
        assert separator
        assert english.endswith(".")
        assert german.endswith(".")
        assert panel["datasource"] == SOURCE
        assert panel["targets"]
        assert len({target["refId"] for target in panel["targets"]}) == len(panel["targets"])


def test_queries_read_only_what_exists() -> None:
    known = exposed() | {rule["record"] for rule in rules() if "record" in rule}
    expressions = [target["expr"] for panel in SHOWN for target in panel["targets"]]
    expressions += [rule["expr"] for rule in rules()]
    read = set().union(*map(read_names, expressions))
    assert read - known == set()


def test_every_metric_is_on_the_dashboard_or_in_a_rule_that_is() -> None:
    # One recorded name may have several rules, one for each of its labels.
    recorded: dict[str, set[str]] = {}
    for rule in rules():
        recorded.setdefault(rule.get("record", ""), set()).update(read_names(rule["expr"]))
    names = set().union(*(read_names(target["expr"]) for panel in SHOWN for target in panel["targets"]))
    while more := set().union(*(recorded.get(name, set()) for name in names)) - names:
        names |= more
    families = {re.sub(r"_(total|bucket|sum|count)$", "", name) for name in names}
    declared = {metric.name for metric in REGISTRY.collect() if metric.name.startswith("silofrei_")}
    assert declared - families == set()


def test_variables_are_used_and_everything_used_is_a_variable() -> None:
    text = json.dumps([panel["targets"] for panel in SHOWN])
    used = set(re.findall(r"\$(\w+)", text)) - {"__rate_interval"}
    assert used | {"datasource"} == {variable["name"] for variable in DASHBOARD["templating"]["list"]}
