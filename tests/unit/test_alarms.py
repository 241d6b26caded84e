"""The alerts and the dashboard: their queries can be read, and whoever is woken finds what to do."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from alarms import DASHBOARD, alerts, names, panels, queries

from store import measures

PAGE = (Path(__file__).parents[2] / "docs" / "how-to" / "observe.md").read_text("utf-8")


@pytest.mark.parametrize(("of", "query"), [*queries()])
def test_every_query_is_promql_and_asks_for_something(of: str, query: str) -> None:
    assert names(query), of


@pytest.mark.parametrize(("of", "query"), [*queries()])
def test_every_query_takes_what_all_processes_tell_alike_once(of: str, query: str) -> None:
    asked = len(re.findall(r"\bdubq_\w+", query))
    assert len(re.findall(r"\b(?:max|absent)\b", query)) >= min(asked, 1), of


@pytest.mark.parametrize("alert", alerts(), ids=lambda alert: alert["alert"])
def test_every_alert_says_how_urgent_it_is_and_has_its_lines_for_whoever_is_woken(alert: dict[str, object]) -> None:
    assert alert["labels"] in ({"severity": "page"}, {"severity": "warn"})
    assert alert["annotations"]
    assert re.search(rf"^\| `{alert['alert']}` \| .{{40,}} \|$", PAGE, re.MULTILINE)


def test_the_page_tells_of_every_measure() -> None:
    told = set(re.findall(r"`dubq_(\w+)`", PAGE))
    assert {each.name for each in measures.ALL} <= {name.removesuffix("_total") for name in told}


def test_the_dashboard_has_each_panel_at_a_place_of_its_own() -> None:
    places = [tuple(panel["gridPos"][at] for at in "xy") for panel in panels()]
    assert len(set(places)) == len(places) == len({panel["id"] for panel in panels()})
    assert DASHBOARD.read_text("utf-8").count("${source}") >= len(places)
