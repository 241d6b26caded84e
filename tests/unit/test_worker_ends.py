import pytest

from contract.job import Failure, Output
from worker.ends import (
    Cancel,
    Complete,
    Crashed,
    Delivered,
    End,
    Fail,
    HandBack,
    Leave,
    Refused,
    Stop,
    Stopped,
    TimedOut,
    move_for,
)
from worker.engine import EngineError

OUTPUT = Output(video_url="https://example.com/a.mp4", captions_url="https://example.com/a.vtt")
ENDS: list[End] = [
    Delivered(OUTPUT),
    Refused(EngineError("no_speech", "No speech")),
    Crashed(ZeroDivisionError("secret")),
    TimedOut(),
    Stopped(),
]


def failure(end: End, stage: str | None = "voice") -> Failure:
    move = move_for(end, stop=None, stage=stage)
    assert isinstance(move, Fail)
    return move.failure


def test_what_is_delivered_completes_the_job() -> None:
    assert move_for(Delivered(OUTPUT), stop=None, stage="render") == Complete(OUTPUT)


@pytest.mark.parametrize("retryable", [True, False])
def test_a_refusal_is_handed_on_as_the_engine_put_it(*, retryable: bool) -> None:
    error = EngineError("no_speech", "No speech was found", retryable=retryable, stage="transcribe")
    assert failure(Refused(error)) == Failure(
        code="no_speech", message="No speech was found", stage="transcribe", retryable=retryable
    )


def test_a_refusal_without_a_stage_happened_in_the_last_one_reported() -> None:
    assert failure(Refused(EngineError("no_speech", "No speech")), stage="fetch").stage == "fetch"


def test_a_crash_is_tried_again_and_keeps_its_secrets() -> None:
    crash = failure(Crashed(ZeroDivisionError("secret")))
    assert (crash.code, crash.retryable, crash.stage) == ("engine_crashed", True, "voice")
    assert "ZeroDivisionError" in crash.message
    assert "secret" not in crash.message


def test_a_job_that_took_too_long_is_tried_again() -> None:
    assert (failure(TimedOut()).code, failure(TimedOut()).retryable) == ("time_limit", True)


def test_an_engine_that_stops_unasked_has_crashed() -> None:
    assert failure(Stopped()).code == "engine_crashed"


@pytest.mark.parametrize("end", ENDS, ids=lambda end: type(end).__name__)
def test_a_cancelled_job_is_cancelled_however_its_engine_ends(end: End) -> None:
    assert move_for(end, stop=Stop.CANCELLED, stage=None) == Cancel()


@pytest.mark.parametrize("end", ENDS, ids=lambda end: type(end).__name__)
def test_a_run_that_was_given_up_writes_nothing_however_its_engine_ends(end: End) -> None:
    assert move_for(end, stop=Stop.GONE, stage=None) == Leave()


LIMITS = [Stop.TIME_LIMIT, Stop.STAGE_TIME_LIMIT, Stop.STALLED]


@pytest.mark.parametrize("stop", LIMITS)
@pytest.mark.parametrize("end", ENDS[1:], ids=lambda end: type(end).__name__)
def test_a_broken_limit_is_why_the_attempt_failed_however_its_engine_ends(end: End, stop: Stop) -> None:
    move = move_for(end, stop=stop, stage="voice")
    assert isinstance(move, Fail)
    assert (move.failure.code, move.failure.stage, move.failure.retryable) == (stop.value, "voice", True)


@pytest.mark.parametrize("stop", LIMITS)
def test_an_engine_that_delivers_beyond_a_limit_has_delivered(stop: Stop) -> None:
    assert move_for(Delivered(OUTPUT), stop=stop, stage="render") == Complete(OUTPUT)


@pytest.mark.parametrize("end", ENDS)
def test_a_job_that_is_handed_back_or_stopped_by_an_operator_is_so_however_its_engine_ended(end: End) -> None:
    assert move_for(end, stop=Stop.HANDED_BACK, stage="voice") == HandBack()
    stopped = move_for(end, stop=Stop.STOPPED, stage="voice")
    assert isinstance(stopped, Fail)
    assert (stopped.failure.code, stopped.failure.stage, stopped.failure.retryable) == ("stopped", "voice", False)
