"""One line per event, in one form, whoever logs it."""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING, Any

import pytest
import structlog

from api import logs
from contract.lines import inert
from worker import logs as worker_logs

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    loggers = [logging.getLogger(name) for name in (None, "gunicorn.error", worker_logs.LOGGER)]
    before = [(each.handlers[:], each.propagate, each.level) for each in loggers]
    structlog.contextvars.clear_contextvars()  # a request of another test has left its id
    yield
    structlog.reset_defaults()
    for logger, (handlers, propagate, level) in zip(loggers, before, strict=True):
        logger.handlers, logger.propagate = handlers, propagate
        logger.setLevel(level)


def fail_with(password: str) -> None:
    raise RuntimeError(f"{len(password)} characters do not fit")


def log_all() -> None:
    structlog.get_logger().debug("too_quiet")
    structlog.get_logger().warning("ours", job_id="j1")
    logging.getLogger("gunicorn.error").warning("theirs %s", 1)
    try:
        fail_with("se" + "cret")
    except RuntimeError as error:
        structlog.get_logger().error("failed", exc_info=error)


def test_every_line_is_json_whoever_logs_it(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("info", "json")
    log_all()
    err = capsys.readouterr().err
    lines: list[dict[str, Any]] = [json.loads(line) for line in err.splitlines()]
    assert [(line["event"], line["level"]) for line in lines] == [
        ("ours", "warning"), ("theirs 1", "warning"), ("failed", "error"),
    ]  # fmt: skip
    assert lines[2]["exception"].endswith("RuntimeError: 6 characters do not fit")
    assert "secret" not in err


def test_every_line_begins_as_the_workers_do(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("info", "json")
    log_all()
    ours = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    worker_logs.configure("info", "json").warning("ours", job_id="j1")
    theirs = json.loads(capsys.readouterr().err)
    assert list(ours[0]) == list(theirs) == ["timestamp", "level", "event", "job_id"]
    assert all(list(line)[:3] == ["timestamp", "level", "event"] for line in ours)
    assert {len(line["timestamp"]) for line in (*ours, theirs)} == {len("2026-01-02T03:04:05.678Z")}


def test_for_a_person_a_traceback_is_plain_and_keeps_secrets(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("info", "console")
    log_all()
    err = capsys.readouterr().err
    assert "RuntimeError: 6 characters do not fit" in err
    assert "secret" not in err
    assert "too_quiet" not in err


WILD = "/jobs/\n\x1b[2J\x9b31m\u202eforged\r\nlevel=error\u2028dubq_" + "s" * 43
"""An address as Flask decodes it, with a token at its end."""


@pytest.mark.parametrize("form", ["json", "console"])
def test_whatever_callers_send_is_one_line_of_the_log_without_escape_sequences_or_tokens(
    capsys: pytest.CaptureFixture[str], form: Any
) -> None:
    logs.configure("info", form)
    structlog.get_logger().info("request", path=WILD)
    logging.getLogger("gunicorn.error").warning("Invalid request from ip=1.1.1.1: %s", WILD)
    worker_logs.configure("info", form).warning("engine_crashed", reason=WILD)
    worker_logs.configure("info", form).warning(WILD)
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 4
    for line in lines:
        assert r"/jobs/\n\x1b[2J\x9b31m\u202eforged\r\nlevel=error\u2028dubq_…" in line.replace("\\\\", "\\")
        assert "\x1b[2J" not in line


def test_what_is_harmless_is_logged_as_it_is() -> None:
    assert [inert(each) for each in ("Übung 漢字", 3, None)] == ["Übung 漢字", 3, None]


def test_what_is_bound_stands_in_the_lines_of_others_and_only_meanwhile() -> None:
    record = logging.LogRecord("rq.worker", logging.INFO, "", 0, "theirs", None, None)
    formatter = worker_logs.JsonFormatter()
    with worker_logs.bound(job_id="j1"), worker_logs.bound(attempt=2):
        line = json.loads(formatter.format(record))
    assert (line["event"], line["job_id"], line["attempt"]) == ("theirs", "j1", 2)
    assert "job_id" not in json.loads(formatter.format(record))
