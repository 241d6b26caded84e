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


def test_lines_of_rq_are_judged_by_their_level() -> None:
    reader = Reader()
    assert reader.read("10:00:00 INFO Worker started") is None
    assert reader.read("10:00:00 ERROR Worker lost its way") == "Worker lost its way"
    assert reader.read("\x1b[31m10:00:00 WARNING in colour") == "in colour"


def test_lines_of_no_form_go_with_the_line_before_them() -> None:
    reader = Reader()
    reader.read("10:00:00 ERROR it broke")
    assert reader.read("Traceback (most recent call last):") == "Traceback (most recent call last):"
    reader.read("10:00:01 INFO all is well")
    assert reader.read("an aside") is None


def test_a_broken_line_of_json_is_no_reason_to_stop() -> None:
    assert Reader().read('{"level": "err') is None


def test_a_tail_tells_each_line_once_and_only_when_it_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "api.log"
    path.write_text("10:00:00 ERROR old\n")
    tail = LogTail("api", path)
    with path.open("a") as log:
        log.write("10:00:00 ERROR new\n10:00:00 ERROR ha")
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
    path.write_text("10:00:00 ERROR why\n10:00:00 INFO bye\n")
    assert last_words(path) == "    why"
    path.write_text("one\ntwo\n")
    assert last_words(path, 1) == "    two"
