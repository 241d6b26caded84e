"""What of the logs is shown to a person."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from cli.log_tail import LogTail, Reader, last_words

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("level", ["warning", "error", "critical"])
def test_what_went_wrong_is_shown_in_words(level: str) -> None:
    line = json.dumps({"timestamp": "2026", "level": level, "event": "redis_away", "job_id": "j1"})
    assert Reader().read(line) == f"{level}: redis_away job_id=j1"


def test_what_went_well_is_not_shown() -> None:
    assert Reader().read(json.dumps({"level": "info", "event": "swept"})) is None


def test_lines_for_a_person_are_judged_by_their_level() -> None:
    reader = Reader()
    assert reader.read("2026-01-02T03:04:05.678Z info    run_started job_id=j1") is None
    assert reader.read("2026-01-02T03:04:05.678Z error   end_not_written job_id=j1") == "end_not_written job_id=j1"
    of_api = "\x1b[2m2026-01-02T03:04:05.678Z\x1b[0m [\x1b[33mwarning  \x1b[0m] \x1b[1mredis_away\x1b[0m"
    assert reader.read(of_api) == "redis_away"


def test_lines_of_no_form_go_with_the_line_before_them() -> None:
    reader = Reader()
    reader.read("2026-01-02T03:04:05.678Z error   it broke")
    assert reader.read("Traceback (most recent call last):") == "Traceback (most recent call last):"
    reader.read("2026-01-02T03:04:06.678Z info    all is well")
    assert reader.read("an aside") is None


def test_a_broken_line_of_json_is_no_reason_to_stop() -> None:
    assert Reader().read('{"level": "err') is None


def test_a_tail_tells_each_line_once_and_only_when_it_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "api.log"
    path.write_text("2026-01-02T03:04:05.678Z error old\n")
    tail = LogTail("api", path)
    with path.open("a") as log:
        log.write("2026-01-02T03:04:05.678Z error new\n2026-01-02T03:04:05.678Z error ha")
        log.flush()
        assert tail.news() == ["new"]
        log.write("lf\n")
        log.flush()
        assert tail.news() == ["half"]
        assert tail.news() == []


def test_a_log_that_is_not_there_yet_has_no_news(tmp_path: Path) -> None:
    assert LogTail("api", tmp_path / "none").news() == []
    assert last_words(tmp_path / "none") == ""


def test_the_last_words_are_what_went_wrong_or_else_the_last_lines(tmp_path: Path) -> None:
    path = tmp_path / "api.log"
    path.write_text("2026-01-02T03:04:05.678Z error why\n10:00:00 INFO bye\n")
    assert last_words(path) == "    why"
    path.write_text("one\ntwo\n")
    assert last_words(path, 1) == "    two"
