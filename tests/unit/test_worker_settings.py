import re
from runpy import run_module

import pytest

from contract.addresses import parse_networks
from contract.errors import SettingsError
from contract.law import Lognormal
from worker.settings import WorkerSettings


def test_an_empty_environment_gives_the_contracts_defaults() -> None:
    settings = WorkerSettings.from_env({})
    assert settings == WorkerSettings()
    assert str(settings.sim_law) == "Uniform(low_s=5, high_s=15)"
    assert (settings.sim_error_rate, settings.sim_seed, settings.sim_speed) == (0.1, None, 1.0)


def test_every_variable_is_read() -> None:
    settings = WorkerSettings.from_env(
        {
            "DUBQ_SIM_DURATION": "lognormal:10:0.5",
            "DUBQ_SIM_ERROR_RATE": "0",
            "DUBQ_SIM_SEED": "7",
            "DUBQ_SIM_SPEED": "10",
            "DUBQ_ENGINE": "my.engines:Real, acme,simulator",
            "DUBQ_WEBHOOK_PRIVATE": "10.0.0.0/8",
            "DUBQ_WEBHOOK_SPEED": "60",
            "DUBQ_WEBHOOK_TIMEOUT_S": "3",
            "DUBQ_SLOTS": "30",
            "DUBQ_DRAIN_S": "2.5",
            "DUBQ_LOG_LEVEL": "DEBUG",
            "DUBQ_LOG_FORMAT": "console",
            "DUBQ_JOB_TTL_S": "60",
            "DUBQ_CLIENT_RUNNING": "20",
        }
    )
    assert settings == WorkerSettings(
        store=settings.store,
        engines=("my.engines:Real", "acme", "simulator"),
        sim_law=Lognormal(10, 0.5),
        sim_error_rate=0,
        sim_seed="7",
        webhook_private=parse_networks("10.0.0.0/8"),
        webhook_speed=60,
        webhook_timeout_s=3,
        sim_speed=10,
        slots=30,
        drain_s=2.5,
        log_level="debug",
        log_format="console",
    )
    assert (settings.store.job_ttl_s, settings.store.client_running) == (60, 20)


def test_everything_that_is_wrong_is_reported_at_once() -> None:
    with pytest.raises(SettingsError) as caught:
        WorkerSettings.from_env(
            {
                "DUBQ_SIM_DURATION": "uniform:15:5",
                "DUBQ_SIM_ERROR_RATE": "1.1",
                "DUBQ_SIM_SPEED": "0",
                "DUBQ_ENGINE": "my engines",
                "DUBQ_SLOTS": "1.5",
                "DUBQ_DRAIN_S": "-1",
                "DUBQ_LOG_LEVEL": "loud",
                "DUBQ_LOG_FORMAT": "xml",
                "DUBQ_REDIS_URL": "http://example.com",
            }
        )
    assert [re.split("[=:]", problem)[0] for problem in caught.value.problems] == [
        "DUBQ_REDIS_URL",
        "DUBQ_ENGINE",
        "DUBQ_SIM_DURATION",
        "DUBQ_SIM_ERROR_RATE",
        "DUBQ_SIM_SPEED",
        "DUBQ_SLOTS",
        "DUBQ_DRAIN_S",
        "DUBQ_LOG_LEVEL",
        "DUBQ_LOG_FORMAT",
    ]


def test_rqs_configuration_file_names_the_redis_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DUBQ_REDIS_URL", "redis://127.0.0.1:6390/2")
    assert run_module("worker.rq_config")["REDIS_URL"] == "redis://127.0.0.1:6390/2"


def test_rqs_configuration_file_names_the_queue_of_webhooks_before_that_of_jobs() -> None:
    assert run_module("worker.rq_config")["QUEUES"] == ["webhooks", "default"]


def test_rqs_configuration_file_ends_a_worker_whose_settings_are_wrong(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DUBQ_SIM_SPEED", "fast")
    monkeypatch.setenv("DUBQ_SIM_ERROR_RATE", "2")
    with pytest.raises(SystemExit) as caught:
        run_module("worker.rq_config")
    assert caught.value.code == 2
    assert [re.split("[=:]", line)[0] for line in capsys.readouterr().err.splitlines()] == [
        "DUBQ_SIM_ERROR_RATE",
        "DUBQ_SIM_SPEED",
    ]
