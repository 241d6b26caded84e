"""What both faces of the client ask of the simulator."""

from __future__ import annotations

import inspect
import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from replying import Service

from client import Simulator
from client.aio_simulated import AsyncSimulator
from contract.errors import InvalidFieldsError, RouteNotFoundError

if TYPE_CHECKING:
    from faces import Face

pytestmark = pytest.mark.usefixtures("over_both_faces")

CLOCK = {"now": "2026-01-01T00:30:00.000Z", "ahead_s": 1800.0, "speed": 0.0, "frozen": True}
OUTAGE = {"kind": "slow", "left_s": 9.5, "share": 0.5, "latency": "fixed:1"}


def methods(kind: type) -> dict[str, inspect.Signature]:
    return {name: inspect.signature(each) for name, each in vars(kind).items() if not name.startswith("_")}


def test_both_faces_have_the_same_methods_and_arguments_and_say_the_same() -> None:
    assert methods(Simulator) == methods(AsyncSimulator)
    for name in methods(Simulator):
        assert getattr(Simulator, name).__doc__ == getattr(AsyncSimulator, name).__doc__


def test_a_clock_is_read_and_moved(face: Face) -> None:
    service = Service((200, CLOCK))
    simulator = service.client().simulator
    told = [
        face.result(each)
        for each in (simulator.clock(), simulator.freeze(), simulator.advance(1800), simulator.speed(60))
    ]
    assert {(each.now, each.ahead_s, each.speed, each.frozen) for each in told} == {
        (datetime(2026, 1, 1, 0, 30, tzinfo=UTC), 1800.0, 0.0, True)
    }
    assert asked(service) == [
        ("GET", "/simulator/clock", None),
        ("POST", "/simulator/clock", {"freeze": True}),
        ("POST", "/simulator/clock", {"advance_s": 1800}),
        ("POST", "/simulator/clock", {"speed": 60}),
    ]


def test_a_world_is_reset_and_an_outage_played(face: Face) -> None:
    service = Service((200, OUTAGE))
    client = service.client()
    simulator = client.simulator
    assert face.result(simulator.reset()) is None
    assert face.result(simulator.begin_outage("slow", 10, share=0.5, latency="fixed:1")).left_s == 9.5
    assert face.result(simulator.begin_outage("dropped", 1)).kind == "slow"
    assert face.result(simulator.outage()) == face.result(simulator.end_outage())
    assert asked(service) == [
        ("POST", "/reset", None),
        ("POST", "/simulator/outage", {"kind": "slow", "for_s": 10, "share": 0.5, "latency": "fixed:1"}),
        ("POST", "/simulator/outage", {"kind": "dropped", "for_s": 1}),
        ("GET", "/simulator/outage", None),
        ("DELETE", "/simulator/outage", None),
    ]
    assert client.metrics.requests_by_kind == {"simulator": 5}


def test_the_odds_are_read_and_set(face: Face) -> None:
    service = Service((200, {"error_rate": 0.25}), (200, {"error_rate": None}))
    simulator = service.client().simulator
    assert face.result(simulator.odds()).error_rate == 0.25
    assert face.result(simulator.set_odds(0.5)).error_rate is None
    assert face.result(simulator.set_odds(None)).error_rate is None
    assert asked(service) == [
        ("GET", "/simulator/odds", None),
        ("POST", "/simulator/odds", {"error_rate": 0.5}),
        ("POST", "/simulator/odds", {"error_rate": None}),
    ]


def test_where_there_is_no_simulator_that_is_said(face: Face) -> None:
    service = Service((404, {"code": "not_found", "detail": "There is nothing here"}))
    with pytest.raises(RouteNotFoundError):
        face.result(service.client().simulator.freeze())


def test_what_no_clock_can_do_is_refused_by_the_service_or_never_sent(face: Face) -> None:
    problem = {"code": "invalid_fields", "errors": [{"pointer": "/advance_s", "message": "has to be at least 0"}]}
    service = Service((422, problem))
    with pytest.raises(InvalidFieldsError, match="/advance_s: has to be at least 0"):
        face.result(service.client().simulator.advance(-1))
    with pytest.raises(ValueError, match="JSON"):
        face.result(service.client().simulator.advance(float("inf")))
    assert len(service.seen) == 1


def asked(service: Service) -> list[tuple[str, str, Any]]:
    return [
        (request.method, request.url.removeprefix("http://dubq.test"), json.loads(request.body or "null"))
        for _, request in service.seen
    ]
