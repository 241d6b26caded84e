"""What docker-compose.yml promises, tried on a real engine. The tests share one stack; each puts up what it needs."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING

import pytest
from service import ROOT, eventually

from client import TranslationClient

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Stack

pytestmark = [pytest.mark.sockets, pytest.mark.timeout(300)]

SERVICES = ("valkey", "api", "worker")


def test_a_job_submitted_from_the_host_completes(stack: Stack) -> None:
    stack.up()
    stack.finish([stack.submit(0.5)], within_s=20)


def test_only_the_api_is_published_and_on_loopback_alone(stack: Stack) -> None:
    stack.up()
    published = {
        (service, port, binding["HostIp"], binding["HostPort"])
        for service in SERVICES
        for container in stack.containers(service)
        # what was asked for: an engine may be set to publish on loopback whatever it is asked for
        for port, bindings in (container["HostConfig"]["PortBindings"] or {}).items()
        for binding in bindings
    }
    assert published == {("api", "5000/tcp", "127.0.0.1", str(stack.port))}


def test_valkey_lets_nobody_in_without_the_password(stack: Stack) -> None:
    stack.up()
    assert "NOAUTH" in stack.valkey_cli("KEYS", "*")
    assert "WRONGPASS" in stack.valkey_cli("AUTH", "guessed")
    assert stack.valkey_cli("PING", password=stack.redis_password).strip() == "PONG"
    words = "import redis; redis.Redis(host='valkey').ping()"
    refused = stack.compose("exec", "-T", "worker", "sh", "-c", f'python -c "{words}" 2>&1 || true')
    assert "AuthenticationError" in refused
    held = stack.compose("exec", "-T", "worker", "sh", "-c", "ls /run/valkey/appendonlydir 2>&1 || true")
    assert "Permission denied" in held  # of all that is kept there it may read the password alone


@pytest.mark.parametrize("service", SERVICES)
def test_a_container_has_no_rights_that_it_does_not_need(stack: Stack, service: str) -> None:
    stack.up()
    (container,) = stack.containers(service)
    host = container["HostConfig"]
    assert host["ReadonlyRootfs"]
    assert host["CapDrop"] == ["ALL"]
    assert not host["CapAdd"]
    assert host["SecurityOpt"] == ["no-new-privileges:true"]
    assert host["Memory"] > 0
    assert not host["Privileged"]
    assert stack.compose("exec", "-T", service, "id", "-u").strip() != "0"
    written = stack.compose("exec", "-T", service, "sh", "-c", "touch /x /usr/x /opt/x 2>&1 || true")
    assert written.count("Read-only file system") == 3
    compilers = stack.compose("exec", "-T", service, "sh", "-c", "command -v cc gcc make || true")
    assert not compilers


def test_three_workers_work_side_by_side(stack: Stack) -> None:
    stack.up(workers=3)
    eventually(lambda: stack.workers() >= 3, 30)
    jobs = [stack.submit(4) for _ in range(3)]
    eventually(lambda: stack.states(jobs) == ["running"] * 3, 10)
    stack.finish(jobs, within_s=20)


def test_a_worker_container_killed_in_mid_job_loses_nothing(stack: Stack) -> None:
    stack.up(workers=3)
    jobs = [stack.submit(3) for _ in range(12)]
    eventually(lambda: stack.states(jobs).count("running") == 12, 15)
    killed, crashed, _ = stack.containers("worker")
    # `docker kill` is for good; a process that dies of itself is brought back by the restart policy
    stack.docker("kill", "--signal", "KILL", killed["Id"])
    stack.crash(crashed["Id"])
    began_s = time.monotonic()
    stack.finish(jobs, within_s=45)
    print(f"12 jobs of 3 s, 2 of 3 workers killed: all ended {time.monotonic() - began_s:.1f} s later")  # noqa: T201
    assert {stack.job(job)["attempt"] for job in jobs} <= {1, 2}
    states = {each["Id"]: each for each in stack.containers("worker")}
    assert states[killed["Id"]]["State"]["ExitCode"] == 137
    assert states[crashed["Id"]]["State"]["Running"]
    assert states[crashed["Id"]]["RestartCount"] == 1


def test_a_killed_valkey_comes_back_with_all_that_was_accepted(stack: Stack) -> None:
    stack.up(workers=2)
    jobs = [stack.submit(2) for _ in range(6)]
    eventually(lambda: stack.states(jobs).count("running") == 6, 15)
    stack.compose("kill", "--signal", "KILL", "valkey")
    stack.compose("start", "valkey")
    eventually(lambda: stack.workers() >= 1, 60, pause_s=0.25)
    stack.finish(jobs, within_s=60)


def test_down_and_up_keeps_finished_and_queued_jobs(stack: Stack) -> None:
    stack.up()
    finished = stack.submit(0)
    stack.finish([finished], within_s=20)
    before = stack.job(finished)
    stack.up(workers=0)
    queued = stack.submit(0)
    assert stack.job(queued)["state"] == "queued"

    stack.compose("down")
    stack.up()

    assert stack.job(finished) == before
    stack.finish([queued], within_s=30)


def test_stop_ends_the_running_job_and_then_everything_cleanly(stack: Stack) -> None:
    stack.up()
    job = stack.submit(3)
    eventually(lambda: stack.job(job)["state"] == "running", 15)

    began_s = time.monotonic()
    stack.compose("stop")
    took_s = time.monotonic() - began_s

    print(f"stop with a job of 3 s under way took {took_s:.1f} s")  # noqa: T201
    assert took_s < 15
    for service in SERVICES:
        (container,) = stack.containers(service)
        assert (service, container["State"]["ExitCode"], container["State"]["OOMKilled"]) == (service, 0, False)
    stack.up()
    assert (stack.job(job)["state"], stack.job(job)["attempt"]) == ("completed", 1)


def test_idle_containers_stop_at_once(stack: Stack) -> None:
    stack.up()
    began_s = time.monotonic()
    stack.compose("stop")
    assert time.monotonic() - began_s < 8


def test_the_demo_ends_well(stack: Stack) -> None:
    stack.up()
    told = stack.compose("run", "--rm", "-T", "demo")
    assert told.count(" completed ") == 3
    (messages,) = re.findall(r"requests, (\d+) messages", told)
    assert int(messages) > 0


def test_with_the_how_to_s_override_a_client_on_the_host_is_told_by_push(stack: Stack, tmp_path: Path) -> None:
    override = tmp_path / "override.yml"
    override.write_text(yaml_block("DUBQ_REDIS_PORT"), "utf-8")
    stack.up(over=override)
    published = stack.compose("port", "valkey", "6379").strip()
    assert published == f"127.0.0.1:{stack.redis_port}"
    with TranslationClient(stack.url) as client:
        job = client.submit("https://example.com/v.mp4", simulate={"duration_s": 2})
        assert client.subscribe(job.job_id, timeout=30).result == "completed"
        assert client.metrics.messages > 0
        assert client.metrics.requests <= 3


def test_with_the_how_to_s_override_a_worker_runs_an_engine_of_one_s_own(stack: Stack, tmp_path: Path) -> None:
    (tmp_path / "my_studio.py").write_text(ENGINE, "utf-8")
    override = tmp_path / "override.yml"
    override.write_text(
        yaml_block("my_studio:Studio").replace("./my_studio.py", str(tmp_path / "my_studio.py")), "utf-8"
    )
    tmp_path.chmod(0o755)
    stack.up(over=override)
    job = stack.submit(0)
    stack.finish([job], within_s=20)
    assert stack.job(job)["output"]["video_url"] == "https://studio.example.com/done.mp4"


ENGINE = """
from contract.job import Output

class Studio:
    def translate(self, task, control):
        return Output(video_url="https://studio.example.com/done.mp4", captions_url="https://studio.example.com/done.vtt")
"""


def yaml_block(holding: str) -> str:
    """Return the how-to's one YAML example that holds this text."""
    text = (ROOT / "docs" / "how-to" / "compose.md").read_text("utf-8")
    (block,) = (each for each in re.findall(r"```yaml\n(.*?)```", text, re.DOTALL) if holding in each)
    return str(block)
