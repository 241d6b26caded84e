import shlex
from datetime import UTC, datetime
from urllib.parse import quote

from given import a_job
from hypothesis import assume, given
from hypothesis import strategies as st

from contract import moves, resume
from contract.backoff import Backoff
from contract.errors import IllegalTransitionError
from contract.ids import JOB_ID, is_job_id
from contract.job import Failure, Job, Output
from contract.states import NEXT, State

AT = datetime(2026, 1, 1, tzinfo=UTC)
MOVES = st.sampled_from(
    [
        lambda job: moves.start(job, AT),
        lambda job: moves.advance(job, AT, stage="fetch", progress=0.4),
        lambda job: moves.advance(job, AT, stage="voice", progress=0.2),
        lambda job: moves.complete(job, AT, Output(video_url="v", captions_url="c")),
        lambda job: moves.fail_attempt(job, AT, Failure(code="x", message="", retryable=True)),
        lambda job: moves.hand_back(job, AT),
        lambda job: moves.fail(job, AT, Failure(code="x", message="")),
        lambda job: moves.cancel(job, AT),
        lambda job: moves.reset(job, AT),
    ]
)


def _tried(job: Job, move: object) -> Job:
    try:
        return move(job)  # type: ignore[operator, no-any-return]
    except IllegalTransitionError:
        return job


@given(st.lists(MOVES, max_size=30))
def test_every_history_is_legal_and_without_gaps(history: list[object]) -> None:
    job = a_job()
    for move in history:
        new = _tried(job, move)
        if new is not job:
            assert new.seq == job.seq + 1
            assert new.state in NEXT[job.state] or (job.done and new.attempt == 1)
            assert new.done == (new.finished_at is not None)
            if new.attempt == job.attempt and not job.done:
                assert new.progress >= job.progress
        job = new
        assert 0 <= job.progress <= 1
        assert Job.from_wire(job.to_wire()) == job


KNOWN = a_job().to_wire()
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(
    fields=st.dictionaries(st.text().filter(lambda name: name not in KNOWN), JSON),
    words=st.fixed_dictionaries(
        {"state": st.text(), "done": st.booleans(), "result": st.text()},
        optional={"priority": st.text(), "stage": st.text(), "progress": st.floats(0, 1), "seq": st.integers(1)},
    ),
)
def test_a_document_of_any_later_version_is_read_and_what_is_known_is_kept(
    fields: dict[str, object], words: dict[str, object]
) -> None:
    assume(words["state"] not in set(State))  # which of them are final is no document's to say
    job = Job.from_wire(KNOWN | fields | words)
    assert (job.state, job.done, job.result) == (words["state"], words["done"], words["result"])
    assert job.to_wire() == KNOWN | words
    assert Job.from_wire(job.to_wire()) == job


@given(st.lists(st.floats(-1, 2), max_size=20))
def test_progress_never_falls_within_an_attempt(reports: list[float]) -> None:
    job = moves.start(a_job(), AT)
    for number, report in enumerate(reports, 1):
        job = moves.advance(job, AT, stage="fetch", progress=report)
        assert job.progress == max(0.0, *(round(min(1.0, each), 3) for each in reports[:number]))


@given(
    first_s=st.floats(0.01, 60),
    factor=st.floats(1, 10),
    cap_s=st.floats(0.01, 3600),
    attempt=st.integers(1, 10_000),
    chance=st.floats(0, 1, exclude_max=True),
)
def test_a_pause_is_in_the_upper_half_of_its_step(
    first_s: float, factor: float, cap_s: float, attempt: int, chance: float
) -> None:
    backoff = Backoff(first_s=first_s, factor=factor, cap_s=cap_s)
    step_s = min(cap_s, first_s * factor ** min(attempt - 1, 64))
    assert step_s / 2 <= backoff.pause_s(attempt, chance) <= step_s


@given(st.from_regex(JOB_ID, fullmatch=True))
def test_a_token_names_its_job_is_no_id_itself_and_needs_no_quotes(job_id: str) -> None:
    token = resume.token(job_id)
    assert (resume.parse(token), resume.parse(job_id)) == (job_id, job_id)
    assert not is_job_id(token)
    assert shlex.quote(token) == quote(token, safe="") == token


@given(st.text())
def test_what_is_no_token_stands_for_itself(text: str) -> None:
    assume(not text.startswith("dubq"))
    assert resume.parse(text) == text
