"""What the demonstration plays, and its report: how each job ended, and what it cost to know."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any, Final

from client import JobMetrics
from client.summary import duration
from contract.job import Job
from contract.states import State

from .words import columns


@dataclass(frozen=True, slots=True)
class Act:
    """One job of the demonstration, and how it has to end."""

    title: str
    language: str
    simulate: Mapping[str, Any]
    end: State = State.COMPLETED


ACTS: Final = (
    Act("Keynote", "es", {"duration_s": 3.2}),
    Act("Product tour", "fr", {"duration_s": 5.5}),
    Act("Interview", "de", {"duration_s": 1.8, "fail_attempts": 1, "error_code": "model_overloaded"}),
    Act("Silent film", "it", {"duration_s": 2.3, "outcome": "error", "error_code": "no_speech"}, State.ERROR),
    Act("Wrong file", "pt", {"duration_s": 30}, State.CANCELLED),
)


@dataclass(frozen=True, slots=True)
class Row:
    """What came of one act: its job, and what the two ways of waiting for it have cost."""

    act: Act
    job: Job
    told: JobMetrics
    asking: JobMetrics


def document(rows: Sequence[Row]) -> dict[str, Any]:
    """Return the report as JSON types, delays in seconds."""
    return {
        "jobs": [
            {
                "title": row.act.title,
                "state": row.job.state.value,
                "attempts": row.job.attempt,
                "told": {"requests": row.told.requests, "delay_s": row.told.knowing_delay_s},
                "asking": {"requests": row.asking.requests, "delay_s": row.asking.knowing_delay_s},
            }
            for row in rows
        ],
        "median_delay_s": {
            "told": _median_delay_s(row.told for row in rows),
            "asking": _median_delay_s(row.asking for row in rows),
        },
    }


def words(rows: Sequence[Row]) -> str:
    """Return the report as a table and what it comes to."""
    heading = ("JOB", "TO", "ENDED", "TOLD BY REDIS", "", "ASKING BY HTTP", "")
    below = ("", "", "", "requests", "knew after", "requests", "knew after")
    lines = columns([heading, below, *map(_cells, rows)])
    told, asking = ([getattr(row, way) for row in rows] for way in ("told", "asking"))
    morals = (f"Told by Redis:  {_moral(told)}", f"Asking by HTTP: {_moral(asking)}")
    return "\n".join(("", lines, "", *morals))


def _moral(metrics: Sequence[JobMetrics]) -> str:
    mean_requests = sum(each.requests for each in metrics) / len(metrics)
    delay = duration(_median_delay_s(metrics))
    return f"known {delay} after the end (median), {mean_requests:.1f} requests per job (mean)"


def _cells(row: Row) -> tuple[str, ...]:
    end = row.job.error.code if row.job.error else str(row.job.state)
    if row.job.attempt > 1:
        end += f" at attempt {row.job.attempt}"
    told, asking = row.told, row.asking
    return (
        row.act.title,
        row.act.language,
        end,
        str(told.requests),
        duration(told.knowing_delay_s),
        str(asking.requests),
        duration(asking.knowing_delay_s),
    )


def _median_delay_s(all_metrics: Iterable[JobMetrics]) -> float | None:
    known = [each.knowing_delay_s for each in all_metrics if each.knowing_delay_s is not None]
    return median(known) if known else None
