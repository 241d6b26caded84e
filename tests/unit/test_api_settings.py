"""The API's settings."""

from __future__ import annotations

import re
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from api.settings import ApiSettings, without_secret
from contract.errors import SettingsError
from store.settings import connect

if TYPE_CHECKING:
    from pathlib import Path


def test_an_empty_environment_is_a_service_on_loopback() -> None:
    settings = ApiSettings.from_env({})
    assert settings.bind == "127.0.0.1:5000"
    assert settings.store.redis_url == settings.public_redis_url == "redis://127.0.0.1:6379/0"
    assert (settings.processes, settings.max_body_bytes, settings.log_level) == (1, 1024 * 1024, "info")


def test_everything_that_is_wrong_is_reported_at_once() -> None:
    values = {
        "DUBQ_REDIS_URL": "http://x", "DUBQ_PUBLIC_REDIS_URL": "x", "DUBQ_AUTH": "maybe", "DUBQ_BIND": "5000",
        "WEB_CONCURRENCY": "1.5", "DUBQ_LOG_LEVEL": "loud", "DUBQ_LOG_FORMAT": "xml", "DUBQ_JOB_TTL_S": "nan",
        "DUBQ_WEBHOOK_PRIVATE": "yes", "DUBQ_VIDEO_PRIVATE": "no", "DUBQ_REDIS_PASSWORD_FILE": "/no/such",
        "DUBQ_CLIENT_RUNNING": "1.5",
    }  # fmt: skip
    with pytest.raises(SettingsError) as caught:
        ApiSettings.from_env(values)
    assert {re.split("[=:]", problem)[0] for problem in caught.value.problems} == values.keys()


NEAR = ("127.0.0.1:5000", "127.9.9.9:1", "[::1]:5000", "localhost:0", "unix:/run/dubq.sock")
FAR = ("0.0.0.0:80", "[::]:5000", ":5000", "example.com:80", "localhost.example.com:80", "192.168.0.1:80")


@pytest.mark.parametrize("bind", NEAR)
def test_without_tokens_the_service_listens_where_only_this_machine_can_reach_it(bind: str) -> None:
    assert ApiSettings.from_env({"DUBQ_BIND": bind}).bind == bind


@pytest.mark.parametrize("bind", FAR)
def test_whoever_can_be_reached_from_elsewhere_asks_for_tokens_or_is_told_not_to(bind: str) -> None:
    for env in ({}, {"DUBQ_AUTH": "off"}, {"DUBQ_BEHIND_LOOPBACK": "no"}):
        with pytest.raises(SettingsError) as caught:
            ApiSettings.from_env({"DUBQ_BIND": bind, **env})
        assert caught.value.problems[0].startswith(f"DUBQ_BIND={bind!r}: without tokens")
    assert ApiSettings.from_env({"DUBQ_BIND": bind, "DUBQ_AUTH": "on"}).auth
    assert ApiSettings.from_env({"DUBQ_BIND": bind, "DUBQ_BEHIND_LOOPBACK": "yes"}).bind == bind


@pytest.mark.parametrize("token", ["short", "x" * 201, "a" * 20 + " b", "é" * 20])
def test_an_admin_token_that_could_be_guessed_or_sent_by_nobody_is_refused_and_not_repeated(token: str) -> None:
    with pytest.raises(SettingsError) as caught:
        ApiSettings.from_env({"DUBQ_ADMIN_TOKEN": token})
    assert token not in str(caught.value)


def test_the_admin_token_is_in_no_representation_of_the_settings() -> None:
    token = "s3cr3t" * 4
    settings = ApiSettings.from_env({"DUBQ_ADMIN_TOKEN": token})
    assert settings.admin_token == token
    assert "s3cr3t" not in repr(settings)


@pytest.mark.parametrize(
    ("inside", "shown"),
    [
        ("redis://:secret@h:1/3", "redis://h:1"),
        ("rediss://u:secret@[::1]/0?db=2&socket_timeout=5&password=x&username=y", "rediss://[::1]?socket_timeout=5"),
        ("unix:///run/s?db=1", "unix:///run/s"),
        ("unix://u:p@/run/s", "unix:///run/s"),
    ],
)
def test_with_tokens_the_service_shows_where_its_redis_is_but_nobody_s_login(inside: str, shown: str) -> None:
    assert ApiSettings.from_env({"DUBQ_REDIS_URL": inside, "DUBQ_AUTH": "on"}).public_redis_url == shown


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


@pytest.mark.parametrize(
    ("url", "whole"),
    [
        ("redis://valkey:6379/0", "redis://:p%2Fw%40d@valkey:6379/0"),
        ("rediss://me@valkey/1", "rediss://me:p%2Fw%40d@valkey/1"),
        ("unix:///run/s?db=1", "unix://:p%2Fw%40d@/run/s?db=1"),
    ],
)
def test_a_password_for_redis_may_be_in_a_file_and_is_shown_to_nobody(tmp_path: Path, url: str, whole: str) -> None:
    (tmp_path / "password").write_text("p/w@d\n", "utf-8")
    env = {"DUBQ_REDIS_URL": url, "DUBQ_REDIS_PASSWORD_FILE": str(tmp_path / "password")}
    settings = ApiSettings.from_env(env)
    assert (settings.store.redis_url, settings.public_redis_url) == (whole, None)
    with closing(connect(whole)) as connection:
        assert "p/w@d" in connection.get_connection_kwargs().values()


def test_a_password_for_redis_is_given_once(tmp_path: Path) -> None:
    (tmp_path / "password").write_text("b", "utf-8")
    env = {"DUBQ_REDIS_URL": "redis://:a@valkey", "DUBQ_REDIS_PASSWORD_FILE": str(tmp_path / "password")}
    with pytest.raises(SettingsError, match="there is a password in DUBQ_REDIS_URL, too"):
        ApiSettings.from_env(env)
    (tmp_path / "password").write_text(" \n", "utf-8")
    with pytest.raises(SettingsError, match="has no password in it"):
        ApiSettings.from_env(env)
