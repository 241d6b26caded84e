"""Requests over the wire, blocking: one session and its token."""

import logging
import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final, TypeVar

import requests
from requests.adapters import HTTPAdapter
from urllib3 import Timeout
from urllib3.exceptions import HTTPError
from urllib3.exceptions import TimeoutError as Urllib3TimeoutError

from . import answers, http
from .steps import Line, Send
from .stream import Stream
from .wire import KEPT_S, POOL_SIZE, Outgoing, Wire, first_words, root_of

A = TypeVar("A")
T = TypeVar("T")

_log = logging.getLogger(__name__)

_TROUBLES: Final = (requests.RequestException, HTTPError, OSError, ValueError)
_TIMEOUTS: Final = (requests.Timeout, TimeoutError, Urllib3TimeoutError)


class Bearer(requests.auth.AuthBase):
    """Sends the token, also where a .netrc would have sent something else."""

    def __init__(self, token: str) -> None:
        self._token = token

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        """Add the header."""
        request.headers["Authorization"] = f"Bearer {self._token}"
        return request


class Transport:
    """Sends requests and says what came of them; raises only for what cannot be sent at all."""

    def __init__(
        self, wire: Wire, token: str | None, session: requests.Session | None, *, clock: Callable[[], float]
    ) -> None:
        """`session` is the caller's own (proxies, certificates) and stays open; else one is made and closed here."""
        self._wire = wire
        self._auth = Bearer(token) if token else None
        self._owns_session = session is None
        self._session = session or _new_session()
        self._clock = clock
        self._streams: set[Stream] = set()
        self._gate, self._used_s = threading.Lock(), clock()

    def send(self, step: Send[T]) -> http.Answer[T]:
        """Send a request and wait for its answer as long as the step says.

        Nobody is followed to another address. Raises ValueError for one that requests cannot use, or a bad proxy.
        """
        spared = self._wire.spare(step)
        if spared:
            return spared
        outgoing, began_s = self._wire.outgoing(step), self._clock()
        try:
            status, headers, body = self._in_time(outgoing, self._exchange)
        except _TROUBLES as error:
            return self._failed(step, began_s, error)
        return self._wire.answered(step, began_s, status, headers, body)

    def open(self, step: Send[None]) -> tuple[http.Answer[Any], Line, Stream | None]:
        """Ask for a stream of events; its head has to be there as soon as the step says. Else as `send`."""
        spared = self._wire.spare(step)
        if spared:
            return spared, Line.DOWN, None
        outgoing, began_s = self._wire.outgoing(step), self._clock()
        try:
            response, body = self._in_time(outgoing, self._begin)
        except _TROUBLES as error:
            return self._failed(step, began_s, error), Line.DOWN, None
        answer, line = self._wire.opened(step, began_s, response.status_code, response.headers, body)
        if line is Line.UP:
            line, stream = self._follow(response, began_s + outgoing.timeout_s)
            return answer, line, stream
        return answer, line, None

    @property
    def open_streams(self) -> int:
        """How many streams have begun and not ended."""
        return len(self._streams)

    def close(self) -> None:
        """Let go of all connections, and end all streams."""
        for stream in list(self._streams):
            stream.leave()
        if self._owns_session:
            self._session.close()

    def _failed(self, step: Send[T], began_s: float, error: Exception) -> http.Answer[T]:
        if isinstance(error, (requests.exceptions.InvalidURL, requests.exceptions.InvalidSchema)):
            raise error  # of the caller's: no later attempt could be better
        is_away = isinstance(error, requests.ConnectionError)  # which not to have connected in time is, too
        is_silent = not is_away and isinstance(error, _TIMEOUTS)
        return self._wire.failed(step, began_s, first_words(error), is_away=is_away, is_silent=is_silent)

    def _follow(self, response: requests.Response, until_s: float) -> tuple[Line, Stream | None]:
        """Read a stream from now on, whatever time it takes, if it says something in time."""
        sock = getattr(response.raw.connection, "sock", None)
        if sock is None or not hasattr(sock, "shutdown"):  # it ends with this answer, or nothing could interrupt a read
            response.close()
            return Line.NONE, None
        sock.settimeout(None)  # its own pulse tells how long it may be silent
        stream = Stream(response, self._streams.discard, self._clock)
        self._streams.add(stream)  # before it begins, for it may end at once
        try:
            stream.start()
        except RuntimeError as error:  # out of threads
            _log.warning("stream_not_begun", extra={"reason": str(error)})
            self._streams.discard(stream)
            response.close()
            return Line.DOWN, None
        if stream.begins(until_s - self._clock()):
            return Line.UP, stream
        stream.leave()
        return Line.DOWN, None

    def _in_time(self, outgoing: Outgoing, ask: Callable[[Outgoing], A]) -> A:
        """Ask; and once more, at once, if somebody hangs up: on a connection that was kept he may just have closed it.

        What only reads may be sent twice. (aiohttp does this by itself.)
        """
        self._let_go_of_what_is_old()
        until_s = self._clock() + outgoing.timeout_s
        try:
            return ask(outgoing)
        except requests.ConnectionError as error:
            left_s = until_s - self._clock()
            has_hung_up = isinstance(root_of(error), ConnectionResetError)  # RemoteDisconnected is one, too
            if outgoing.method != "GET" or left_s <= 0 or not has_hung_up:
                raise
            return ask(replace(outgoing, timeout_s=left_s))
        finally:
            self._used_s = self._clock()

    def _let_go_of_what_is_old(self) -> None:
        """Close the connections that were kept, if nothing was asked for long; those in use are not touched."""
        with self._gate:
            is_old = self._clock() - self._used_s > KEPT_S
            self._used_s = self._clock()
            if is_old and self._owns_session:
                self._session.close()

    def _prepare(self, outgoing: Outgoing) -> requests.PreparedRequest:
        return self._session.prepare_request(
            requests.Request(
                outgoing.method, outgoing.url, headers=outgoing.headers, data=outgoing.body, auth=self._auth
            )
        )

    def _exchange(self, outgoing: Outgoing) -> tuple[int, requests.structures.CaseInsensitiveDict[str], bytes]:
        parts: list[bytes] = []
        prepared, until_s = self._prepare(outgoing), self._clock() + outgoing.timeout_s

        def read(response: requests.Response, **_: Any) -> None:
            parts.extend(self._read(response, until_s, answers.quiet_s(response.headers, outgoing.quiet_s)))

        # in a hook: right after those, requests reads a redirection's body itself, however long that takes
        prepared.hooks["response"].append(read)
        with self._send(prepared, outgoing) as response:
            # a hook of the session's own may have read the body before ours
            return response.status_code, response.headers, b"".join(parts) or response.content

    def _begin(self, outgoing: Outgoing) -> tuple[requests.Response, bytes]:
        """Return the head of an answer and, unless that begins a stream, all of it."""
        parts: list[bytes] = []
        prepared, until_s = self._prepare(outgoing), self._clock() + outgoing.timeout_s

        def read_refusal(response: requests.Response, **_: Any) -> None:
            if response.status_code != requests.codes.ok:
                parts.extend(self._read(response, until_s, outgoing.quiet_s))

        prepared.hooks["response"].append(read_refusal)
        return self._send(prepared, outgoing), b"".join(parts)

    def _send(self, prepared: requests.PreparedRequest, outgoing: Outgoing) -> requests.Response:
        settings: dict[str, Any] = {
            **self._session.merge_environment_settings(prepared.url or "", {}, True, None, None),  # noqa: FBT003 - stream
            # all of it: requests' own number would count for connecting and for the head anew
            "timeout": Timeout(total=outgoing.head_s, connect=outgoing.connect_s),
        }
        return self._session.send(prepared, allow_redirects=False, **settings)

    def _read(self, response: requests.Response, until_s: float, quiet_s: float) -> list[bytes]:
        """Read a body to its end, so that its connection can be used again.

        Raises TimeoutError, or urllib3's own, where that is late, or nothing comes for too long.
        """
        parts: list[bytes] = []
        try:
            if response.is_redirect:
                response.raw.close()  # nobody wants what is in it
                return parts
            while part := self._read_some(response.raw, until_s, quiet_s):
                parts.append(part)
        except BaseException:
            response.close()
            raise
        return parts

    def _read_some(self, raw: Any, until_s: float, quiet_s: float) -> bytes:
        left_s = until_s - self._clock()
        if left_s <= 0:
            raise TimeoutError("the answer did not come to its end in time")
        sock = getattr(raw.connection, "sock", None)
        if sock is not None:  # else the connection ends with this answer, and each read has all of the time
            sock.settimeout(min(left_s, quiet_s))
        some: bytes = raw.read1(decode_content=True)
        return some


def _new_session() -> requests.Session:
    session = requests.Session()
    adapter = HTTPAdapter(pool_maxsize=POOL_SIZE)
    session.mount("http://", adapter)
    session.mount("https://", adapter)
    return session
