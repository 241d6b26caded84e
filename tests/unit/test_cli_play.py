"""A recorded day: how it is read, what is wrong with a bad one, and what playing it asks of the service."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from given import START, a_job
from scripted import DONE, FAILED, Scripted, run

from cli.day import DAY_IN_A_MINUTE, Arrival, Day, Strike
from cli.simulated import of_clock
from client import ManyTimeoutError, SimulatedClock
from contract.errors import InvalidFieldsError, RouteNotFoundError

if TYPE_CHECKING:
    from pathlib import Path

DAY: dict[str, Any] = {
    "speed": 86_400,
    "jobs": [
        {"at": "00:01", "count": 3, "every_s": 60, "simulate": {"scenario": "slow", "duration_s": 600}},
        {"at": 60, "video_url": "https://simulate.test/flaky", "title": "Keynote", "engine": "acme"},
    ],
    "outages": [{"at": "00:02:30", "kind": "unavailable", "for_s": 600, "share": 0.5}],
}


def written(folder: Path, day: Any) -> str:
    path = folder / "day.json"
    path.write_text(day if isinstance(day, str) else json.dumps(day), "utf-8")
    return str(path)


def test_a_day_is_what_happens_in_order() -> None:
    day = Day.parse(json.dumps(DAY))
    assert [(type(each), each.at_s) for each in day.events] == [
        (Arrival, 60),
        (Arrival, 60),
        (Arrival, 120),
        (Strike, 150),
        (Arrival, 180),
    ]
    assert [(at_s, len(happens)) for at_s, happens in day.moments()] == [(60, 2), (120, 1), (150, 1), (180, 1)]
    assert Day.parse("{}") == Day(DAY_IN_A_MINUTE, ())


WRONG: list[tuple[Any, str]] = [
    ("{", ""),
    ("[]", ""),
    ('{"speed": NaN}', ""),
    ({"speed": 0}, "/speed"),
    ({"speed": True}, "/speed"),
    ({"job": []}, "/job"),
    ({"jobs": {}}, "/jobs"),
    ({"jobs": [3]}, "/jobs/0"),
    ({"jobs": [{}]}, "/jobs/0/at"),
    ({"jobs": [{"at": "noon"}]}, "/jobs/0/at"),
    ({"jobs": [{"at": -1}]}, "/jobs/0/at"),
    ({"jobs": [{"at": 0, "count": 0}]}, "/jobs/0/count"),
    ({"jobs": [{"at": 0, "count": 1.5}]}, "/jobs/0/count"),
    ({"jobs": [{"at": 0, "every_s": "1"}]}, "/jobs/0/every_s"),
    ({"jobs": [{"at": 0, "job_id": "j1"}]}, "/jobs/0/job_id"),
    ({"jobs": [{"at": 0, "video_url": "talk.mp4"}]}, "/jobs/0/video_url"),
    ({"jobs": [{"at": 0, "simulate": {"scenario": "nap"}}]}, "/jobs/0/simulate/scenario"),
    ({"jobs": [{"at": 0}, {"at": 0, "mood": 1}], "outages": [{"at": 1, "kind": "flood"}]},
     "/jobs/1/mood /outages/0/kind /outages/0/for_s"),
    ({"jobs": [{"at": 0}, {"at": 0, "count": 100_000}]}, "/jobs/1"),
    ({"outages": [{"at": 1, "kind": "slow", "for_s": -1}]}, "/outages/0/for_s"),
]  # fmt: skip


@pytest.mark.parametrize(("day", "pointers"), WRONG)
def test_all_that_is_wrong_with_a_day_is_named_before_anybody_is_asked(tmp_path: Path, day: Any, pointers: str) -> None:
    text = day if isinstance(day, str) else json.dumps(day)
    with pytest.raises(InvalidFieldsError) as caught:
        Day.parse(text)
    assert " ".join(each.pointer for each in caught.value.errors) == pointers
    client = Scripted(DONE)
    found = run(client, "play", written(tmp_path, text))
    assert (found.exit_code, type(found.exception), client.asked) == (2, SystemExit, {})


def test_playing_a_day_moves_the_clock_submits_and_strikes(tmp_path: Path) -> None:
    client = Scripted(DONE, ends={"j1": FAILED})
    found = run(client, "play", written(tmp_path, DAY), "--reset", "--json")
    assert found.exit_code == 0, found.output
    assert json.loads(found.stdout) == {"jobs": 4, "states": {"completed": 3, "error": 1}}
    begun = ("begin_outage", "unavailable", 600 / 86_400, 0.5)
    assert client.simulator.did == [("reset",), ("speed", 86_400), begun, ("speed", 1)]
    assert [each.get("title") for each in client.asked["many"]] == [None, "Keynote", None, None]


def test_a_day_that_leaves_jobs_without_an_end_says_so(tmp_path: Path) -> None:
    client = Scripted(ManyTimeoutError("late", jobs={"j0": a_job("j0"), "j1": DONE}))
    found = run(client, "play", written(tmp_path, DAY), "--speed", "100000", "--timeout", "0")
    assert (found.exit_code, found.stdout) == (4, "2 jobs: 1 queued, 1 completed\n")
    assert client.simulator.did[-1] == ("speed", 1)


def test_what_is_no_text_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "day.json"
    path.write_bytes(b"\xff\xfe")
    assert run(Scripted(DONE), "play", str(path)).exit_code == 2


@pytest.mark.parametrize(
    ("words", "asked"),
    [
        (("clock",), [("clock",)]),
        (("clock", "--freeze"), [("freeze",)]),
        (("clock", "--advance", "1800"), [("advance", 1800.0)]),
        (("clock", "--speed", "60"), [("speed", 60.0)]),
        (("clock", "--reset"), [("reset",), ("clock",)]),
        (("outage",), [("outage",)]),
        (("outage", "slow", "--for", "5", "--latency", "fixed:1"), [("begin_outage", "slow", 5.0, "fixed:1")]),
        (("outage", "--end"), [("end_outage",)]),
    ],
)
def test_the_clock_and_outages_are_moved_from_the_shell(words: tuple[str, ...], asked: list[Any]) -> None:
    client = Scripted(DONE)
    found = run(client, *words)
    assert (found.exit_code, client.simulator.did) == (0, asked)
    assert ("frozen, 1800 s ahead" in found.stdout) == (words[0] == "clock")
    assert json.loads(run(client, *words, "--json").stdout)


@pytest.mark.parametrize(("command", "token"), [("outage", "the-admin-s"), ("clock", "a-client-s")])
def test_outages_take_the_admin_s_token_and_clocks_a_client_s(
    command: str, token: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DUBQ_ADMIN_TOKEN", "the-admin-s")
    monkeypatch.setenv("DUBQ_TOKEN", "a-client-s")
    client = Scripted(DONE)
    assert run(client, command).exit_code == 0
    assert client.asked["token"] == token


def test_a_service_without_a_simulator_is_told_of() -> None:
    found = run(Scripted(DONE, first=RouteNotFoundError("there is nothing here")), "clock")
    assert (found.exit_code, "there is nothing here" in found.stderr) == (2, True)


def test_engines_are_listed_with_what_is_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DUBQ_ENGINE", "my:Engine,simulator,nobody")
    found = run(Scripted(DONE), "engines", "--json")
    assert json.loads(found.stdout)["engines"] == [
        {"name": "my:Engine", "from": "the Python path", "chosen": "by default"},
        {"name": "nobody", "from": None, "chosen": "by name"},
        {"name": "simulator", "from": "dubq", "chosen": "by name"},
    ]
    assert "not installed" in run(Scripted(DONE), "engines").stdout
    monkeypatch.setenv("DUBQ_ENGINE", "my engine")
    assert run(Scripted(DONE), "engines").exit_code == 2


@pytest.mark.parametrize(
    ("ahead_s", "words"),
    [(1800.0, "1800 s ahead of real time"), (-0.002, "at real time"), (0.04, "at real time"), (-60.0, "60 s behind")],
)
def test_a_clock_that_was_frozen_just_now_stands_at_real_time(ahead_s: float, words: str) -> None:
    shown = SimulatedClock(now=START, ahead_s=ahead_s, speed=0.0, frozen=True)
    assert words in of_clock(shown)


def test_the_odds_are_shown_set_and_set_back_from_the_shell() -> None:
    client = Scripted(DONE)
    assert run(client, "odds").stdout == "0.25\n"
    assert json.loads(run(client, "odds", "1", "--json").stdout) == {"error_rate": 0.25}
    run(client, "odds", "--reset")
    assert client.simulator.did == [("odds",), ("set_odds", 1.0), ("set_odds", None)]
    assert run(client, "odds", "0.5", "--reset").exit_code == run(client, "odds", "1.5").exit_code == 2
