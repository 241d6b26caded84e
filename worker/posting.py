"""Sends one webhook: resolves the name once, checks every address, connects to one of those, and reads little.

The standard library's HTTP, for what it does not do: it follows nobody, asks no proxy of the environment, and keeps no
connection. Each step gets what is left of the one time for all of them.
"""

import http.client
import io
import queue
import socket
import ssl
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property, partial
from ipaddress import ip_address
from typing import Any, Final, TypeAlias, cast

from contract.addresses import NONE, Networks, Target, forbidden
from contract.delivery import Answer, answered

CONNECT_S: Final = 5.0
BODY_LIMIT: Final = 16_384
"""So much of an answer is read, for the receiver's sake: to be cut off would look like a failure there."""

Resolve: TypeAlias = Callable[[str, int], list[str]]
"""Returns the addresses of a host. Raises OSError."""


def addresses_of(host: str, port: int) -> list[str]:
    """Ask the system for the addresses of a host."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(address[0]) for *_, address in found))


def reachable(url: str, allowed: Networks = NONE, *, resolve: Resolve = addresses_of) -> tuple[Target, list[str]]:
    """Return where a URL leads, and the addresses to connect to: whoever asks for its name again may be told others.

    For engines, whose videos are where submitters say. Raises ValueError where it is no such URL, NowhereError where
    nobody may go besides public addresses and those `allowed`, OSError where the name is none.
    """
    target = Target.of(url)
    if refusal := target.refusal(allowed):
        raise NowhereError(refusal)
    addresses = resolve(target.host, target.port)
    _check(target, addresses, allowed)
    return target, addresses


def _check(target: Target, addresses: list[str], allowed: Networks) -> None:
    if refusal := forbidden(map(ip_address, addresses), allowed):
        raise NowhereError(f"{target.host} has the address {refusal}")


class LateError(Exception):
    """The time for an attempt is over."""


class NowhereError(Exception):
    """The URL leads where nobody may go for it."""


@dataclass(frozen=True)
class Sender:
    """Sends webhooks. An attempt may take `timeout_s`, from the name's resolution to the end of the answer."""

    allowed: Networks = NONE
    timeout_s: float = 15.0
    resolve: Resolve = addresses_of
    clock: Callable[[], float] = time.monotonic
    trust: ssl.SSLContext | None = field(default=None, repr=False)

    def post(self, url: str, headers: Mapping[str, str], body: bytes) -> Answer:
        """Send a webhook once, and say what came of it."""
        try:
            target = Target.of(url)
        except ValueError as error:
            return Answer(error=f"its URL {error}", is_hopeless=True)
        if refusal := target.refusal(self.allowed):
            return Answer(error=refusal, is_hopeless=True)
        until_s = self.clock() + self.timeout_s
        try:
            return answered(self._exchange(target, headers, body, until_s))
        except (LateError, TimeoutError):
            return Answer(error=f"there was no answer within {self.timeout_s:g} s")
        except (NowhereError, OSError, http.client.HTTPException) as error:
            return Answer(error=_reason(error))

    def _exchange(self, target: Target, headers: Mapping[str, str], body: bytes, until_s: float) -> int:
        """Return the status of the answer."""
        addresses = self._resolved(target, until_s)
        _check(target, addresses, self.allowed)
        with self._connected(target, addresses, until_s) as line:
            connection = http.client.HTTPConnection(target.host, target.port)
            connection.auto_open = 0  # never to any other address than the checked one
            connection.sock = cast("socket.socket", _Timed(line, partial(self._left_s, until_s)))
            connection.request("POST", target.path, body, {"Host": target.authority, **headers})
            with connection.getresponse() as response:
                _read_some(response)
                return response.status

    def _resolved(self, target: Target, until_s: float) -> list[str]:
        """Ask for the name's addresses, once. Nothing in the system's resolver can be told how long to take."""
        found: queue.SimpleQueue[list[str] | OSError | UnicodeError] = queue.SimpleQueue()

        def ask() -> None:
            try:
                found.put(self.resolve(target.host, target.port))
            except (OSError, UnicodeError) as error:  # no such name, or one that cannot be
                found.put(error)

        threading.Thread(target=ask, name="dubq-resolve", daemon=True).start()
        try:
            addresses = found.get(timeout=self._left_s(until_s))
        except queue.Empty:
            raise LateError from None
        if isinstance(addresses, list) and addresses:
            return addresses
        raise OSError(f"{target.host} cannot be resolved")

    def _connected(self, target: Target, addresses: list[str], until_s: float) -> socket.socket:
        """Connect to the first of the addresses that takes a connection; for TLS, as the host that was named."""
        last: OSError | None = None
        for address in addresses:
            try:
                # an address, so that nobody is asked for one again
                line = socket.create_connection((address, target.port), min(CONNECT_S, self._left_s(until_s)))
            except OSError as error:
                last = error
                continue
            return self._secured(line, target.host, until_s) if target.is_secure else line
        raise last or OSError(f"{target.host} has no address")

    def _secured(self, line: socket.socket, host: str, until_s: float) -> socket.socket:
        try:
            line.settimeout(self._left_s(until_s))
            return self._tls.wrap_socket(line, server_hostname=host)
        except BaseException:
            line.close()
            raise

    @cached_property
    def _tls(self) -> ssl.SSLContext:
        """What is trusted: read once, and only where somebody wants TLS."""
        return self.trust or ssl.create_default_context()

    def _left_s(self, until_s: float) -> float:
        left_s = until_s - self.clock()
        if left_s <= 0:
            raise LateError
        return left_s


class _Timed:
    """A connection whose every read and write gets what is left of one time for all: drops do not make it longer."""

    def __init__(self, line: socket.socket, left_s: Callable[[], float]) -> None:
        self._line, self._left_s = line, left_s

    def sendall(self, data: bytes) -> None:
        """Send all of it. Raises TimeoutError or LateError."""
        self._line.settimeout(self._left_s())
        self._line.sendall(data)

    def makefile(self, _mode: str) -> io.BufferedReader:
        """Return what http.client reads an answer from."""
        return io.BufferedReader(_Arriving(self._line, self._left_s))

    def close(self) -> None:
        """Do nothing: http.client lets go of a connection before it has read the answer to its end."""


class _Arriving(io.RawIOBase):
    """What comes over a line, in time."""

    def __init__(self, line: socket.socket, left_s: Callable[[], float]) -> None:
        self._line, self._left_s = line, left_s

    def readable(self) -> bool:
        """Say that it can be read."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Read what there is. Raises TimeoutError or LateError."""
        self._line.settimeout(self._left_s())
        return self._line.recv_into(buffer)


def _reason(error: NowhereError | OSError | http.client.HTTPException) -> str:
    """Say what went wrong, in words for whoever owns the receiver."""
    if isinstance(error, http.client.HTTPException):
        return f"the answer is no HTTP: {type(error).__name__}"
    if isinstance(error, ssl.SSLError):
        return f"there is no secure connection: {getattr(error, 'verify_message', '') or error.reason or error}"
    return str(getattr(error, "strerror", None) or error or type(error).__name__)


def _read_some(response: http.client.HTTPResponse) -> None:
    """Read the start of a body; what becomes of it changes nothing about the status, which has come."""
    try:
        response.read(BODY_LIMIT)
    except (OSError, http.client.HTTPException, LateError):
        return
