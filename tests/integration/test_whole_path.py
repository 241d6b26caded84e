"""The main job on real parts: HTTP → Valkey → `rq worker -S json` → pub/sub → client."""

import json
import pickle
import subprocess
import sys
import threading
import zlib
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests
from faces import Face
from service import Service, eventually

from client import Job, JobCancelledError, JobFailedError, JobNotFoundError, State, TranslationClient, subscribe
from contract.job import STAGES
from store import feed

VIDEO = "https://example.com/talk.mp4"


def test_a_job_goes_the_whole_way_and_every_step_is_heard(client: TranslationClient) -> None:
    heard: list[Job] = []
    job = client.submit(VIDEO, target_language="es", title="Talk", metadata={"order": 7})
    done = client.subscribe(job.job_id, on_update=heard.append, timeout=30)
    assert (done.state, done.progress, done.attempt) == (State.COMPLETED, 1.0, 1)
    assert (done.target_language, done.title, dict(done.metadata)) == ("es", "Talk", {"order": 7})
    assert done.output is not None
    assert job.job_id in done.output.video_url
    assert [each.seq for each in heard] == sorted({each.seq for each in heard})
    assert heard[-1] == done
    stages = [each.stage for each in heard if each.stage]
    assert stages == sorted(stages, key=STAGES.index)


def test_waiting_by_push_costs_the_submit_and_one_look(client: TranslationClient) -> None:
    client.wait(client.submit(VIDEO, simulate={"duration_s": 0.1}).job_id, timeout=30)  # finds its road to Redis
    job = client.submit(VIDEO, simulate={"duration_s": 1})
    client.wait(job.job_id, timeout=30)
    assert client.metrics.jobs[job.job_id].requests <= 2
    assert client.metrics.jobs[job.job_id].knowing_delay_s is not None


def test_polling_finds_the_end_as_well(client: TranslationClient) -> None:
    job = client.submit(VIDEO)
    assert client.poll_status(job.job_id, timeout=30).state is State.COMPLETED
    assert client.metrics.jobs[job.job_id].requests >= 2


def test_fast_jobs_never_hang_a_wait(client: TranslationClient) -> None:
    """A job of no time at all may be over before anybody listens."""
    for _ in range(20):
        job = client.submit(VIDEO, simulate={"duration_s": 0})
        assert client.subscribe(job.job_id, timeout=30).done


def test_the_module_level_subscribe_opens_a_client_of_its_own(
    service: Service, client: TranslationClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DUBQ_URL", service.url)
    job = client.submit(VIDEO)
    assert subscribe(job.job_id, timeout=30).done


def test_a_failed_job_raises_with_its_reason(client: TranslationClient) -> None:
    job = client.submit(VIDEO, simulate={"duration_s": 0.1, "outcome": "error", "error_code": "audio_missing"})
    with pytest.raises(JobFailedError) as caught:
        client.wait(job.job_id, timeout=30)
    assert caught.value.job is not None
    assert caught.value.job.error is not None
    assert caught.value.job.error.code == "audio_missing"
    assert client.wait(job.job_id, timeout=30, raise_on_failure=False).state is State.ERROR


def test_a_passing_failure_is_retried(client: TranslationClient) -> None:
    job = client.submit(VIDEO, simulate={"duration_s": 0.1, "fail_attempts": 1})
    heard: list[Job] = []
    done = client.wait(job.job_id, timeout=30, on_update=heard.append)
    assert (done.state, done.attempt) == (State.COMPLETED, 2)
    assert (State.QUEUED, 2) in {(each.state, each.attempt) for each in heard}


def test_a_running_job_stops_within_two_seconds_of_its_cancelling(client: TranslationClient) -> None:
    job = client.submit(VIDEO, simulate={"duration_s": 60})
    eventually(lambda: client.get_status(job.job_id).state is State.RUNNING, 10)
    asked = client.cancel(job.job_id)
    with pytest.raises(JobCancelledError) as caught:
        client.wait(job.job_id, timeout=30)
    ended = caught.value.job
    assert ended is not None
    assert ended.finished_at is not None
    assert (ended.finished_at - asked.updated_at).total_seconds() < 60
    first = client.get_status(job.job_id)
    assert first.state is State.CANCELLED
    assert client.cancel(job.job_id) == first


def test_the_worker_is_free_again_after_a_cancel_and_a_stall(client: TranslationClient) -> None:
    stalled = [client.submit(VIDEO, simulate={"outcome": "stall"}) for _ in range(2)]  # as many as there are workers
    for job in stalled:
        eventually(lambda job=job: client.get_status(job.job_id).state is State.RUNNING, 10)
    for job in stalled:
        client.cancel(job.job_id)
    assert client.wait(client.submit(VIDEO).job_id, timeout=20).done


def test_one_outcome_for_all_readers(service: Service, client: TranslationClient) -> None:
    """An earlier system drew the outcome again on each GET."""
    job = client.submit(VIDEO, simulate={"duration_s": 0.5, "outcome": "error"})

    def told(_: int) -> tuple[str, str]:
        with TranslationClient(service.url) as reader:
            end = reader.wait(job.job_id, timeout=30, raise_on_failure=False)
            return end.state, requests.get(f"{service.url}/status?job_id={job.job_id}", timeout=5).json()["result"]

    with ThreadPoolExecutor(16) as pool:
        assert Counter(pool.map(told, range(64))) == {("error", "error"): 64}


def test_two_hundred_waiters_on_one_client_share_one_connection(service: Service, client: TranslationClient) -> None:
    jobs = [client.submit(VIDEO, simulate={"duration_s": 0.05}) for _ in range(20)]
    before = service.connection().pubsub_numpat()
    ends: list[State] = []
    threads = [
        threading.Thread(target=lambda job=job: ends.append(client.wait(job.job_id, timeout=60).state))
        for job in jobs
        for _ in range(10)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert ends == [State.COMPLETED] * 200
    assert service.connection().pubsub_numpat() == before


def test_resetting_a_running_job_is_refused_and_harms_nobody(service: Service, client: TranslationClient) -> None:
    """An earlier system's only worker hung for ever."""
    job = client.submit(VIDEO, simulate={"duration_s": 3})
    eventually(lambda: client.get_status(job.job_id).state is State.RUNNING, 10)
    assert requests.post(f"{service.url}/jobs/{job.job_id}/reset", timeout=5).status_code == 409
    assert client.wait(job.job_id, timeout=30).done
    again = client.reset(job.job_id)
    assert again.attempt == 1
    done = client.wait(job.job_id, timeout=30)
    assert done.state is State.COMPLETED
    assert done.seq > again.seq


def test_the_same_job_submitted_by_many_at_once_runs_once(service: Service, client: TranslationClient) -> None:
    body = {"video_url": VIDEO, "job_id": "asked-by-many", "simulate": {"duration_s": 0.1}}
    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda _: requests.post(f"{service.url}/jobs", json=body, timeout=10), range(32)))
    assert Counter(answer.status_code for answer in answers) == {202: 1, 200: 31}
    client.wait("asked-by-many", timeout=30)
    changes = [each.job for each in feed.read(service.connection(), "default", count=10_000)]
    ends = [job for job in changes if job.job_id == "asked-by-many" and job.done]
    assert len(ends) == 1


def test_nothing_that_rq_holds_is_a_pickle(service: Service, client: TranslationClient) -> None:
    client.wait(client.submit(VIDEO).job_id, timeout=30)
    connection = service.connection()
    payloads = [connection.hget(key, "data") for key in connection.scan_iter("rq:job:*")]
    assert payloads
    for payload in payloads:
        text = zlib.decompress(payload)
        function, _, (name,), words = json.loads(text)  # an id is all that it is given
        assert function in {"worker.tasks.translate", "worker.webhooks.deliver"}
        assert (type(name), words) == (str, {})
        with pytest.raises(pickle.UnpicklingError):
            pickle.loads(text)  # noqa: S301


def test_rqs_own_tools_work_on_the_queue(service: Service) -> None:
    shown = subprocess.run(
        [sys.executable, "-m", "rq.cli", "info", "-u", service.redis_url, "--raw"],
        capture_output=True,
        check=True,
        text=True,
        timeout=30,
        env=service.env,
    )
    assert "default" in shown.stdout


def test_the_timer_is_read_by_the_single_job_status(service: Service) -> None:
    started = requests.post(f"{service.url}/start-timer", json={"duration": 2}, timeout=5)
    assert started.json() == {"message": "Timer started for 2 seconds"}
    assert requests.get(f"{service.url}/status", timeout=5).json() == {"result": "pending"}
    eventually(lambda: requests.get(f"{service.url}/status", timeout=5).json() == {"result": "completed"}, 15)


def test_an_unknown_job_is_no_pending_job(client: TranslationClient) -> None:
    with pytest.raises(JobNotFoundError):
        client.wait("never-made", timeout=30)


def test_the_client_counts_every_request_that_it_makes(service: Service) -> None:
    """An earlier client counted a third of its own."""
    before = service.log("api").count('"event": "request"')
    with TranslationClient(service.url) as counted:
        for _ in range(3):
            job = counted.submit(VIDEO)
            counted.poll_status(job.job_id, timeout=30)
        made = counted.metrics.requests
    eventually(lambda: service.log("api").count('"event": "request"') - before == made, 5)


def test_many_jobs_go_the_whole_way_whichever_face_asks(service: Service, face: Face) -> None:
    with face.connect(service.url) as many:
        jobs = many.submit_many(
            [{"video_url": VIDEO, "title": f"Talk {number}", "simulate": {"duration_s": 0}} for number in range(12)]
        )
        assert [job.title for job in jobs] == [f"Talk {number}" for number in range(12)]
        ids = [job.job_id for job in jobs]
        ended = {job.job_id for job in many.as_completed(ids, timeout=60)}
        assert ended == set(ids)
        assert list(many.wait_all(ids)) == ids
        assert many.metrics.requests == 1 + 3  # all in one, the road, and a look for each of the two waits
