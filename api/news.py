"""The routes of those who want to be told: the stream of one job, the stream of all, and what was missed."""

import json
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from functools import partial
from typing import Annotated, Any, Final, NotRequired

import flask
import redis
from pydantic import Field, StringConstraints
from typing_extensions import TypedDict

from contract.errors import FieldProblem, InvalidFieldsError, JobNotFoundError
from contract.limits import TooManyStreamsError
from store import feed
from store.feed import News
from store.hub import Hub
from store.jobs import JobStore

from .answers import COMPLETED, RUNNING
from .caller import client_id
from .documents import JobDocument
from .incoming import known_job_id, limit, parameters
from .operations import JSON, Answer, Parameter, operation
from .outgoing import nothing
from .problems import invalid
from .stories import ClientStory, JobStory
from .streams import EVENTS, RETRY, event, ping_s, tell, unfolding

LISTENING: Final = b": listening\n"
GAP: Final = b": gap\n"
"""Said to who comes back to the stream of all, if some of what it has missed may be kept no more."""
MAX_PAGE: Final = 1000

FeedId = Annotated[str, StringConstraints(pattern=r"^[0-9]{1,18}(-[0-9]{1,18})?$")]
AN_ENTRY: Final = "1793611810900-0"


class Event(TypedDict):
    """A change, with its place in the client's feed."""

    feed_id: FeedId
    job: JobDocument


class Missed(TypedDict):
    """What came after an entry of the feed."""

    events: list[Event]
    next: Annotated[FeedId, Field(description="What to ask for next, as `after`.")]
    complete: Annotated[bool, Field(description="false: some of what came after the entry may be kept no more.")]


_AFTER: Final = Parameter(
    name="after", place="query", says="Answer with JSON: what came after this entry; 0 is the start.", type=FeedId
)
_LIMIT: Final = Parameter(
    name="limit",
    place="query",
    says="How many changes at most; goes with `after`.",
    type=Annotated[int, Field(ge=1, le=MAX_PAGE)],
)
_LAST: Final = "The `id` of the last event that the caller has seen: it is told what it has missed."
_LAST_OF_JOB: Final = Parameter(name="Last-Event-ID", place="header", says=_LAST, example=AN_ENTRY)
_LAST_OF_CLIENT: Final = Parameter(
    name="Last-Event-ID",
    place="header",
    says=_LAST,
    type=Annotated[str, StringConstraints(pattern=r"^([0-9]{1,18}(-[0-9]{1,18})?)?$")],
    example=AN_ENTRY,
)


class ServerSentEvent(TypedDict):
    """One event of a stream: a change of a job, and its place in the feed."""

    id: NotRequired[FeedId]
    data: Annotated[
        str,
        Field(
            description="A job document.",
            json_schema_extra={"contentMediaType": JSON, "contentSchema": {"$ref": "#/components/schemas/Job"}},
        ),
    ]
    event: NotRequired[Annotated[str, Field(description="`message`, which stays unsaid.")]]


def _stream(says: str, job: dict[str, Any]) -> Answer:
    return Answer(
        200,
        f"{says} Each `data` is a job document, each `id` its place in the feed; comments say that the line is there.",
        ServerSentEvent,
        content_type=EVENTS,
        examples={"an event": ServerSentEvent(id=AN_ENTRY, data=json.dumps(job))},
    )


class NewsRoutes:
    """The news of whoever is asking, told by `hub`. `ping_s` gives the pace of comments for so many readers.

    `told` is called with all that is told when it happens.
    """

    def __init__(
        self,
        store: JobStore,
        connection: redis.Redis,
        hub: Hub,
        *,
        ping_s: Callable[[int], float] = ping_s,
        told: Callable[[News], object] = lambda _: None,
    ) -> None:
        self._store, self._redis, self._hub, self._told = store, connection, hub, told
        self._pace = lambda: ping_s(hub.waiting)

    def mount(self, app: flask.Flask) -> None:
        """Put the routes into `app`."""
        app.add_url_rule("/jobs/<job_id>/events", view_func=self.of_job)
        app.add_url_rule("/events", view_func=self.of_client)

    @operation(
        _stream("Server-sent events: the job as it is, each change, and the end.", COMPLETED),
        Answer(204, "The caller has seen the end."),
        parameters=(_LAST_OF_JOB,),
        errors=(JobNotFoundError, TooManyStreamsError),
        name="job_events",
    )
    def of_job(self, job_id: str) -> flask.Response:
        """Tell one job as it is, each change, and the end; 204 if the caller knows the end."""
        job_id, caller, known = known_job_id(job_id), client_id(), _last_event_id()
        look = partial(self._news, job_id, caller)
        with ExitStack() as stack:
            waiter = stack.enter_context(self._hub.join(caller, job_id))
            now = look()
            if now.done and now.feed_id and known and feed.place(known) >= feed.place(now.feed_id):
                return nothing()
            beginning = RETRY + b"".join(map(event, self._first(now, caller, known)))
            stack.pop_all()
        story = JobStory(look, now.seq, is_over=now.done)
        return unfolding(tell(waiter, story, beginning, pace=self._pace, told=self._told), waiter, EVENTS)

    @operation(
        _stream("Server-sent events: each change of any job from now on.", RUNNING),
        Answer(
            200,
            "With `after`, as JSON: what was missed.",
            Missed,
            examples={"missed": Missed(events=[Event(feed_id=AN_ENTRY, job=COMPLETED)], next=AN_ENTRY, complete=True)},
        ),
        parameters=(_AFTER, _LIMIT, _LAST_OF_CLIENT),
        errors=(InvalidFieldsError, TooManyStreamsError),
        name="events",
    )
    def of_client(self) -> flask.Response:
        """Tell every change of the caller's jobs; or, as JSON, those that came `after` an entry.

        Who names an entry of which the feed may not keep all that followed is told so.
        """
        given, known = parameters({"after", "limit"}), _last_event_id(is_strict=True)
        if "after" in given:
            return self._missed(given["after"], limit(given.get("limit", str(MAX_PAGE)), MAX_PAGE))
        if "limit" in given:
            raise invalid("limit", "goes with after")
        caller = client_id()
        with ExitStack() as stack:
            waiter = stack.enter_context(self._hub.join(caller))
            now = feed.end(self._redis, caller)
            is_whole = known is None or feed.keeps_all_after(self._redis, caller, known)
            stack.pop_all()
        beginning = (b"" if is_whole else GAP) + LISTENING + RETRY
        story = ClientStory(partial(feed.since, self._redis, caller), known or now)
        parts = tell(waiter, story, beginning, is_behind=known is not None, pace=self._pace, told=self._told)
        return unfolding(parts, waiter, EVENTS)

    def _missed(self, after: str, count: int) -> flask.Response:
        caller = client_id()
        found = feed.read(self._redis, caller, after=_feed_id("after", after), count=count)
        # asked only then: what is dropped in between is counted as missing, though it is there
        complete = feed.keeps_all_after(self._redis, caller, after)
        entries = b",".join(b'{"feed_id":"%s","job":%s}' % (each.feed_id.encode(), each.document) for each in found)
        go_on = found[-1].feed_id if found else after
        body = b'{"events":[%s],"next":"%s","complete":%s}' % (entries, go_on.encode(), json.dumps(complete).encode())
        return flask.Response(body, content_type="application/json")

    def _news(self, job_id: str, caller: str) -> News:
        return News.of(self._store.record(job_id, caller))

    def _first(self, now: News, caller: str, known: str | None) -> Iterable[News]:
        """Return what a reader of one job is told first: the changes it has missed, or the job as it is now."""
        if known is None or not now.feed_id or not feed.keeps_all_after(self._redis, caller, known):
            return [now]
        missed = feed.since(self._redis, caller, known, until=now.feed_id)
        return [each for each in missed if each.job_id == now.job_id]


def _last_event_id(*, is_strict: bool = False) -> str | None:
    """Return the last event that the caller has seen, None if it names none.

    What is no place in a feed counts as none, unless that would hide a gap (`is_strict`): then InvalidFieldsError.
    """
    text = flask.request.headers.get("Last-Event-ID", "")
    try:
        return _feed_id("Last-Event-ID", text) if text else None
    except InvalidFieldsError:
        if is_strict:
            raise
        return None


def _feed_id(name: str, text: str) -> str:
    try:
        feed.place(text)
    except ValueError as error:
        raise InvalidFieldsError([FieldProblem(name, str(error))]) from None
    return text
