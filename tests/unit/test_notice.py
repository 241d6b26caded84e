"""What a person is told of a job's end, and what is shown of where."""

from dataclasses import replace

import pytest
from given import OUTPUT, a_job

from contract.job import Failure
from contract.notice import ENDS, LONGEST_URL, Target, body, parse_schemes, scheme_of, title
from contract.states import State

ENDED = replace(a_job(title="Keynote\r\nBcc: all", target_language="es"), state=State.COMPLETED, output=OUTPUT)


def test_the_title_is_one_line_that_says_it_all() -> None:
    assert title(ENDED) == "Keynote Bcc: all → es: completed"
    assert title(replace(ENDED, title=None, target_language=None)) == "https://example.com/v.mp4: completed"
    assert len(title(replace(ENDED, title="x" * 500))) < 150


def test_the_lines_below_say_where_the_output_is_or_what_went_wrong() -> None:
    assert body(ENDED) == "Video: v\nCaptions: c\nJob j1"
    failure = Failure(code="no_speech", message="nobody\nspeaks", stage="transcribe")
    failed = replace(ENDED, state=State.ERROR, output=None, error=failure, attempt=3)
    assert body(failed) == "no_speech (in transcribe): nobody speaks\nJob j1, attempt 3 of 3"


def test_a_target_is_shown_without_its_secret() -> None:
    target = Target(target_id="t1", url="Slack://token-a/token-b", on=(State.ERROR,))
    assert target.to_wire() == {"target_id": "t1", "scheme": "slack", "on": ["error"]}
    assert "token" not in f"{target!r}{target.to_wire()}{target.shown}"
    assert Target.parse("t1", target.encode().encode()) == target


def test_ends_of_a_newer_version_are_not_told_of_and_spoil_nothing() -> None:
    assert Target.parse("t1", b'{"url": "a://b", "on": ["exploded", "error"]}').on == (State.ERROR,)
    assert Target(target_id="t1", url="a://b").on == ENDS


@pytest.mark.parametrize(
    "url", ["", "slack", "slack:token", "slack://", "slack://a b", "slack://ä", "1a://b", "a" * 40 + "://b"]
)
def test_what_is_no_url_is_refused_without_being_repeated(url: str) -> None:
    with pytest.raises(ValueError, match="has to be a URL such as slack") as found:
        scheme_of(url)
    assert not url or url not in str(found.value).replace("slack://…", "")
    with pytest.raises(ValueError, match="2000 at most"):
        scheme_of("slack://" + "x" * LONGEST_URL)


def test_an_operator_lists_schemes_or_allows_none() -> None:
    assert parse_schemes("None") == frozenset()
    assert parse_schemes("mailtos, Slack") == {"mailtos", "slack"}
    for text in ("mailto:", "a b", "mailto,,slack"):
        with pytest.raises(ValueError, match="schemes of apprise"):
            parse_schemes(text)
