"""The API's settings."""

from __future__ import annotations

import re

import pytest

from api.settings import ApiSettings, without_secret
from contract.errors import SettingsError


def test_an_empty_environment_is_a_service_on_loopback() -> None:
    settings = ApiSettings.from_env({})
    assert settings.bind == "127.0.0.1:5000"
    assert settings.store.redis_url == settings.public_redis_url == "redis://127.0.0.1:6379/0"
    assert (settings.processes, settings.max_body_bytes, settings.log_level) == (1, 1024 * 1024, "info")


def test_everything_that_is_wrong_is_reported_at_once() -> None:
    values = {
        "DUBQ_REDIS_URL": "http://x", "DUBQ_PUBLIC_REDIS_URL": "x", "DUBQ_AUTH": "on", "DUBQ_BIND": "5000",
        "WEB_CONCURRENCY": "1.5", "DUBQ_LOG_LEVEL": "loud", "DUBQ_LOG_FORMAT": "xml", "DUBQ_JOB_TTL_S": "nan",
        "DUBQ_WEBHOOK_PRIVATE": "yes",
        "DUBQ_CLIENT_RUNNING": "1.5",
    }  # fmt: skip
    with pytest.raises(SettingsError) as caught:
        ApiSettings.from_env(values)
    assert {re.split("[=:]", problem)[0] for problem in caught.value.problems} == values.keys()


@pytest.mark.parametrize("bind", ["0.0.0.0:80", "[::1]:5000", "localhost:0", "unix:/run/dubq.sock"])
def test_the_address_may_be_a_port_or_a_socket(bind: str) -> None:
    assert ApiSettings.from_env({"DUBQ_BIND": bind}).bind == bind


def test_the_service_knows_whether_others_than_this_machine_can_reach_it() -> None:
    near = ("127.0.0.1:5000", "localhost:1", "[::1]:5000", "unix:/run/dubq.sock")
    assert all(ApiSettings(bind=bind).is_local for bind in near)
    assert not any(ApiSettings(bind=bind).is_local for bind in ("0.0.0.0:5000", "[::]:5000", "example.com:80"))


@pytest.mark.parametrize("bind", ["host:70000", "host:", ":x", "unix:relative"])
def test_an_address_that_is_none_is_refused(bind: str) -> None:
    with pytest.raises(SettingsError):
        ApiSettings.from_env({"DUBQ_BIND": bind})


@pytest.mark.parametrize(
    "url", ["redis://:secret@host/0", "redis://user:secret@host", "rediss://host/0?password=secret"]
)
def test_a_redis_url_with_a_password_is_shown_to_nobody(url: str) -> None:
    assert without_secret(url) is None
    assert ApiSettings.from_env({"DUBQ_REDIS_URL": url}).public_redis_url is None


def test_the_operator_says_which_redis_url_is_shown() -> None:
    values = {"DUBQ_REDIS_URL": "redis://:secret@inside/0"}
    shown = ApiSettings.from_env(values | {"DUBQ_PUBLIC_REDIS_URL": "rediss://outside:6380"})
    assert shown.public_redis_url == "rediss://outside:6380"
    assert ApiSettings.from_env({"DUBQ_PUBLIC_REDIS_URL": "none"}).public_redis_url is None


@pytest.mark.parametrize(
    "url",
    [
        "redis://127.0.0.1:port/0",
        "redis://h:99999/0",
        "redis://h/abc",
        "redis://h:0",
        "redis://:s3cr3t@[::1",
        "unix://",
    ],
)
def test_a_url_that_leads_nowhere_is_a_wrong_setting_and_its_password_is_not_told(url: str) -> None:
    with pytest.raises(SettingsError) as caught:
        ApiSettings.from_env({"DUBQ_REDIS_URL": url})
    assert str(caught.value).startswith("DUBQ_REDIS_URL: has to be")
    assert "s3cr3t" not in str(caught.value)


@pytest.mark.parametrize("url", ["redis://h", "rediss://u:p@h:6380/15", "unix:///run/s?db=1", "redis://[::1]:6379/0"])
def test_these_urls_are_taken(url: str) -> None:
    assert ApiSettings.from_env({"DUBQ_REDIS_URL": url}).store.redis_url == url
