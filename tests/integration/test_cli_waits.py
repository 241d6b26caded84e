"""The commands that wait, as real processes against a service whose jobs end when a test cancels them."""

from __future__ import annotations

import json
import os
import pty
import re
import shlex
import signal
import subprocess
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import psutil
import pytest
from service import Service, eventually
from shell import DUBQ

from client import TranslationClient

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.sockets

VIDEO = "https://example.com/talk.mp4"
SOON_S = 15


class Desk:
    """Runs `dubq …` against one service, and ends what a test has left running."""

    def __init__(self, service: Service, client: TranslationClient) -> None:
        self.service, self.client = service, client
        self.env = service.env | {"DUBQ_URL": service.url, "PYTHONUNBUFFERED": "1", "COLUMNS": "100", "LINES": "12"}
        self.started: list[subprocess.Popen[str]] = []

    def start(self, *words: str, **streams: Any) -> subprocess.Popen[str]:
        streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | streams
        process = subprocess.Popen([*DUBQ, *words], env=self.env, text=True, **streams)
        self.started.append(process)
        return process

    def run(self, command: str) -> subprocess.CompletedProcess[str]:
        """Run a command as it was printed."""
        program, *words = shlex.split(command)
        assert program == "dubq"
        return subprocess.run([*DUBQ, *words], env=self.env, capture_output=True, text=True, timeout=60, check=False)

    def submit(self, number: int) -> list[str]:
        """Submit so many jobs, which stay queued: nobody works here."""
        return [job.job_id for job in self.client.submit_many([{"video_url": VIDEO}] * number)]

    def cancel(self, job_ids: list[str]) -> None:
        for job_id in job_ids:
            self.client.cancel(job_id)

    def subscriptions(self) -> list[int]:
        """Return how many channels each connection to Redis is subscribed to, if to any."""
        with self.service.connection() as connection:
            return sorted(int(each["sub"]) for each in connection.client_list() if int(each["sub"]))

    def gets(self) -> int:
        return sum('"method": "GET"' in line for line in self.service.log("api").splitlines())

    def end(self) -> None:
        for process in self.started:
            process.kill()
            process.communicate()


@pytest.fixture(scope="module")
def idle() -> Iterator[Service]:
    """Run a service in which nobody works."""
    with Service() as running:
        running.start_valkey()
        running.start_api()
        yield running


@pytest.fixture
def desk(idle: Service) -> Iterator[Desk]:
    with TranslationClient(idle.url) as client:
        found = Desk(idle, client)
        yield found
        found.end()


def documents(out: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in out.splitlines()]


def test_two_hundred_jobs_are_waited_for_on_one_connection(desk: Desk) -> None:
    ids = desk.submit(200)
    before = desk.gets()
    waiting = desk.start("wait", *ids, "--json")
    eventually(lambda: 200 in desk.subscriptions(), SOON_S)
    assert sum(desk.subscriptions()) == 200
    # one thread waits, one listens
    assert psutil.Process(waiting.pid).num_threads() <= 3
    desk.cancel(ids[::-1])
    out, err = waiting.communicate(timeout=60)
    assert (waiting.returncode, err) == (1, "")
    assert sorted(each["job_id"] for each in documents(out)) == sorted(ids)
    assert {each["state"] for each in documents(out)} == {"cancelled"}
    # the road, and a hundred ids or so in each request of two looks
    assert desk.gets() - before <= 7


@pytest.mark.parametrize("form", [(), ("--json",)])
def test_the_command_that_a_timeout_prints_waits_on(desk: Desk, form: tuple[str, ...]) -> None:
    ids = desk.submit(3)
    desk.cancel(ids[:1])
    waiting = desk.start("wait", *ids, "--timeout", "0.2", *form)
    out, err = waiting.communicate(timeout=60)
    assert waiting.returncode == 4
    if form:
        assert [each["error"]["job_id"] for each in documents(out)[1:]] == ids[1:]
    desk.cancel(ids[1:])
    on = desk.run(err.splitlines()[-1])
    assert (on.returncode, [line.split()[0] for line in on.stdout.splitlines()]) == (1, ids[1:])


def test_the_command_that_ctrl_c_prints_waits_on(desk: Desk) -> None:
    ids = desk.submit(3)
    waiting = desk.start("wait", *ids, "--json")
    eventually(lambda: 3 in desk.subscriptions(), SOON_S)
    desk.cancel(ids[:1])
    assert waiting.stdout
    first = json.loads(waiting.stdout.readline())
    waiting.send_signal(signal.SIGINT)
    out, err = waiting.communicate(timeout=60)
    assert (waiting.returncode, first["job_id"], out) == (130, ids[0], "")
    desk.cancel(ids[1:])
    on = desk.run(err.splitlines()[-1])
    assert (on.returncode, len(on.stdout.splitlines())) == (1, 2)


def test_a_submission_that_is_waited_for_can_be_left_and_waited_for_again(desk: Desk) -> None:
    waiting = desk.start("submit", VIDEO, "--to", "es", "--job-id", "-odd", "--wait", "--json")
    eventually(lambda: 1 in desk.subscriptions(), SOON_S)
    waiting.send_signal(signal.SIGINT)
    out, err = waiting.communicate(timeout=60)
    assert (waiting.returncode, out) == (130, "")
    desk.cancel(["-odd"])
    assert documents(desk.run(err.splitlines()[-1].replace("wait", "wait --json")).stdout)[0]["job_id"] == "-odd"


class Terminal:
    """A terminal that a program may have for its streams; what is drawn on it is read at once, or nobody could draw."""

    def __init__(self) -> None:
        self._ours, self.theirs = pty.openpty()
        self._drawn = b""
        self._reader = threading.Thread(target=self._read)

    def watch(self) -> None:
        """Leave it to those who have it by now."""
        os.close(self.theirs)
        self._reader.start()

    def drawn(self) -> str:
        """Return all that was drawn, once its programs have ended."""
        self._reader.join()
        os.close(self._ours)
        return self._drawn.decode()

    def _read(self) -> None:
        with suppress(OSError):  # how Linux says that nobody has it open any more
            while read := os.read(self._ours, 65536):
                self._drawn += read


def test_rows_on_the_terminal_keep_no_json_from_where_it_is_sent(desk: Desk) -> None:
    ids = desk.submit(20)
    terminal = Terminal()
    waiting = desk.start("wait", *ids, "--json", stderr=terminal.theirs)
    terminal.watch()
    eventually(lambda: 20 in desk.subscriptions(), SOON_S)
    desk.cancel(ids)
    assert waiting.stdout
    assert [each["job_id"] for each in documents(waiting.stdout.read())] == ids
    assert waiting.wait(10) == 1
    drawn = terminal.drawn()
    assert "{" not in drawn
    assert "20 jobs: 20 cancelled" in drawn
    # ten rows fit beside the count, and each picture is drawn over the one before
    assert ids[9] in drawn
    assert ids[10] not in drawn


def test_what_is_said_on_the_same_terminal_stands_above_the_rows(desk: Desk) -> None:
    ids = desk.submit(3)
    terminal = Terminal()
    waiting = desk.start("wait", *ids, stdout=terminal.theirs, stderr=terminal.theirs)
    terminal.watch()
    eventually(lambda: 3 in desk.subscriptions(), SOON_S)
    desk.cancel(ids)
    drawn = terminal.drawn()
    assert waiting.wait(10) == 1
    # what stood on the line was erased, or nothing had been drawn yet, or it is the line below another of these
    assert [each for each in ids if not re.search(rf"(\x1b\[2K|\x1b\[\?25l|\n){each} cancelled\r\n", drawn)] == [], (
        drawn
    )


def test_a_watch_is_told_of_what_happens_and_of_new_jobs(desk: Desk) -> None:
    known = desk.submit(2)
    watching = desk.start("watch", "--every", "0.5", "--limit", "3", "--json")
    eventually(desk.subscriptions, SOON_S)
    desk.cancel(known[:1])
    (new,) = desk.submit(1)
    heard: list[tuple[str, str]] = []
    assert watching.stdout
    while (new, "queued") not in heard or (known[0], "cancelled") not in heard:
        document = json.loads(watching.stdout.readline())
        heard.append((document["job_id"], document["state"]))
    watching.send_signal(signal.SIGINT)
    _, err = watching.communicate(timeout=10)
    assert watching.returncode == 130
    assert shlex.split(err.splitlines()[-1])[:4] == ["dubq", "wait", new, known[1]]
    desk.cancel([new, known[1]])


def test_a_watch_on_a_terminal_draws_a_table(desk: Desk) -> None:
    (job_id,) = desk.submit(1)
    terminal = Terminal()
    watching = desk.start("watch", stdout=terminal.theirs, stderr=terminal.theirs)
    terminal.watch()
    eventually(desk.subscriptions, SOON_S)
    desk.cancel([job_id])
    eventually(lambda: not desk.subscriptions(), SOON_S)  # it has been told
    watching.send_signal(signal.SIGINT)
    drawn = terminal.drawn()
    assert watching.wait(10) == 130
    assert "STATE" in drawn
    assert "cancelled" in drawn
