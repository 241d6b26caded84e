"""How the page words and draws a job, and which jobs it wants; without a service."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from given import START, a_job

from api.page.scope import Filter
from api.page.timeline import timeline
from api.page.views import Row, facts, span
from contract.delivery import Attempt, Delivery
from contract.job import Eta, Job
from contract.states import State


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (-3, "0.0 s"),
        (0.44, "0.4 s"),
        (9.949, "9.9 s"),
        (9.95, "10 s"),
        (59.4, "59 s"),
        (59.5, "1 min 00 s"),
        (185, "3 min 05 s"),
        (3599.6, "1 h 00 min"),
        (7800, "2 h 10 min"),
        (86_400 * 4 + 7200, "4 d 2 h"),
    ],
)
def test_a_span_has_two_units_at_most(seconds: float, words: str) -> None:
    assert span(seconds) == words


def test_a_row_says_what_is_true_of_its_job_and_nothing_else() -> None:
    job = a_job(target_language="es", source_language="en", title="Keynote")
    queued = Row.of(replace(job, position=3, eta=Eta(p10_s=5, p50_s=12, p90_s=30)), START + timedelta(seconds=70))
    assert (queued.position, queued.expected, queued.age) == ("3", "in 12 s", "1 min 10 s")
    assert (queued.languages, queued.stage, queued.attempt) == ("en → es", "", "1/3")
    running = Row.of(replace(job, state=State.RUNNING, stage="voice", progress=0.4), START)
    assert (running.stage, running.progress, running.position, running.expected) == ("voice", 0.4, "", "")
    assert "Engine" not in facts(job)
    assert facts(job)["Languages"] == "en → es"


@pytest.mark.parametrize(
    ("wanted", "fits"),
    [
        ({}, True),
        ({"language": "ES"}, True),
        ({"language": "e"}, False),
        ({"text": "key"}, True),
        ({"text": "J1"}, True),
        ({"text": "example.com/v"}, True),
        ({"text": "key", "language": "fr"}, False),
        ({"state": "no such state"}, True),
        ({"state": "running"}, True),  # the index of the state is what is read
    ],
)
def test_a_filter_looks_for_a_language_and_for_text_anywhere(wanted: dict[str, str], fits: bool) -> None:  # noqa: FBT001
    assert Filter.of(wanted).fits(a_job(title="Keynote", target_language="es")) is fits


def course(*steps: tuple[float, dict[str, Any]]) -> list[Job]:
    """Return the documents after each change: how many seconds after the start, and what it is from then on."""
    told, job = [], a_job()
    for seq, (after_s, fields) in enumerate(steps, start=1):
        job = replace(job, seq=seq, updated_at=START + timedelta(seconds=after_s), **fields)
        told.append(job)
    return told


RETRIED = course(
    (0, {}),
    (2, {"state": State.RUNNING}),
    (2, {"stage": "fetch"}),
    (3, {"progress": 0.1}),
    (4, {"state": State.QUEUED, "stage": None, "attempt": 2}),
    (6, {"state": State.RUNNING}),
    (6, {"stage": "fetch"}),
    (8, {"stage": "transcribe"}),
    (10, {"state": State.COMPLETED}),
)


def test_a_timeline_has_each_step_from_its_beginning_to_the_next_one_s() -> None:
    found = timeline(RETRIED, [])
    assert found.complete
    began_ms = round(START.timestamp() * 1000)
    assert [(each.label, each.kind, each.from_ms - began_ms, (each.to_ms or 0) - began_ms) for each in found.spans] == [
        ("queued", "queued", 0, 2000),
        ("fetch", "running", 2000, 4000),
        ("waiting for attempt 2", "queued", 4000, 6000),
        ("fetch", "running", 6000, 8000),
        ("transcribe", "running", 8000, 10_000),
        ("completed", "completed", 10_000, 10_000),
    ]


def test_what_goes_on_is_drawn_up_to_now() -> None:
    found = timeline(RETRIED[:3], [])
    assert found.spans[-1].to_ms is None
    drawn = found.drawn(round(START.timestamp() * 1000) + 8000)
    assert [(each["x"], each["width"], each["took"]) for each in drawn] == [
        ("0.00%", "25.00%", "2.0 s"),
        ("25.00%", "75.00%", "6.0 s"),
    ]


@pytest.mark.parametrize("missing", [0, 3, 8])
def test_a_change_that_the_feed_has_lost_makes_it_incomplete(missing: int) -> None:
    told = RETRIED[:missing] + RETRIED[missing + 1 :]
    assert timeline(told, []).complete is (missing == 8)
    assert not timeline([], []).complete


def test_webhooks_are_drawn_unless_they_come_long_after_the_job() -> None:
    attempts = (
        Attempt(at=START + timedelta(seconds=10), duration_s=0.5, error="answered 500"),
        Attempt(at=START + timedelta(seconds=15)),
        Attempt(at=START + timedelta(seconds=315), duration_s=0.1, status=200),
    )
    sent = Delivery(
        delivery_id="msg_1", job_id="j1", type="t", url="u", created_at=START, tried=len(attempts), attempts=attempts
    )
    spans = timeline(RETRIED, [sent]).spans
    assert [(each.label, each.kind) for each in spans[-2:]] == [
        ("webhook, try 1", "failed"),
        ("webhook, try 2", "webhook"),
    ]
    assert spans[-1].to_ms is None
