"""Whatever a file says, it is a day, or all that is wrong with it is named."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from cli.day import Day
from contract.errors import InvalidFieldsError

SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5)
TIMES = st.from_regex(r"[0-9]{1,2}:[0-9]{2}(:[0-9]{2})?", fullmatch=True) | st.floats(0, 86_400)
JOBS = st.dictionaries(
    st.sampled_from(["count", "every_s", "simulate", "engine", "job_id", "video_url"]), SCALARS | st.integers(1, 3)
)
OUTAGES = st.dictionaries(st.sampled_from(["share", "latency", "for_s"]), SCALARS | st.floats(0.1, 1))
DAYS = st.fixed_dictionaries(
    {},
    optional={
        "speed": SCALARS | st.floats(1, 1000),
        "jobs": SCALARS | st.lists(st.builds(lambda at, job: {"at": at} | job, TIMES | SCALARS, JOBS), max_size=3),
        "outages": st.lists(
            st.builds(lambda at, how: {"at": at, "kind": "slow", "for_s": 1} | how, TIMES, OUTAGES), max_size=3
        ),
        "more": SCALARS,
    },
)


@settings(max_examples=300)
@given(day=DAYS)
def test_every_day_is_in_order_and_every_fault_has_its_place(day: dict[str, Any]) -> None:
    with suppress(InvalidFieldsError):
        read = Day.parse(json.dumps(day))
        times = [each.at_s for each in read.events]
        assert times == sorted(times)
        assert [at_s for at_s, _ in read.moments()] == sorted(set(times))


@given(text=st.text())
def test_no_text_is_more_than_wrong(text: str) -> None:
    with suppress(InvalidFieldsError):
        Day.parse(text)
