"""schemathesis on the whole service, for minutes. `DUBQ_FUZZ_S` is how many seconds, `DUBQ_FUZZ_SEED` repeats a run."""

from __future__ import annotations

import os
from secrets import randbits

import pytest
import schemathesis
from fuzzing import ADMIN, SCHEMES, configured, findings
from service import Service

LASTS_S = int(os.environ.get("DUBQ_FUZZ_S", "180"))
SEED = int(os.environ.get("DUBQ_FUZZ_SEED", randbits(32)))
ENV = {
    "DUBQ_AUTH": "on",
    "DUBQ_ADMIN_TOKEN": ADMIN,
    "DUBQ_ADMIN_REQUESTS": "none",
    "DUBQ_WRONG_TOKENS": "none",
    "DUBQ_NOTIFY_SCHEMES": ",".join(SCHEMES),
    "DUBQ_SIM_DURATION": "fixed:1",
    "DUBQ_SIM_SPEED": "100",
}
ANSWERS_S = 5.0
"""What an answer may take; a stream is left then."""

pytestmark = [pytest.mark.sockets, pytest.mark.timeout(LASTS_S + 300)]


def test_schemathesis_finds_nothing() -> None:
    print(f"\nDUBQ_FUZZ_SEED={SEED}")  # noqa: T201 - to run it again
    with Service(ENV).start() as service:
        config = configured(SEED, 100, **{"max-time": LASTS_S, "max-stream-events": 1, "request-timeout": ANSWERS_S})
        found = findings(schemathesis.openapi.from_url(f"{service.url}/openapi.json", config=config))
        assert "request_failed" not in service.log("api")
    assert not found, "\n\n".join(found)
