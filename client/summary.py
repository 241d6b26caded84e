"""What a client's work has cost, as one value at one moment: for people to read and for programs to keep."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from itertools import islice
from typing import Any, Final

NAMED_JOBS: Final = 5
"""How many jobs the text tells of one by one, those last in use; `jobs` has all that are remembered."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JobMetrics:
    """One job's share: HTTP requests about it alone, and the seconds from its end to a wait's knowing (None: not yet).

    What many share, a batch or a look at a hundred jobs, is counted in `Metrics.requests` alone.
    """

    requests: int = 0
    knowing_delay_s: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """The figures of `Metrics` at one moment; `str` of it is a few lines to read, `to_dict` is for JSON.

    `requests` are all that were sent, `requests_by_kind` the same by what each was for. Those that the service holds
    until there is news (`held` of them have been answered) have their own `mean_held_s`: the response times are
    without them. Of `known` ends of jobs it took `mean_knowing_delay_s` until a wait knew. Means and quantiles are 0.0
    of none; p95 is what 95 % did not exceed, within 2.5 %.
    """

    requests: int
    requests_by_kind: Mapping[str, int]
    retries: int
    messages: int
    success_rate: float
    mean_response_s: float
    p95_response_s: float
    held: int
    mean_held_s: float
    known: int
    mean_knowing_delay_s: float
    p95_knowing_delay_s: float
    jobs: Mapping[str, JobMetrics]

    def to_dict(self) -> dict[str, Any]:
        """Return all figures as JSON types."""
        return asdict(self)

    def __str__(self) -> str:
        facts = [*self._facts(), *self._named_jobs()]
        width = max(len(name) for name, _ in facts)
        return "\n".join(f"{name:<{width}}  {words}" for name, words in facts)

    def _facts(self) -> Iterator[tuple[str, str]]:
        kinds = ", ".join(f"{kind} {count}" for kind, count in self.requests_by_kind.items())
        yield "requests", f"{self.requests}" + (f" ({kinds})" if kinds else "")
        yield "retries", f"{self.retries}"
        yield "success", f"{self.success_rate:.1%}"
        yield "answered", f"in {duration(self.mean_response_s)} (mean), {duration(self.p95_response_s)} (p95)"
        if self.held:
            yield "held", f"{self.held}, for {duration(self.mean_held_s)} (mean)"
        yield "messages", f"{self.messages}"
        if self.known:
            mean, p95 = duration(self.mean_knowing_delay_s), duration(self.p95_knowing_delay_s)
            yield "known", f"{self.known}, {mean} (mean), {p95} (p95) after the end"
        yield "jobs", f"{len(self.jobs)}"

    def _named_jobs(self) -> Iterator[tuple[str, str]]:
        for job_id, job in islice(reversed(list(self.jobs.items())), NAMED_JOBS):
            delay = job.knowing_delay_s
            yield (
                f"  {job_id}",
                f"requests {job.requests}, "
                + ("end not known" if delay is None else f"end known after {duration(delay)}"),
            )
        if len(self.jobs) > NAMED_JOBS:
            yield "  …", f"{len(self.jobs) - NAMED_JOBS} more"


def duration(seconds: float | None) -> str:
    """Return seconds as a person reads them."""
    if seconds is None:
        return "?"
    return f"{seconds * 1000:.1f} ms" if seconds < 1 else f"{seconds:.2f} s"
