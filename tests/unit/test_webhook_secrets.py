"""What signs webhooks; each sentence is tried on fakeredis and on a real Valkey."""

from __future__ import annotations

import itertools
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from given import START, Clock

from client.webhooks import keys_of
from store.secrets import WebhookSecrets

if TYPE_CHECKING:
    import redis


@pytest.fixture
def secrets(connection: redis.Redis, clock: Clock) -> WebhookSecrets:
    numbers = itertools.count()
    return WebhookSecrets(connection, clock, lambda count: bytes([next(numbers)]) * count)


def test_a_client_has_a_secret_once_it_is_asked_for_and_keeps_it(secrets: WebhookSecrets) -> None:
    found = secrets.live("default")
    assert len(found) == 1
    assert secrets.live("default") == found
    assert secrets.live("another") != found
    assert keys_of(found)


def test_of_two_that_make_the_first_secret_one_prevails(connection: redis.Redis, clock: Clock) -> None:
    inner = WebhookSecrets(connection, clock, lambda count: b"i" * count)
    between: list[tuple[str, ...]] = []

    def entropy(count: int) -> bytes:
        between.append(inner.live("default"))
        return b"o" * count

    assert WebhookSecrets(connection, clock, entropy).live("default") == between[0]


def test_an_old_secret_signs_beside_the_new_one_until_the_overlap_is_over(
    secrets: WebhookSecrets, clock: Clock
) -> None:
    (old,) = secrets.live("default")
    new = secrets.rotate("default", overlap_s=60)
    assert secrets.live("default") == (new, old)
    clock.now = START + timedelta(seconds=59.999)
    assert secrets.live("default") == (new, old)
    clock.now = START + timedelta(seconds=60)
    assert secrets.live("default") == (new,)


def test_a_later_rotation_gives_no_old_secret_more_time(secrets: WebhookSecrets, clock: Clock) -> None:
    (oldest,) = secrets.live("default")
    old = secrets.rotate("default", overlap_s=60)
    new = secrets.rotate("default", overlap_s=3600)
    clock.pass_s(60)
    assert secrets.live("default") == (new, old)
    assert oldest not in secrets.live("default")


def test_a_secret_that_was_given_away_is_gone_at_once(secrets: WebhookSecrets) -> None:
    secrets.live("default")
    new = secrets.rotate("default", overlap_s=0)
    assert secrets.live("default") == (new,)
