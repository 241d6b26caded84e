"""Scenarios by name and by URL, the one table of them, and what the API makes of them."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from api.schema import Simulate, Submission
from contract.job import STAGES
from contract.scenarios import PASSING, PERMANENT, SCENARIOS, of_url, resolve
from store.records import fetch_one

if TYPE_CHECKING:
    import redis
    from flask.testing import FlaskClient

PAGE = (Path(__file__).parents[2] / "docs" / "how-to" / "simulator.md").read_text("utf-8")


def wish(video_url: str = "https://example.com/v.mp4", **simulate: Any) -> dict[str, Any] | None:
    return Submission.parse({"video_url": video_url, "simulate": simulate or None}).course


def test_the_page_has_every_scenario_as_the_code_has_it_and_no_other() -> None:
    rows = re.findall(r"^\| `([\w-]+)` \| (.*?) \| `(\{.*?\})` \|$", PAGE, re.MULTILINE)
    shown = {name: (does, json.loads(spelled)) for name, does, spelled in rows}
    assert shown == {each.name: (each.does, dict(each.wish)) for each in SCENARIOS.values()}


def test_the_page_has_every_field_of_a_wish_and_no_other() -> None:
    (section,) = re.findall(r"^## One job's course$(.*?)^## ", PAGE, re.DOTALL | re.MULTILINE)
    assert re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE) == list(Simulate.model_fields)


@pytest.mark.parametrize("name", SCENARIOS)
def test_every_scenario_is_a_wish_that_could_be_sent_as_it_is(name: str) -> None:
    spelled = dict(SCENARIOS[name].wish)
    assert wish(**spelled) == spelled
    assert wish(scenario=name) == spelled
    assert wish(f"https://simulate.test/{name}/talk.mp4") == spelled


@pytest.mark.parametrize("flaws", [PERMANENT, PASSING])
def test_every_stage_can_fail_for_good_and_in_passing_with_codes_of_its_own(flaws: Any) -> None:
    assert {flaw.stage for flaw in flaws} == set(STAGES)
    codes = [flaw.code for flaw in PERMANENT + PASSING]
    assert len(codes) == len(set(codes))


def test_a_url_takes_the_fields_of_a_wish_in_its_query() -> None:
    assert wish("https://simulate.test/flaky?fail_attempts=5&duration_s=1.5&stage=voice") == {
        "fail_attempts": 5,
        "duration_s": 1.5,
        "stage": "voice",
    }
    assert wish("https://simulate.test/?duration_s=3") == {"duration_s": 3}
    assert wish("http://SIMULATE.test") == {}


def test_simulate_outweighs_the_url_and_both_outweigh_the_scenario() -> None:
    url = "https://simulate.test/flaky?fail_attempts=5&duration_s=9"
    assert wish(url, duration_s=1) == {"fail_attempts": 5, "duration_s": 1}
    assert wish(url, scenario="stall") == {"outcome": "stall", "fail_attempts": 5, "duration_s": 9}


def test_an_ordinary_video_has_no_wish() -> None:
    assert wish() is None
    assert of_url("https://example.com/flaky?fail_attempts=5") is None
    assert of_url("https://simulate.test.example.com/flaky") is None


def test_a_wish_without_a_scenario_is_its_own() -> None:
    assert resolve({"duration_s": 3}) == {"duration_s": 3}


def test_the_store_keeps_what_a_scenario_means_and_not_its_name(web: FlaskClient, connection: redis.Redis) -> None:
    made = web.post("/jobs", json={"video_url": "https://simulate.test/stall?stage=fetch", "job_id": "j1"})
    assert made.status_code == 202
    assert fetch_one(connection, "default", "j1").simulate == {"outcome": "stall", "stage": "fetch"}


def test_a_url_that_wishes_for_nonsense_is_told_all_of_it(web: FlaskClient) -> None:
    problem = web.post("/jobs", json={"video_url": "https://simulate.test/slow?stage=nap&duration_s=-1"}).get_json()
    (error,) = problem["errors"]
    assert error["pointer"] == "/video_url"
    assert "duration_s: has to be at least 0" in error["message"]
    assert "stage: has to be a stage: fetch," in error["message"]
