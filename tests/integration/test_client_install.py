"""The wheel, installed without anything that it does not ask for: what works, and what says which extra it lacks."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import zipfile
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.metadata import Distribution, distribution
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from given import START, a_job
from packaging.requirements import Requirement

from contract.states import State

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

ROOT = Path(__file__).parents[2]
DONE = replace(a_job("j1"), state=State.COMPLETED, seq=3, finished_at=START)


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        roads = {"client_id": "default", "redis": {"url": "redis://127.0.0.1:1"}}
        self._answer(DONE.to_wire() if self.path.startswith("/jobs/") else roads)

    def _answer(self, document: object) -> None:
        body = json.dumps(document).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    words = ["wheel", "--quiet", "--no-deps", "--no-build-isolation", "--no-index", "--wheel-dir", str(folder), "."]
    subprocess.run([sys.executable, "-m", "pip", *words], cwd=ROOT, check=True)
    (made,) = folder.glob("*.whl")
    return made


def wanted(requirements: Iterable[str], extras: frozenset[str]) -> set[str]:
    """Return the names of all distributions that are asked for with these extras, and by those in turn."""
    found: set[str] = set()
    for each in map(Requirement, requirements):
        if each.marker is None or any(each.marker.evaluate({"extra": extra}) for extra in extras or {""}):
            found |= {each.name} | wanted(distribution(each.name).requires or (), frozenset(each.extras))
    return found


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Return what makes a folder that holds the wheel and what it asks for with an extra, and nothing else."""

    def install(extra: str) -> Path:
        folder = tmp_path_factory.mktemp(extra or "bare")
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(folder)
        (metadata,) = folder.glob("dubq-*.dist-info")
        for name in wanted(Distribution.at(metadata).requires or (), frozenset({extra})):
            files = distribution(name).files or ()
            for top in {file.parts[0] for file in files} - {"..", *(path.name for path in folder.iterdir())}:
                (folder / top).symlink_to(Path(str(distribution(name).locate_file(top))))
        return folder

    return install


def run(folder: Path, program: str) -> subprocess.CompletedProcess[str]:
    start = f"import sys; sys.path.insert(0, {str(folder)!r})\n"
    words = [sys.executable, "-I", "-S", "-W", "error", "-c", start + program]
    return subprocess.run(words, capture_output=True, text=True, check=False, cwd=folder)


def told(folder: Path, program: str) -> str:
    done = run(folder, program)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.fixture(scope="module")
def bare(installed: Callable[[str], Path]) -> Path:
    return installed("")


@pytest.mark.parametrize(
    "package", ["flask", "rq", "redis", "aiohttp", "structlog", "pydantic", "rich", "click", "gevent"]
)
def test_the_client_alone_asks_for_none_of_these(bare: Path, package: str) -> None:
    assert not (bare / package).exists()


def test_the_client_alone_polls(bare: Path, url: str) -> None:
    program = f"""
from client import *
with TranslationClient({url!r}) as client:
    print(client.poll_status("j1").state, client.wait("j1").state, client.metrics.requests)
"""
    assert told(bare, program) == "completed completed 3"  # a wait asks once for the way to events, too


def test_what_the_client_alone_lacks_names_the_extra_that_has_it(bare: Path, url: str) -> None:
    program = f"""
import client
try:
    client.TranslationClient({url!r}).subscribe("j1")
except client.NoPushError as error:
    print(error)
try:
    client.AsyncTranslationClient
except ModuleNotFoundError as error:
    print(error)
"""
    assert told(bare, program).splitlines() == [
        "being told by Redis needs the package redis: pip install 'dubq[push]'",
        "AsyncTranslationClient needs the package aiohttp: pip install 'dubq[async]'",
    ]


@pytest.mark.parametrize("missing", ["click", "rich"])
def test_the_command_line_says_which_extra_it_lacks(missing: str) -> None:
    program = f"""
import sys
sys.modules[{missing!r}] = None
from cli.main import main
main(["jobs"])
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, cwd=ROOT)
    text = f"dubq: the command line needs the package {missing}: pip install 'dubq[service]'\n"
    assert (done.returncode, done.stdout, done.stderr) == (2, "", text)


def test_with_the_extra_push_there_is_a_line_to_redis(installed: Callable[[str], Path]) -> None:
    program = """
from client.listener import _connection
from client.roads import has_redis
print(has_redis(), type(_connection("redis://127.0.0.1:1")).__name__)
"""
    assert told(installed("push"), program) == "True Connection"


def test_with_the_extra_async_the_asynchronous_client_polls(installed: Callable[[str], Path], url: str) -> None:
    program = f"""
import asyncio
from client import AsyncTranslationClient
async def main():
    async with AsyncTranslationClient({url!r}) as client:
        print((await client.wait("j1")).state)
asyncio.run(main())
"""
    assert told(installed("async"), program) == "completed"


@pytest.mark.parametrize("package", ["contract", "client"])
def test_the_wheel_says_that_it_is_typed(wheel: Path, package: str) -> None:
    with zipfile.ZipFile(wheel) as archive:
        assert f"{package}/py.typed" in archive.namelist()


SCRIPT = """
import asyncio
from typing import assert_type

from client import *
from client import AsyncTranslationClient, TranslationClient


def main() -> None:
    with TranslationClient("http://127.0.0.1:5000") as client:
        job = client.submit("https://example.com/talk.mp4", target_language="es", priority=Priority.HIGH)
        assert_type(job, Job)
        assert_type(job.done, bool)
        assert_type(job.resume_token, str)
        try:
            done = client.wait(job.job_id, on_update=print)
        except JobFailedError as error:
            assert_type(error.job, Job | None)
            return
        if done.output and done.state is State.COMPLETED:
            print(done.output.video_url)
        assert_type([each.state for each in client.events(job.resume_token)], list[State | ForeignState])
        assert_type(client.wait_all([job.job_id]), dict[str, Job])
        assert_type(client.metrics.summary(), Summary)


async def wait() -> Job:
    async with AsyncTranslationClient() as client:
        return await client.wait("j1")


main()
assert_type(asyncio.run(wait()), Job)
"""


@pytest.fixture(scope="module")
def mypy(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], str]:
    """Return what checks a script that stands outside of this project, and says what is wrong with it."""
    folder = tmp_path_factory.mktemp("script")

    def check(script: str) -> str:
        (folder / "script.py").write_text(script)
        # what `make check` has read of others' packages, by its options: to read it again takes ten times as long
        cache = ("--cache-dir", str(ROOT / ".mypy_cache"), "--warn-unreachable")
        words = [sys.executable, "-m", "mypy", "--strict", *cache, "--no-error-summary", "script.py"]
        done = subprocess.run(words, capture_output=True, text=True, check=False, cwd=folder)
        return done.stdout + done.stderr

    return check


def test_a_script_of_a_user_s_is_checked_by_mypy_at_its_strictest(mypy: Callable[[str], str]) -> None:
    assert mypy(SCRIPT) == ""


def test_a_mistake_in_such_a_script_is_found(mypy: Callable[[str], str]) -> None:
    found = mypy("from client import TranslationClient\nTranslationClient().wait(5).nonsense\n")
    assert "[arg-type]" in found
    assert "[attr-defined]" in found


def test_the_wheel_has_what_the_page_is_drawn_of(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    folder = ROOT / "api" / "page"
    drawn = {
        str(each.relative_to(ROOT)) for each in folder.rglob("*") if each.suffix in {".html", ".css", ".js", ".svg"}
    }
    assert len(drawn) > 10
    assert drawn <= names
