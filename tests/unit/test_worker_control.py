import queue
import threading
import time

import pytest

from worker.control import RunControl
from worker.ends import Stop
from worker.engine import StopAsked
from worker.throttle import Report


def a_control() -> tuple[RunControl, list[Report]]:
    told: list[Report] = []
    return RunControl(told.append), told


def test_reports_are_of_the_stage_and_of_the_whole_job() -> None:
    control, told = a_control()
    control.stage("fetch")
    control.progress(0.25)
    control.stage("voice")
    assert told == [Report("fetch", 0.0), Report("fetch", 0.25), Report("voice", 0.25)]
    assert control.current_stage == "voice"


def test_progress_is_cut_to_its_range_and_never_falls() -> None:
    control, told = a_control()
    for fraction in (-1, 0.5, 0.4, 1.0000001, 0.5):
        control.progress(fraction)
    assert [report.progress for report in told] == [0.5, 1.0]


def test_a_wait_that_is_woken_returns_early_and_the_next_does_not() -> None:
    control, _ = a_control()
    control.wake()
    began_s = time.monotonic()
    control.wait(60)
    control.wait(0.02)
    assert 0.02 <= time.monotonic() - began_s < 10


def test_a_wake_hides_no_request_to_stop() -> None:
    control, _ = a_control()
    control.stop(Stop.CANCELLED)
    control.wake()
    for _ in range(3):
        with pytest.raises(StopAsked):
            control.wait(60)


def test_progress_that_is_no_number_is_a_fault_of_the_engine() -> None:
    control, _ = a_control()
    with pytest.raises(ValueError, match="progress has to be a number"):
        control.progress(float("nan"))


def test_a_stage_that_does_not_exist_is_a_fault_of_the_engine() -> None:
    control, told = a_control()
    with pytest.raises(ValueError, match=r"^'dub' is no stage; there are fetch, transcribe"):
        control.stage("dub")
    assert told == []


def test_every_call_raises_once_the_engine_should_stop() -> None:
    control, told = a_control()
    control.check()
    control.stop(Stop.CANCELLED)
    for call in (control.check, lambda: control.wait(0), lambda: control.stage("fetch"), lambda: control.progress(1)):
        with pytest.raises(StopAsked, match="cancelled"):
            call()
    assert told == []


def test_no_except_clause_for_exceptions_catches_a_stop() -> None:
    assert not issubclass(StopAsked, Exception)


def test_a_wait_ends_by_itself_when_its_time_is_over() -> None:
    control, _ = a_control()
    began_s = time.monotonic()
    control.wait(0.01)
    control.wait(-1)
    assert 0.01 <= time.monotonic() - began_s < 5


def test_a_wait_ends_at_once_for_every_thread_when_asked_to_stop() -> None:
    control, _ = a_control()
    waiting, ended = threading.Barrier(4), queue.SimpleQueue[bool]()

    def wait() -> None:
        waiting.wait()
        try:
            control.wait(600)
        except StopAsked:
            ended.put(True)  # noqa: FBT003

    threads = [threading.Thread(target=wait, daemon=True) for _ in range(3)]
    for thread in threads:
        thread.start()
    waiting.wait()
    control.stop(Stop.CANCELLED)
    assert [ended.get(timeout=5) for _ in threads] == [True] * 3
    for thread in threads:
        thread.join()


def test_what_was_asked_first_stands_save_that_a_job_which_is_gone_is_gone() -> None:
    control, _ = a_control()
    control.stop(Stop.CANCELLED)
    control.stop(Stop.GONE)
    assert control.asked is Stop.GONE
    control.stop(Stop.CANCELLED)
    assert control.asked is Stop.GONE
