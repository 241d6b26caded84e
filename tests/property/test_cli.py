"""What the command line prints and draws, whatever the jobs."""

from __future__ import annotations

import shlex
from collections import Counter
from dataclasses import replace

from given import a_job
from hypothesis import given
from hypothesis import strategies as st
from scripted import DONE, RUNNING, Scripted, run

from cli.connecting import Service
from cli.progress import Row, placed
from contract.ids import JOB_ID

FEW_IDS = st.sampled_from([f"j{number}" for number in range(6)])
CHANGES = st.lists(st.tuples(FEW_IDS, st.sampled_from([a_job(), RUNNING, DONE]), st.integers(1, 5)))


@given(
    ids=st.lists(st.from_regex(JOB_ID, fullmatch=True), min_size=1, unique=True),
    url=st.sampled_from([None, "http://h"]),
)
def test_the_command_that_waits_on_waits_for_just_these(ids: list[str], url: str | None) -> None:
    client = Scripted(DONE)
    program, *words = shlex.split(Service(url, None).wait_command(*ids))
    assert (program, run(client, *words).exit_code) == ("dubq", 0)
    assert (client.waits, client.asked["url"]) == ([ids], url)


@given(changes=CHANGES)
def test_rows_fit_move_nowhere_and_hide_nothing_that_is_livelier(changes: list) -> None:
    rows: list[Row] = []
    for job_id, job, room in changes:
        before, row = rows, Row(job=replace(job, job_id=job_id), began_s=0)
        rows = placed(before, row, room)
        ids = [each.job.job_id for each in rows]
        assert len(ids) <= room
        assert max(Counter(ids).values()) == 1
        # nobody who stays overtakes another
        stayed = [each.job.job_id for each in before if each.job.job_id in ids]
        assert stayed == [job_id for job_id in ids if job_id in stayed]
        if row not in rows:
            assert all(each.liveliness >= row.liveliness for each in rows)
