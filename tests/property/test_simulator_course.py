import math
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.job import STAGES, Job
from contract.law import Fixed, Law, Lognormal, PerMinute, Uniform
from contract.states import State
from worker.course import Delivers, Fails, Stalls, plan
from worker.engine import Task

seconds = st.floats(0, 86_400)
laws = st.one_of(
    st.builds(Fixed.of, seconds),
    st.tuples(seconds, seconds).map(lambda pair: Uniform.of(min(pair), max(pair))),
    st.builds(Lognormal.of, st.floats(0.001, 86_400), st.floats(0, 3)),
    st.builds(PerMinute.of, st.floats(0, 1000)),
)
wishes = st.none() | st.fixed_dictionaries(
    {},
    optional={
        "duration_s": st.none() | seconds,
        "outcome": st.none() | st.sampled_from(["completed", "error", "stall"]),
        "fail_attempts": st.none() | st.integers(0, 5),
        "stage": st.sampled_from(STAGES),
        "slow_factor": st.floats(1, 1000),
        "progress": st.sampled_from(["smooth", "jumps"]),
        "output_late_s": st.floats(0, 3600),
        "error_code": st.none() | st.sampled_from(["no_speech", "mine"]),
    },
)
AT = datetime(2026, 1, 1, tzinfo=UTC)


@st.composite
def tasks(draw: st.DrawFn) -> Task:
    job = Job(
        job_id=draw(st.from_regex(r"\A[A-Za-z0-9_-]{1,64}\Z")),
        client_id="default",
        state=State.RUNNING,
        seq=2,
        attempt=draw(st.integers(1, 6)),
        video_url="https://example.com/v.mp4",
        video_duration_s=draw(st.none() | st.floats(0, 1e6)),
        created_at=AT,
        updated_at=AT,
    )
    return Task(job=job, simulate=draw(wishes), number=draw(st.integers(0, 9)), round=draw(st.integers(0, 3)))


@given(task=tasks(), law=laws, error_rate=st.floats(0, 1), seed=st.none() | st.text(max_size=9))
def test_every_course_can_be_walked_and_walks_forward(
    task: Task, law: Law, error_rate: float, seed: str | None
) -> None:
    course = plan(task, law, error_rate, seed)

    assert course == plan(task, law, error_rate, seed)
    late_s = (task.simulate or {}).get("output_late_s", 0) if isinstance(course.ending, Delivers) else 0
    stages = [*STAGES[: len(course.legs) - 1], STAGES[-1]] if late_s else STAGES[: len(course.legs)]
    assert [leg.stage for leg in course.legs] == list(stages)
    legs = course.legs[:-1] if late_s else course.legs
    assert all(leg.seconds >= 0 and leg.from_progress < leg.to_progress <= 1 for leg in legs)
    assert all(a.to_progress == b.from_progress for a, b in zip(course.legs, course.legs[1:], strict=False))
    assert 0 <= course.seconds <= 86_400 * (1 + 1e-9) + late_s
    if isinstance(course.ending, Fails):
        assert course.ending.flaw.stage in STAGES
        if course.legs:
            assert course.legs[-1].stage == course.ending.flaw.stage
    wished_s = (task.simulate or {}).get("duration_s")
    if wished_s is not None and not isinstance(course.ending, Stalls):
        slowed_s = min(86_400, wished_s * (task.simulate or {}).get("slow_factor", 1))
        assert course.seconds == pytest.approx(slowed_s + late_s)
    assert math.isfinite(course.seconds)
