"""What a client knows of the roads, and what it has to ask for."""

from __future__ import annotations

import json
from datetime import UTC, datetime

from client.http import Answer, Roads
from client.ladder import Road
from client.roads import Map, pushed, with_password
from contract.job import Job
from contract.states import State

BEGAN = datetime(2026, 1, 1, tzinfo=UTC)
JOB = Job(
    job_id="j1",
    client_id="acme",
    state=State.QUEUED,
    seq=1,
    video_url="https://e.x/v",
    created_at=BEGAN,
    updated_at=BEGAN,
)


def test_whether_there_are_events_has_to_be_asked_for_though_the_way_to_redis_is_known() -> None:
    roads = Map("redis://own")
    roads.note(JOB)
    assert roads.known(Road.REDIS) == Roads(client_id="acme", redis_url="redis://own")
    assert roads.known(Road.SSE) is None


def test_what_was_asked_for_once_is_known_for_every_road() -> None:
    roads, told = Map(None), Roads(client_id="acme", redis_url=None, has_events=True)
    assert roads.learn(Answer(value=told)).value == told
    assert [roads.known(road) for road in (Road.REDIS, Road.SSE)] == [told, told]


def test_a_redis_of_one_s_own_goes_before_that_of_the_service() -> None:
    roads = Map("redis://own")
    roads.learn(Answer(value=Roads(client_id="acme", redis_url="redis://theirs", has_events=True)))
    assert roads.known(Road.REDIS) == Roads(client_id="acme", redis_url="redis://own", has_events=True)


def test_the_user_that_the_service_gives_logs_in_with_the_token() -> None:
    roads = Map(None, "s/e@c:r?t")
    roads.learn(Answer(value=Roads(client_id="acme", redis_url="redis://dubq-acme@h:1", has_events=True)))
    known = roads.known(Road.REDIS)
    assert known is not None
    assert known.redis_url == "redis://dubq-acme:s%2Fe%40c%3Ar%3Ft@h:1"


def test_the_token_goes_to_no_redis_that_asks_for_none_and_to_none_of_one_s_own() -> None:
    for url in ("redis://h:1", "unix:///run/s", "unix:///run/a@b", "redis://u:p@h", "redis://:p@h", "redis://h?x=a@b"):
        assert with_password(url, "t") == url
    assert with_password("unix://u@/run/s?db=0", "t") == "unix://u:t@/run/s?db=0"
    roads = Map("redis://u@own", "t")
    roads.learn(Answer(value=Roads(client_id="acme", redis_url="redis://dubq-acme@h", has_events=True)))
    assert roads.known(Road.REDIS) == Roads(client_id="acme", redis_url="redis://u@own", has_events=True)


def test_a_message_about_somebody_else_s_job_is_no_news() -> None:
    document = json.dumps(JOB.to_wire()).encode()
    assert pushed(document, {"j1"}).value == JOB
    assert pushed(document, {"j2"}).value is None
    assert pushed(b"no document", {"j1"}).value is None
