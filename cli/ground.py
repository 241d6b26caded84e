"""What a service stands on: its port, its folders, its locks. Taken before the first start, given back at the end."""

import re
import shutil
import socket
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from contract.errors import SettingsError

from . import embedded
from .exits import TakenError
from .leftovers import clean_up
from .runtime import Claim, Runtime
from .words import counted

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What is to be run. `port` 0 is any free one; without `data` everything is forgotten at the end.

    `stock` workers are those of RQ itself, which do one job at a time.
    """

    env: Mapping[str, str]
    port: int = 5000
    workers: int = 1
    stock: bool = False
    data: Path | None = None
    drain_s: float = 20.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Ground:
    """What was taken. `data` and `data_claim` are None where somebody else's Redis is used."""

    runtime: Runtime
    listener: socket.socket
    port: int
    scratch: Path
    logs: Path
    redis_url: str
    data: Path | None
    data_claim: Claim | None

    @property
    def url(self) -> str:
        """Where the API is."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def socket(self) -> Path:
        """Where the embedded Valkey listens."""
        return self.scratch / "valkey.sock"


@contextmanager
def take(wish: Wish, say: Say) -> Iterator[Ground]:
    """Take all that `wish` needs. Raises TakenError if somebody else has it, SettingsError if it makes no sense."""
    given_url = wish.env.get("DUBQ_REDIS_URL", "").strip()
    if given_url and wish.data:
        raise SettingsError(["--data is for the embedded Valkey, and DUBQ_REDIS_URL names another: leave one out"])
    with ExitStack() as stack:
        runtime = stack.enter_context(Runtime.of_user(wish.env))
        listener = stack.enter_context(_listener(wish.port, runtime, stack, say))
        port: int = listener.getsockname()[1]
        scratch = embedded.scratch_folder()
        stack.callback(shutil.rmtree, scratch, ignore_errors=True)
        home = _folder(wish.data or scratch / "data")
        claim = None
        if not given_url:
            claim = _claim_data(home, port)
            stack.callback(claim.give_back)
        yield Ground(
            runtime=runtime,
            listener=listener,
            port=port,
            scratch=scratch,
            logs=_folder(home / "logs"),
            redis_url=given_url or f"unix://{scratch / 'valkey.sock'}",
            data=None if given_url else home,
            data_claim=claim,
        )


def _listener(port: int, runtime: Runtime, stack: ExitStack, say: Say) -> socket.socket:
    """Claim a port and listen on it: whoever calls while the API is being started again waits, and is not refused."""
    if port == 0:
        listener = _listen(0)
        _claim_port(listener.getsockname()[1], runtime, stack)
        return listener
    _claim_port(port, runtime, stack)
    dead = runtime.read(port)
    if dead:
        say(f"the last service on port {port} was killed; {left(clean_up(dead))}")
        runtime.remove(port)
    return _listen(port)


def _claim_port(port: int, runtime: Runtime, stack: ExitStack) -> None:
    claim = runtime.claim(port)
    if claim is None:
        ways = f"end it with `{stop_command(port)}`, or choose another --port"
        raise TakenError(f"a dubq service runs on port {port} already: {ways}")
    stack.callback(claim.give_up)


def left(ended: int) -> str:
    """Say what has become of the processes that a killed service had left."""
    return f"{counted(ended, 'process', 'processes')} of it {'is' if ended == 1 else 'are'} ended now"


def without_password(url: str) -> str:
    """Return a URL as it may be shown."""
    return re.sub(r"(?<=://)([^:@/]*):[^@/]*@", r"\1:***@", url)


def stop_command(port: object) -> str:
    """Return the command that ends the service on a port."""
    return f"dubq stop --port {port}"


def _listen(port: int) -> socket.socket:
    listener = socket.socket()
    try:
        # a port whose last connections are still being forgotten is free all the same
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", port))
        listener.listen(socket.SOMAXCONN)
    except OSError as error:
        listener.close()
        raise TakenError(f"port {port} cannot be had ({error.strerror}): choose another one with --port") from None
    return listener


def _claim_data(folder: Path, port: int) -> Claim:
    """Claim a data folder. Valkey inherits the claim, so that it lasts as long as either of us."""
    path = folder / "dubq.lock"
    claim = Claim.take(path, str(port))
    if claim is None:
        holder = path.read_text("utf-8") or "another port"
        raise TakenError(f"{folder} is in use by the service on port {holder}: `{stop_command(holder)}` ends it")
    return claim


def _folder(path: Path) -> Path:
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SettingsError([f"{path} cannot be a folder for data: {error.strerror}"]) from None
    return path.resolve()
