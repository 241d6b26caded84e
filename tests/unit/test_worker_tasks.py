from __future__ import annotations

import json
import logging
import signal
from typing import TYPE_CHECKING

import pytest
from given import a_job
from rq import Queue, SimpleWorker
from rq.serializers import JSONSerializer

from contract.states import State
from store.jobs import JobStore
from store.ledger import Ledger
from store.settings import StoreSettings
from worker import tasks
from worker.logs import LOGGER

if TYPE_CHECKING:
    from collections.abc import Iterator

    import redis

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGALRM)


@pytest.fixture
def env(monkeypatch: pytest.MonkeyPatch, connection: redis.Redis) -> Iterator[pytest.MonkeyPatch]:
    """Give a worker's environment; what a worker changes in its process is put back afterwards."""
    handlers = {number: signal.getsignal(number) for number in SIGNALS}
    logger = logging.getLogger(LOGGER)
    tasks._process.cache_clear()
    yield monkeypatch
    if tasks._process.cache_info().currsize:
        _, runner = tasks._process(connection)
        runner.engine._engines["simulator"]._times.close()  # type: ignore[attr-defined]
    tasks._process.cache_clear()
    for number, handler in handlers.items():
        signal.signal(number, handler)
    logger.handlers.clear()
    logger.propagate = True


def work(connection: redis.Redis) -> None:
    """Let an RQ worker of the stock kind work the queue until it is empty."""
    queue = Queue("default", connection=connection, serializer=JSONSerializer)
    SimpleWorker([queue], connection=connection, serializer=JSONSerializer).work(burst=True, logging_level="WARNING")


def test_a_stock_rq_worker_runs_the_job_with_the_simulator(connection: redis.Redis, env: pytest.MonkeyPatch) -> None:
    env.setenv("DUBQ_SIM_DURATION", "fixed:60")
    env.setenv("DUBQ_SIM_SPEED", "1000")
    env.setenv("DUBQ_SIM_ERROR_RATE", "0")
    jobs = JobStore(Ledger(connection, StoreSettings()))
    jobs.create(a_job(), fingerprint="f")
    work(connection)
    job = jobs.read("j1", "default")
    assert (job.state, job.progress) == (State.COMPLETED, 1.0)
    assert job.output is not None
    assert job.output.video_url.endswith("/j1.mp4")


def test_settings_that_are_wrong_run_no_job_and_lose_none(connection: redis.Redis, env: pytest.MonkeyPatch) -> None:
    env.setenv("DUBQ_SIM_SPEED", "0")
    jobs = JobStore(Ledger(connection, StoreSettings()))
    jobs.create(a_job(), fingerprint="f")
    work(connection)
    assert jobs.read("j1", "default").state is State.QUEUED


def test_the_log_is_a_json_object_a_line(
    connection: redis.Redis, env: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    env.setenv("DUBQ_SIM_DURATION", "fixed:0")
    env.setenv("DUBQ_SIM_ERROR_RATE", "1")
    jobs = JobStore(Ledger(connection, StoreSettings()))
    jobs.create(a_job(), fingerprint="f")
    work(connection)
    lines = [json.loads(line) for line in capfd.readouterr().err.splitlines() if line.startswith("{")]
    assert [line["event"] for line in lines] == ["run_started", "attempt_failed", "run_ended"]
    assert all((line["job_id"], line["attempt"]) == ("j1", 1) for line in lines)
    assert (lines[-1]["level"], lines[-1]["state"], lines[-1]["timestamp"][-1]) == ("info", "error", "Z")


def test_translate_is_for_rq_to_call() -> None:
    with pytest.raises(RuntimeError, match="for an RQ worker to call"):
        tasks.translate("j1")


def test_a_runs_own_connections_give_up_within_seconds(connection: redis.Redis) -> None:
    with tasks.quick(connection) as quick:
        assert quick.ping()
        assert quick.connection_pool.connection_kwargs["socket_timeout"] == tasks.COMMAND_S
        assert quick.connection_pool is not connection.connection_pool
