"""The simulator as an opponent, and an engine that was installed from outside beside it, on real parts."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest
import requests
from scripted import run
from service import ROOT, Service, eventually

from client import (
    InvalidFieldsError,
    Job,
    JobFailedError,
    ServiceUnavailableError,
    State,
    TranslationClient,
)
from contract.job import STAGES

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

VIDEO = "https://example.com/talk.mp4"
HALF_AN_HOUR = 1800.0
DAY = ROOT / "docs" / "how-to" / "day.json"
SIMULATING = ROOT / "docs" / "how-to" / "simulator.md"
PAGE = (ROOT / "docs" / "how-to" / "engine.md").read_text("utf-8")

ENGINE = """
import os

from contract.job import Output
from worker.engine import Control, Task


class Studio:
    def translate(self, task: Task, control: Control) -> Output:
        control.stage("fetch")
        if task.job.title == "crash" and task.attempt == 1:
            os._exit(9)
        if task.job.title == "long":
            control.stage("voice")
            control.wait(600)
        return Output(video_url="https://studio.example.com/v.mp4", captions_url="https://studio.example.com/v.vtt")
"""


@pytest.fixture(scope="module")
def outside(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Install a small distribution with an engine, as the page shows it, into a folder outside the tree."""
    source, target = tmp_path_factory.mktemp("studio"), tmp_path_factory.mktemp("installed")
    (project,) = re.findall(r"^```toml\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)
    (source / "pyproject.toml").write_text(project, "utf-8")
    (source / "my_studio.py").write_text(ENGINE, "utf-8")
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "install", "--quiet", "--no-index", "--no-deps"]
    subprocess.run([*pip, "--no-build-isolation", "--target", str(target), str(source)], check=True)
    return target


@pytest.fixture(scope="module")
def service(outside: Path) -> Iterator[Service]:
    env = {
        "PYTHONPATH": os.pathsep.join((str(ROOT), str(outside))),
        "DUBQ_ENGINE": "simulator,studio",
        "DUBQ_SIM_DURATION": f"fixed:{HALF_AN_HOUR}",
        "DUBQ_SIM_OUTAGES": "on",
    }
    with Service(env) as running:
        yield running.start(workers=3)


@pytest.fixture
def client(service: Service) -> Iterator[TranslationClient]:
    with TranslationClient(service.url) as connected:
        yield connected
        connected.simulator.reset()


def begun(client: TranslationClient, job: Job) -> Job:
    """Return the job once a worker has begun with it."""
    eventually(lambda: client.get_status(job.job_id).stage is not None, 30)
    return job


def test_a_job_of_half_an_hour_ends_the_moment_its_clock_is_put_forward(client: TranslationClient) -> None:
    client.simulator.freeze()
    job = begun(client, client.submit(VIDEO))
    heard: list[Job] = []
    with ThreadPoolExecutor() as pool:
        waiting = pool.submit(client.subscribe, job.job_id, on_update=heard.append, timeout=60)
        eventually(lambda: heard)
        client.simulator.advance(HALF_AN_HOUR - 1)
        eventually(lambda: heard[-1].stage == STAGES[-1])
        assert not waiting.done()
        began_s = time.monotonic()
        client.simulator.advance(1)
        done = waiting.result()
    assert done.state is State.COMPLETED
    assert time.monotonic() - began_s < 2  # some tens of milliseconds where nobody else computes
    assert list(dict.fromkeys(each.stage for each in heard if each.stage)) == list(STAGES)
    assert [each.seq for each in heard] == list(range(heard[0].seq, done.seq + 1))
    assert done.finished_at is not None
    assert abs(done.finished_at.timestamp() - time.time()) < 60  # documents have real times


def test_the_shown_test_of_half_an_hour_passes(service: Service) -> None:
    (program,) = re.findall(r"^```python\n(.*?)^```", SIMULATING.read_text("utf-8"), re.DOTALL | re.MULTILINE)
    names: dict[str, Any] = {}
    exec(program, names)  # noqa: S102 - our own page
    names["test_half_an_hour"](service.url)


def test_what_was_submitted_before_the_clock_was_moved_goes_on_whether_or_not_a_worker_had_it(
    client: TranslationClient,
) -> None:
    client.simulator.freeze()
    jobs = [client.submit(VIDEO) for _ in range(5)]
    client.simulator.advance(HALF_AN_HOUR)
    late = client.submit(VIDEO)
    assert {each.state for each in client.wait_all([job.job_id for job in jobs], timeout=60).values()} == {
        State.COMPLETED
    }
    assert not client.get_status(begun(client, late).job_id).done


def test_all_attempts_of_a_flaky_job_fit_into_one_move_of_the_clock(client: TranslationClient) -> None:
    client.simulator.freeze()
    job = client.submit(VIDEO, simulate={"scenario": "flaky", "fail_attempts": 1, "duration_s": 600})
    client.simulator.advance(1200)
    done = client.wait(job.job_id, timeout=60)
    assert (done.state, done.attempt) == (State.COMPLETED, 2)


def test_a_clock_at_a_speed_and_a_magic_url(client: TranslationClient) -> None:
    client.simulator.speed(3600)
    began_s = time.monotonic()
    with pytest.raises(JobFailedError) as caught:
        client.wait(client.submit("https://simulate.test/audio_missing/talk.mp4").job_id, timeout=60)
    assert caught.value.job is not None
    assert caught.value.job.error is not None
    assert (caught.value.job.error.code, caught.value.job.error.stage) == ("audio_missing", "transcribe")
    assert 0.5 < time.monotonic() - began_s < 20


def test_a_job_whose_time_stands_still_can_be_cancelled(client: TranslationClient) -> None:
    client.simulator.freeze()
    job = begun(client, client.submit(VIDEO))
    client.cancel(job.job_id)
    assert client.wait(job.job_id, timeout=20, raise_on_failure=False).state is State.CANCELLED


def test_a_reset_world_is_empty(client: TranslationClient) -> None:
    done = client.wait(client.submit(VIDEO, simulate={"duration_s": 0}).job_id, timeout=30)
    client.simulator.reset()
    eventually(lambda: client.get_statuses([done.job_id]) == {}, 20)
    assert list(client.jobs(state="completed")) == []


@pytest.mark.parametrize(
    ("kind", "error"), [("dropped", requests.ConnectionError), ("unavailable", requests.HTTPError)]
)
def test_an_outage_is_felt_on_the_wire_and_waits_ride_it_out(
    service: Service, client: TranslationClient, kind: str, error: type[Exception]
) -> None:
    job = client.submit(VIDEO, simulate={"duration_s": 0})
    client.simulator.begin_outage(kind, 60)
    with pytest.raises(error):
        requests.get(service.url + "/jobs", timeout=5).raise_for_status()
    with pytest.raises(ServiceUnavailableError):
        client.get_status(job.job_id)
    client.simulator.begin_outage(kind, 1)
    assert client.poll_status(job.job_id, timeout=30).done
    assert "Traceback" not in service.log("api")


def test_a_whole_day_is_played_in_seconds(service: Service, client: TranslationClient) -> None:
    found = run(TranslationClient, "play", str(DAY), "--url", service.url, "--speed", "43200", "--reset", "--json")
    assert found.exit_code == 0, found.output
    assert json.loads(found.stdout) == {"jobs": 14, "states": {"completed": 12, "error": 2}}
    assert found.stderr.count("unavailable for 1200 s") == 1
    assert client.simulator.clock().speed == 1


def test_an_engine_from_outside_works_beside_the_simulator_and_may_even_crash(client: TranslationClient) -> None:
    crashes = client.submit(VIDEO, engine="studio", title="crash")
    simulated = client.submit(VIDEO, simulate={"duration_s": 0})
    long = begun(client, client.submit(VIDEO, engine="studio", title="long"))
    assert client.cancel(long.job_id).stage == "voice"
    done = client.wait_all([long.job_id, simulated.job_id], timeout=20, raise_on_failure=False)
    assert done[long.job_id].state is State.CANCELLED
    assert done[simulated.job_id].output.video_url.startswith("https://media.example.com/")
    found = client.wait(crashes.job_id, timeout=60)
    assert (found.state, found.attempt) == (State.COMPLETED, 2)
    assert found.output is not None
    assert found.output.video_url == "https://studio.example.com/v.mp4"
    with pytest.raises(InvalidFieldsError, match="simulator, studio"):
        client.submit(VIDEO, engine="nobody")
