"""How this process logs: one event per line on standard error, as JSON or for a person at a terminal."""

import logging
import sys
from datetime import UTC, datetime
from typing import Any, Final

import structlog
from structlog.typing import EventDict

from contract.job import to_rfc3339
from contract.lines import inert

from .settings import LogFormat, LogLevel

_FIRST: Final = ("timestamp", "level", "event")
"""What a line begins with, as the workers' lines do."""


def configure(level: LogLevel, form: LogFormat) -> None:
    """Set up structlog and, through the same lines, the standard library's loggers (gunicorn's among them)."""
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        _stamp,
        _inert,
    ]
    # both without the frames' local variables: they hold what callers sent, and the URL of Redis
    last: list[Any] = [structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)]
    if form == "json":
        last = [structlog.processors.format_exc_info, _in_order, structlog.processors.JSONRenderer(ensure_ascii=False)]
    threshold = logging.getLevelNamesMapping()[level.upper()]
    structlog.configure(
        processors=[*shared, *last],
        wrapper_class=structlog.make_filtering_bound_logger(threshold),
        # a line and its end in one write: other processes write to the same place
        logger_factory=structlog.WriteLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*shared, structlog.stdlib.add_logger_name],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *last],
        )
    )
    for name in (None, "gunicorn.error"):
        logger = logging.getLogger(name)
        logger.handlers = [handler]
        logger.propagate = False
        logger.setLevel(threshold)


def _stamp(_logger: Any, _method: str, line: EventDict) -> EventDict:
    return {**line, "timestamp": to_rfc3339(datetime.now(UTC))}


def _inert(_logger: Any, _method: str, line: EventDict) -> EventDict:
    return {name: inert(value) for name, value in line.items()}


def _in_order(_logger: Any, _method: str, line: EventDict) -> EventDict:
    return {**{name: line[name] for name in _FIRST}, **line}
