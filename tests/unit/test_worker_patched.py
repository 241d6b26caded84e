"""How a process begins once more under gevent."""

import sys

import pytest

from worker.patched import patched_argv

UNDER = [sys.executable, "-m", "gevent.monkey"]
WORDS = ["worker", "-S", "json"]


@pytest.mark.parametrize(
    ("typed", "seen", "begun"),
    [
        (["python", "/bin/rq", *WORDS], ["/bin/rq", *WORDS], [*UNDER, "/bin/rq", *WORDS]),
        (["python", "-m", "rq.cli", *WORDS], ["/rq/cli.py", *WORDS], [*UNDER, "--module", "rq.cli", *WORDS]),
        (["python", "-m", "rq.cli"], ["/rq/cli.py"], [*UNDER, "--module", "rq.cli"]),
        (
            ["python", "-X", "dev", "-W", "error", "/bin/rq", *WORDS],
            ["/bin/rq", *WORDS],
            [sys.executable, "-X", "dev", "-W", "error", "-m", "gevent.monkey", "/bin/rq", *WORDS],
        ),
    ],
)
def test_the_same_program_with_the_same_words(typed: list[str], seen: list[str], begun: list[str]) -> None:
    assert patched_argv(typed, seen) == begun
