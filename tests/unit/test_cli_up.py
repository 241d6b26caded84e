"""What `dubq server-status` says of a service, besides its processes."""

from __future__ import annotations

from cli.up import _checks


def test_what_is_not_as_it_should_be_is_said_in_words() -> None:
    checks = {
        "redis": {"state": "ok", "reason": "Redis answers"},
        "sweep": {"state": "warning", "reason": "nobody has swept yet"},
        "workers": {"state": "failing", "reason": "no worker is running"},
    }
    assert [line.split(maxsplit=1) for line in _checks({"checks": checks})] == [
        ["warning", "nobody has swept yet"], ["failing", "no worker is running"],
    ]  # fmt: skip


def test_of_a_service_that_does_not_answer_there_are_no_words() -> None:
    assert _checks(None) == []
