"""The Grafana dashboard and the alert rules: well formed, and about metrics and labels that exist."""

import json
import re
from itertools import combinations
from typing import Any

import pytest
import yaml
from prometheus_client.metrics import MetricWrapperBase

from mechamap.metrics import Metrics
from tests.services.processes import ROOT

DASHBOARD: dict[str, Any] = json.loads((ROOT / "deploy" / "grafana" / "dashboard.json").read_text())
ALERTS: dict[str, Any] = yaml.safe_load((ROOT / "deploy" / "prometheus" / "alerts.yml").read_text())
RULES = [rule for group in ALERTS["groups"] for rule in group["rules"]]
PANELS = DASHBOARD["panels"]
EXPRESSIONS = {
    **{
        f"panel {panel['title']} {target['refId']}": target["expr"]
        for panel in PANELS
        for target in panel["targets"]
    },
    **{f"alert {rule['alert']}": rule["expr"] for rule in RULES},
    **{f"variable {each['name']}": each.get("definition", "") for each in DASHBOARD["templating"]["list"]},
}
TARGET = {"job", "instance", "le"}
"""Labels that Prometheus adds to every series."""


@pytest.fixture(scope="module")
def known() -> dict[str, set[str]]:
    """Every series that may be asked for, with the labels of its own."""
    found: dict[str, set[str]] = {}
    for each in Metrics()._registry._collector_to_names:
        if not isinstance(each, MetricWrapperBase):
            continue
        labels, kind = set(each._labelnames), each._type
        endings = {"counter": ("_total",), "histogram": ("_bucket", "_sum", "_count")}.get(kind, ("",))
        found |= {f"{each._name}{ending}": labels for ending in endings}
    assert len(found) > 20
    return found


@pytest.mark.parametrize("where", EXPRESSIONS)
def test_it_asks_for_series_and_labels_that_exist(where, known):
    text = EXPRESSIONS[where]
    names = re.findall(r"\brealtime_\w+", text)
    assert names or where.startswith("variable datasource")
    for name in names:
        assert name in known, name
    for name, selector in re.findall(r"(realtime_\w+)\{([^}]*)\}", text):
        assert {label for label, _ in re.findall(r"(\w+)\s*(=~|!~|!=|=)", selector)} <= known[name] | TARGET
    for labels in re.findall(r"by \(([^)]*)\)", text):
        wanted = {label.strip() for label in labels.split(",")} - TARGET
        assert wanted <= set().union(*(known[name] for name in names)), labels


@pytest.mark.parametrize("where", EXPRESSIONS)
def test_brackets_are_closed(where):
    text = EXPRESSIONS[where]
    for opening, closing in ("()", "{}", "[]"):
        assert text.count(opening) == text.count(closing)
    assert text.count('"') % 2 == 0


def test_every_counter_is_asked_for_its_rate():
    for where, text in EXPRESSIONS.items():
        for at in re.finditer(r"realtime_\w+_(total|bucket)\b", text):
            assert re.search(r"(rate|increase)\($", text[: at.start()]), where


def test_the_dashboard_has_what_grafana_requires():
    assert DASHBOARD["schemaVersion"] >= 36
    assert re.fullmatch(r"[\w-]{1,40}", DASHBOARD["uid"])
    assert {"title", "time", "templating", "annotations"} <= set(DASHBOARD)
    assert len({panel["id"] for panel in PANELS}) == len(PANELS)
    variables = {each["name"] for each in DASHBOARD["templating"]["list"]}
    for panel in PANELS:
        assert panel["type"] in ("stat", "timeseries")
        assert panel["title"]
        assert panel["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
        assert [target["refId"] for target in panel["targets"]] == sorted(
            {t["refId"] for t in panel["targets"]}
        )
        for used in re.findall(r"\$(\w+)", json.dumps(panel["targets"])):
            assert used in variables or used.startswith("__"), used


def test_no_panel_lies_upon_another():
    for panel in PANELS:
        place = panel["gridPos"]
        assert place["x"] in range(24 - place["w"] + 1)
    for one, other in combinations([panel["gridPos"] for panel in PANELS], 2):
        apart = one["x"] + one["w"] <= other["x"] or other["x"] + other["w"] <= one["x"]
        above = one["y"] + one["h"] <= other["y"] or other["y"] + other["h"] <= one["y"]
        assert apart or above


def test_every_alert_says_what_is_wrong_and_how_badly():
    assert len({rule["alert"] for rule in RULES}) == len(RULES)
    for rule in RULES:
        assert re.fullmatch(r"Realtime[A-Za-z]+", rule["alert"])
        assert rule["labels"]["severity"] in ("warning", "critical")
        assert rule["annotations"]["summary"]
        assert re.fullmatch(r"\d+[smh]", rule.get("for", "1m"))
