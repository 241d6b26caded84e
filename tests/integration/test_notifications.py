"""People are told of jobs' ends, on real parts: a concurrent worker, apprise, and receivers on this machine."""

from __future__ import annotations

import json
import socket
import threading
from contextlib import closing
from typing import TYPE_CHECKING

import pytest
from crew import Crew
from receivers import OK, Receiver
from service import eventually

from contract.notice import Target
from contract.states import State

if TYPE_CHECKING:
    from collections.abc import Iterator

    from contract.delivery import Delivery

WORD = "not-for-the-log"
NO_SPEECH = {"outcome": "error", "error_code": "no_speech", "duration_s": 0.1}

pytestmark = pytest.mark.sockets


class Told:
    """One job that failed, and what became of five who were to be told of it."""

    def __init__(self) -> None:
        env = {
            "DUBQ_NOTIFY_SCHEMES": "json,mailto",
            "DUBQ_WEBHOOK_PRIVATE": "127.0.0.1/32",
            "DUBQ_WEBHOOK_TIMEOUT_S": "4",
        }
        self.crew = Crew(env)
        self.receiver, self.drips, self.moved = Receiver(), Receiver(), Receiver()
        self.letters: list[str] = []
        self.deliveries: list[Delivery] = []

    def happen(self) -> None:
        self.receiver.says(OK)
        self.moved.says(b"HTTP/1.1 307 Moved\r\nLocation: http://169.254.169.254/\r\nContent-Length: 0\r\n\r\n")
        self.drips.says(self._drip)
        with socket.create_server(("127.0.0.1", 0)) as server:
            thread = threading.Thread(target=lambda: self.letters.append(taken(server)))
            thread.start()
            for url in (
                f"json://user:{WORD}@127.0.0.1:{self.receiver.port}/{WORD}",
                f"json://127.0.0.1:{self.moved.port}/",
                f"json://127.0.0.1:{self.drips.port}/?rto=300",
                "json://127.0.0.2:9/",
                f"mailto://127.0.0.1:{server.getsockname()[1]}?smtp=127.0.0.1&from=b@example.com&to=a@example.com",
            ):
                target = Target(target_id=url, url=url, on=(State.ERROR,))
                assert self.crew.ledger.outbox.targets.add("default", target)
            self.crew.take_on("-c", "worker.rq_config")
            (job_id,) = self.crew.submit(1, NO_SPEECH, title="Keynote")
            eventually(lambda: len(ended := self._ended(job_id)) == 5 and all(ended), 60)
            self.deliveries = self._of(job_id)
            thread.join(20)

    def close(self) -> None:
        for each in (self.receiver, self.drips, self.moved):
            each.close()
        self.crew.__exit__(None, None, None)

    def _of(self, job_id: str) -> list[Delivery]:
        return self.crew.ledger.outbox.of_job(job_id, "default")

    def _ended(self, job_id: str) -> list[bool]:
        """Return of each delivery whether an attempt at it has ended."""
        return [any(each.duration_s is not None for each in delivery.attempts) for delivery in self._of(job_id)]

    def _drip(self, line: socket.socket) -> None:
        line.sendall(b"HTTP/1.1 200 OK\r\nX: ")
        while not self.drips.left.wait(0.1):
            line.sendall(b"y")


@pytest.fixture(scope="module")
def told() -> Iterator[Told]:
    with closing(Told()) as made:
        made.happen()
        yield made


def test_each_attempt_ends_as_it_should_and_its_log_says_why(told: Told) -> None:
    assert sorted((each.url, str(each.state), str(each.attempts[0].error)) for each in told.deliveries) == [
        ("json://…", "delivered", "None"),
        ("json://…", "pending", "127.0.0.2 is not a public address, and not one that this service may call"),
        ("json://…", "pending", "169.254.169.254 is not a public address, and not one that this service may call"),
        ("json://…", "pending", "it was not told within 4 s"),
        ("mailto://…", "delivered", "None"),
    ]
    assert {str(each.kind) for each in told.deliveries} == {"notification"}


def test_what_is_told_is_the_end_in_words(told: Told) -> None:
    head, _, body = told.receiver.heard[0].partition(b"\r\n\r\n")
    said = json.loads(body)
    assert head.startswith(f"POST /{WORD} HTTP".encode())
    assert (said["title"], said["type"]) == ("Keynote: error", "failure")
    assert "no_speech" in said["message"]


def test_an_e_mail_arrives(told: Told) -> None:
    (letter,) = told.letters
    assert "Subject: Keynote: error" in letter
    assert "a@example.com" in letter


def test_a_secret_is_in_no_log(told: Told) -> None:
    assert WORD not in json.dumps([each.to_wire() for each in told.deliveries])
    log = told.crew.log("worker-0")
    assert "webhook_delivered" in log
    assert WORD not in log


def taken(server: socket.socket) -> str:
    """Take one letter, as a server for mail does that asks for nothing. Source: RFC 5321."""
    line, _ = server.accept()
    with line, line.makefile("rw", encoding="utf-8", newline="\r\n") as talk:

        def say(words: str) -> None:
            talk.write(f"{words}\r\n")
            talk.flush()

        letter = ""
        say("220 here")
        for command in map(str.upper, talk):
            if command.startswith("DATA"):
                say("354 go on")
                letter = "".join(iter(talk.readline, ".\r\n"))
                say("250 taken")
            elif command.startswith("QUIT"):
                say("221 bye")
                break
            else:
                say("250 well")
    return letter
