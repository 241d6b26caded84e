from datetime import UTC, datetime

from client.http import read_job
from client.metrics import Metrics
from client.steps import Send
from client.wire import AWAY_S, Wire

AT = datetime(2026, 1, 1, tzinfo=UTC)
ASK = Send(request=read_job("j1"), within_s=1)


class Time:
    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


def test_of_all_that_come_at_one_moment_one_knocks_at_a_service_that_is_away() -> None:
    clock = Time()
    wire = Wire("http://127.0.0.1:1", Metrics(), clock=clock, now=lambda: AT)
    assert wire.spare(ASK) is None
    wire.failed(ASK, clock(), "refused", is_away=True)
    for _ in range(3):
        assert wire.spare(ASK) is not None
        clock.now_s += AWAY_S
        assert [wire.spare(ASK) is None for _ in range(20)] == [True] + [False] * 19


def test_whoever_insists_is_not_spared() -> None:
    clock = Time()
    wire = Wire("http://127.0.0.1:1", Metrics(), clock=clock, now=lambda: AT)
    wire.failed(ASK, clock(), "refused", is_away=True)
    assert wire.spare(Send(request=read_job("j1"), within_s=1, insist=True)) is None


def test_an_answer_lets_all_in_again() -> None:
    clock = Time()
    wire = Wire("http://127.0.0.1:1", Metrics(), clock=clock, now=lambda: AT)
    wire.failed(ASK, clock(), "refused", is_away=True)
    clock.now_s += AWAY_S
    assert wire.spare(ASK) is None
    wire.answered(ASK, clock(), 503, {}, b"")
    assert [wire.spare(ASK) for _ in range(20)] == [None] * 20
