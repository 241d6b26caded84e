"""What is refused before anybody is asked, and what the help says."""

from __future__ import annotations

import sys
from io import StringIO
from pathlib import Path

import pytest
from scripted import DONE, Scripted, run

from cli.main import dubq, main


@pytest.mark.parametrize(
    "words",
    [
        ("submit", "https://e.x/v"),
        ("submit", "https://e.x/v", "--to", "es", "--metadata", "nothing"),
        ("submit", "https://e.x/v", "--to", "es", "--simulate", "{"),
        ("submit", "https://e.x/v", "--to", "es", "--simulate", "[]"),
        ("submit", "https://e.x/v", "--to", "es", "--priority", "urgent"),
        ("wait",),
        ("submit", "https://e.x/v", "--to", "es", "--simulate", '{"duration_s": NaN}'),
        ("submit", "https://e.x/v", "--to", "es", "--simulate", '{"duration_s": 1e999}'),
        ("submit", "https://e.x/v", "--to", "es", "--simulate", "[" * 100_000),
        ("submit", "https://e.x/v", "--to", "es", "--duration", "nan"),
        ("submit", "https://e.x/v", "--to", "es", "--duration", "inf"),
        ("submit", "https://e.x/v", "--to", "es", "--wait", "--timeout", "nan"),
        ("wait", "j1", "--timeout", "-1"),
        ("wait", "j1", "--timeout", "nan"),
        ("watch", "--every", "nan"),
        ("up", "--drain", "nan"),
        ("stop", "--timeout", "nan"),
        ("stop", "--timeout", "inf"),
        ("status", "j1", "--url", "ftp://x"),
        ("status", "j1", "--url", "http://"),
        ("status", "j1", "--url", "http://a b"),
        ("status", "j1", "--url", "http://127.0.0.1:99999"),
        ("status", "j1", "--token", "é€"),
        ("status", "j1", "--token", "a\nb"),
        ("jobs", "--state", "lost"),
        ("jobs", "--limit", "0"),
        ("up", "--port", "70000"),
        ("clock", "--freeze", "--speed", "2"),
        ("clock", "--advance", "-1"),
        ("clock", "--advance", "nan"),
        ("clock", "--speed", "0"),
        ("outage", "flood"),
        ("outage", "slow", "--end"),
        ("outage", "slow", "--share", "0"),
        ("play",),
        ("play", "no-such-file.json"),
        ("nonsense",),
    ],
)
def test_wrong_usage_exits_with_2_and_asks_nobody(words: tuple[str, ...]) -> None:
    client = Scripted(DONE)
    found = run(client, *words)
    assert (found.exit_code, type(found.exception)) == (2, SystemExit)
    assert client.asked == {}


def test_a_token_that_cannot_be_one_is_not_shown() -> None:
    found = run(Scripted(DONE), "status", "j1", "--token", "secr€t")
    assert "ASCII" in found.stderr
    assert "secr" not in found.output


@pytest.mark.parametrize("form", [(), ("--json",)])
def test_a_value_that_makes_no_sense_further_down_exits_with_2_too(form: tuple[str, ...]) -> None:
    found = run(Scripted(DONE, first=ValueError("never heard of")), "status", "j1", *form)
    assert (found.exit_code, type(found.exception)) == (2, SystemExit)
    assert "never heard of" in (found.stdout if form else found.stderr)


def test_full_standard_output_is_one_line_of_complaint(monkeypatch: pytest.MonkeyPatch) -> None:
    full = Path("/dev/full")
    if not full.exists():
        pytest.skip("this system has no /dev/full")
    errors = StringIO()
    with full.open("w") as out:
        monkeypatch.setattr(sys, "stdout", out)
        monkeypatch.setattr(sys, "stderr", errors)
        with pytest.raises(SystemExit) as left:
            main(["jobs"], obj=Scripted(DONE))
    assert left.value.code == 1
    assert errors.getvalue().splitlines() == ["dubq: standard output cannot be written: No space left on device"]


def test_every_command_in_the_help_exists_and_explains_itself() -> None:
    listed = run(Scripted(DONE), "--help").stdout
    for name in dubq.list_commands(None):
        assert name in listed
        assert "--json" in run(Scripted(DONE), name, "--help").stdout
