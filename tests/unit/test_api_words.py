"""What is said of a wrong field is said in words, not in a library's or a pattern's."""

from __future__ import annotations

from typing import Any

import pytest

from api.schema import Submission
from contract.errors import InvalidFieldsError

LANGUAGE = "has to be a language tag, such as es or pt-BR"
WORDS: dict[tuple[str, ...], list[tuple[Any, str]]] = {
    ("source_language",): [("english please", LANGUAGE), ("e" * 36, "has to be 35 characters at most")],
    ("target_language",): [("en_US", LANGUAGE)],
    ("job_id",): [("a b", "has to be 1 to 64 of A-Z a-z 0-9 _ -")],
    ("simulate", "error_code"): [("No!", "has to be 1 to 64 of a-z 0-9 _")],
    ("simulate", "outcome"): [("lost", "has to be 'completed', 'error' or 'stall'")],
    ("simulate", "duration_s"): [(-1, "has to be at least 0"), (10**6, "has to be at most 86400")],
    ("simulate",): [("error", "has to be an object")],
    ("metadata",): [([], "has to be an object")],
    ("video_url",): [
        (None, "has to be a string"),
        ("", "has to be 1 character at least"),
        ("a" * 3000, "has to be 2048 characters at most"),
        ("talk{0}{mp4}", "has to be an http or https URL with a host, without spaces"),
    ],
    ("video_duration_s",): [(0, "has to be at least 0.001"), ("5", "has to be a number")],
    ("max_attempts",): [(1.5, "has to be a whole number"), (11, "has to be at most 10")],
    ("priority",): [("urgent", "has to be 'high', 'default' or 'low'")],
    ("more",): [(1, "there is no such field")],
}


@pytest.mark.parametrize("path", WORDS, ids="/".join)
def test_a_wrong_field_is_told_what_it_has_to_be(path: tuple[str, ...]) -> None:
    for value, words in WORDS[path]:
        given = value
        for name in reversed(path):
            given = {name: given}
        with pytest.raises(InvalidFieldsError) as refused:
            Submission.parse({"video_url": "https://example.com/v.mp4"} | given)
        assert [each.message for each in refused.value.errors] == [words]


def test_a_missing_field_is_said_to_be_needed() -> None:
    with pytest.raises(InvalidFieldsError) as refused:
        Submission.parse({})
    assert [(each.pointer, each.message) for each in refused.value.errors] == [("/video_url", "is needed")]
