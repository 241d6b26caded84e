"""Has schemathesis make requests of what the OpenAPI document says, and hold the answers against it, all checks on."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import schemathesis
from hypothesis import strategies as st
from schemathesis import engine
from schemathesis.config import SchemathesisConfig
from schemathesis.engine import events

if TYPE_CHECKING:
    from collections.abc import Iterator

    from schemathesis.schemas import BaseSchema

ADMIN = "the-admin-s-own-token"
CHECKS = 14
"""As many does schemathesis know, of which none is switched off for all calls."""

# a schema cannot say which of all URLs lead to public addresses, nor that the bounds of a law are in order
_HOSTS = st.sampled_from(["example.com", "a.example:8080", "xn--bcher-kva.example", "93.184.216.34"])
_PATHS = st.text("abc/._~%-?=&", max_size=20)
URLS = st.builds("{}://{}/{}".format, st.sampled_from(["http", "https", "HTTP"]), _HOSTS, _PATHS)
SCHEMES = frozenset({"json", "mailtos"})
"""What people may be told by; of so few URLs that no client has more than it may."""
NOTIFICATION_URLS = st.sampled_from(["json://example.com/a", "mailtos://user:word@example.com"])
RATES = st.sampled_from(["none", "1000000/s", "999999999/86400s", "600000/m", "5000000/h"])
LAWS = st.sampled_from(["fixed:0", "uniform:0:0.001", "lognormal:0.001:0.5", "per-minute:0"])


def configured(seed: int, examples: int, **more: Any) -> SchemathesisConfig:
    """Return how to go about it: the same `seed`, the same requests."""
    # a job may be called `batch`: so GET is allowed at POST's address as well, and `Allow` says so
    batch = {"include-name": "POST /jobs/batch", "checks": {"allow_header_conformance": {"enabled": False}}}
    return SchemathesisConfig.from_dict(
        {
            "seed": seed,
            "continue-on-failure": True,
            "auth": {"openapi": {"bearer": {"bearer": ADMIN}, "api_key": {"api_key": ADMIN}}},
            "operations": [batch],
            "generation": {"max-examples": examples, "database": "none"} | more.pop("generation", {}),
            **more,
        }
    )


def findings(schema: BaseSchema) -> list[str]:
    """Return what is wrong with the service, or with what its document says. Everything there is has been checked."""
    schemathesis.openapi.format("uri", URLS)
    schemathesis.openapi.format("law", LAWS)
    schemathesis.openapi.format("rate", RATES)
    schemathesis.openapi.format("notification-url", NOTIFICATION_URLS)
    schema.hook("filter_case")(_can_be_said)
    done: Counter[str] = Counter()
    found = [each for event in engine.from_schema(schema).execute() for each in _found(event, done)]
    assert len(done) == CHECKS, done
    return found


def _can_be_said(_context: Any, case: Any) -> bool:
    """Leave out what the document has no words for: parameters that exclude each other, or need another."""
    query = case.query or {}
    if case.operation.label == "GET /jobs" and "ids" in query:
        return len(query) == 1
    return not (case.operation.label == "GET /events" and "limit" in query and "after" not in query)


def _found(event: Any, done: Counter[str]) -> Iterator[str]:
    if isinstance(event, events.NonFatalError | events.FatalError):
        yield str(event.info if isinstance(event, events.NonFatalError) else event.exception)
    if not isinstance(event, events.ScenarioFinished):
        return
    for case_id, checks in event.recorder.checks.items():
        done.update(check.name for check in checks)
        label = event.recorder.cases[case_id].value.operation.label
        for failed in (check.failure_info for check in checks if check.failure_info):
            yield f"{label}: {failed.failure.title}: {failed.failure.message}\n{failed.code_sample}"
