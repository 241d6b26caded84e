"""A service in memory that says what a test wants, to both faces of the client; its clock moves when they sleep."""

from __future__ import annotations

import io
import json
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import aiohttp
import requests
from multidict import CIMultiDict
from requests.adapters import BaseAdapter, HTTPAdapter
from urllib3 import HTTPResponse

from contract.job import Job

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from faces import Face

    from contract.states import State


BEGAN = datetime(2026, 1, 1, tzinfo=UTC)


def wire(state: State, seq: int, job_id: str = "j1", **fields: Any) -> dict[str, Any]:
    job = Job(
        job_id=job_id,
        client_id="acme",
        state=state,
        seq=seq,
        video_url="https://example.com/a.mp4",
        created_at=BEGAN,
        updated_at=BEGAN,
        **fields,
    )
    return job.to_wire()


@dataclass(frozen=True)
class Raw:
    """An answer of which each byte takes `byte_s` seconds."""

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    byte_s: float = 0.0


Reply = tuple[int, Any] | Raw | Exception


class Drip(io.BytesIO):
    """The body of an answer, which takes its time."""

    def __init__(self, service: Service, raw: Raw) -> None:
        super().__init__(raw.body)
        self.service, self.byte_s = service, raw.byte_s

    def read(self, size: int | None = -1) -> bytes:
        body = super().read(size)
        self.service.now_s += len(body) * self.byte_s
        return body

    def read1(self, _: int | None = -1) -> bytes:
        return self.read(1 if self.byte_s else -1)


class Service(BaseAdapter):
    """A service in memory that gives these replies in turn, the last one for ever, and a clock that sleeping moves."""

    face: Face

    def __init__(self, *replies: Reply) -> None:
        super().__init__()
        self.replies = list(replies)
        self.seen: list[tuple[float, requests.PreparedRequest]] = []
        self.now_s = 0.0

    def reply(self, request: requests.PreparedRequest) -> Raw:
        self.seen.append((self.now_s, request))
        reply = self.replies.pop(0) if len(self.replies) > 1 else self.replies[0]
        if isinstance(reply, Exception):
            raise reply
        return reply if isinstance(reply, Raw) else Raw(reply[0], json.dumps(reply[1]).encode())

    def client(self, **options: Any) -> Any:
        is_blocking = self.face.name == "blocking"
        return self.face.connect(
            options.pop("url", "http://dubq.test"),
            session=self.session() if is_blocking else AioSession(self),
            clock=lambda: self.now_s,
            sleep=self.sleep if is_blocking else self.sleep_awaited,
            chance=lambda: 0.999_999,
            now=lambda: BEGAN + timedelta(seconds=self.now_s),
            **options,
        )

    def sleep(self, seconds: float) -> None:
        self.now_s += seconds

    async def sleep_awaited(self, seconds: float) -> None:
        self.now_s += seconds

    def session(self) -> requests.Session:
        session = requests.Session()
        session.mount("http://", self)
        return session

    def send(self, request: requests.PreparedRequest, *_: Any, **__: Any) -> requests.Response:
        try:
            raw = self.reply(request)
        except ConnectionRefusedError as error:
            raise requests.ConnectionError(str(error)) from None
        except TimeoutError as error:
            raise requests.ReadTimeout(str(error)) from None
        body = HTTPResponse(Drip(self, raw), raw.headers, raw.status, preload_content=False)
        return HTTPAdapter().build_response(request, body)

    def close(self) -> None:
        pass

    def urls(self) -> list[str]:
        return [str(request.url) for _, request in self.seen]

    def bodies(self) -> list[dict[str, Any]]:
        return [json.loads(request.body or "{}") for _, request in self.seen]


class AioSession:
    """What the client uses of an aiohttp session, over the same service."""

    def __init__(self, service: Service) -> None:
        self._service = service

    @asynccontextmanager
    async def request(
        self,
        method: str,
        url: str,
        *,
        headers: Any,
        data: Any,
        timeout: Any,  # noqa: ASYNC109 - aiohttp's own
        allow_redirects: bool,
    ) -> AsyncIterator[Any]:
        assert timeout.total > 0
        assert not allow_redirects
        try:
            raw = self._service.reply(requests.Request(method, url, headers=headers, data=data).prepare())
        except ConnectionRefusedError as error:
            raise aiohttp.ClientConnectionError(str(error)) from None

        parts = [raw.body]

        async def readany() -> bytes:
            if not parts:
                return b""
            took_s = len(raw.body) * raw.byte_s
            self._service.now_s += min(took_s, timeout.total)
            if took_s > timeout.total:
                raise TimeoutError
            return parts.pop()

        content = SimpleNamespace(readany=readany)
        yield SimpleNamespace(status=raw.status, headers=CIMultiDict(raw.headers), content=content)


def refused() -> Exception:
    return ConnectionRefusedError("refused")
