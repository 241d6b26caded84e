"""Streams of events that are not what they should be."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from service import eventually

from client import Road
from client.http import Kind
from client.watch import SUBSCRIBE_S

if TYPE_CHECKING:
    from concurrent.futures import ThreadPoolExecutor

    from faces import Face
    from played import PlayedService


def test_a_stream_whose_bytes_somebody_collects_is_no_line_and_the_job_is_asked_for(
    face: Face, service: PlayedService, pool: ThreadPoolExecutor
) -> None:
    service.add()
    service.beginning = b""
    with face.connect(service.url, roads=[Road.SSE]) as client:
        began_s = time.monotonic()
        done = pool.submit(client.wait, "j1")
        eventually(lambda: service.asked("/jobs/j1") >= 2, SUBSCRIBE_S * 3)
        service.end(tell=False)
        assert done.result(10).done
        streams = client.metrics.requests_by_kind[Kind.EVENTS]
        assert 1 <= streams <= 1 + (time.monotonic() - began_s) / SUBSCRIBE_S
    assert face.at_work() == []


def test_a_stream_that_begins_and_falls_silent_is_doubted_and_replaced(
    face: Face, service: PlayedService, pool: ThreadPoolExecutor
) -> None:
    service.add()
    service.beginning = b": ping 0.2\n\n"
    with face.connect(service.url, roads=[Road.SSE]) as client:
        done = pool.submit(client.wait, "j1")
        eventually(lambda: service.asked("/jobs/j1") >= 1, 5)
        service.end(tell=False)
        assert done.result(10).done
    assert face.at_work() == []


def test_a_stream_that_ends_at_once_is_no_line(face: Face, service: PlayedService, pool: ThreadPoolExecutor) -> None:
    service.add()
    service.beginning = b""
    service.is_over.set()
    with face.connect(service.url, roads=[Road.SSE]) as client:
        began_s = time.monotonic()
        done = pool.submit(client.wait, "j1")
        eventually(lambda: service.asked("/jobs/j1") >= 1, 5)
        assert time.monotonic() - began_s < SUBSCRIBE_S  # nobody has waited for more of it
        service.end(tell=False)
        assert done.result(10).done
