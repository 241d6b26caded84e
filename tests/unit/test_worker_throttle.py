import math

from worker.throttle import MOST_STAGES, Report, Throttle


def write(throttle: Throttle, now_s: float) -> Report | None:
    """Write what is due, as the line does."""
    report = throttle.next()
    if report is None or now_s < throttle.due_s():
        return None
    throttle.written(report, now_s)
    return report


def test_there_is_nothing_to_write_before_the_first_report() -> None:
    throttle = Throttle()
    assert throttle.next() is None
    assert throttle.due_s() == math.inf


def test_a_new_stage_is_written_at_once() -> None:
    throttle = Throttle()
    for now_s, stage in enumerate(["fetch", "transcribe", "translate"]):
        throttle.take(Report(stage, now_s / 10))
        assert write(throttle, now_s / 100) == Report(stage, now_s / 10)


def test_progress_is_written_about_once_a_second_and_the_latest_wins() -> None:
    throttle, written = Throttle(), []
    for tenth in range(51):
        throttle.take(Report("fetch", tenth / 100))
        if report := write(throttle, tenth / 10):
            written.append(report.progress)
    assert written == [0.0, 0.1, 0.2, 0.3, 0.4, 0.5]


def test_progress_held_back_is_due_a_second_after_the_last_write() -> None:
    throttle = Throttle()
    throttle.take(Report("fetch", 0.0))
    write(throttle, 7.0)
    throttle.take(Report("fetch", 0.1))
    assert write(throttle, 7.5) is None
    assert throttle.due_s() == 8.0
    assert write(throttle, 8.0) == Report("fetch", 0.1)
    assert throttle.due_s() == math.inf


def test_a_new_stage_makes_the_old_ones_progress_old_news() -> None:
    throttle = Throttle()
    throttle.take(Report("fetch", 0.0))
    write(throttle, 0.0)
    throttle.take(Report("fetch", 0.1))
    throttle.take(Report("voice", 0.2))
    assert write(throttle, 0.5) == Report("voice", 0.2)
    assert throttle.next() is None


def test_what_could_not_be_written_stays_next_and_merges() -> None:
    throttle = Throttle()
    for report in (Report("fetch", 0.0), Report("fetch", 0.1), Report("voice", 0.2), Report("voice", 0.3)):
        throttle.take(report)
    assert throttle.next() == throttle.next() == Report("fetch", 0.0)
    assert [write(throttle, at_s) for at_s in (9.0, 9.0, 9.0, 10.0)] == [
        Report("fetch", 0.0),
        Report("voice", 0.2),
        None,
        Report("voice", 0.3),
    ]


def test_a_report_that_came_during_a_write_is_not_taken_for_the_written_one() -> None:
    throttle = Throttle()
    throttle.take(Report("fetch", 0.0))
    write(throttle, 0.0)
    older = Report("fetch", 0.1)
    throttle.take(older)
    throttle.take(Report("fetch", 0.2))
    throttle.written(older, 1.0)
    assert throttle.next() == Report("fetch", 0.2)


def test_an_engine_that_flits_between_stages_fills_no_memory() -> None:
    throttle = Throttle()
    for at in range(10_000):
        throttle.take(Report(["fetch", "voice"][at % 2], 0.0))
    assert sum(write(throttle, 0.0) is not None for _ in range(10_000)) == MOST_STAGES
