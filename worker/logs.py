"""The worker's log: constant events with data as fields, as JSON lines or for the eye.

What is `bound` while a job is run stands in every line that is logged meanwhile, whoever logs it: RQ and engines, too.

The lines look like those of structlog, which the API uses. It is not used here because its import would cost every
work horse that RQ forks a tenth of a second, which is several times what everything else takes.
"""

import json
import logging
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any, Final

from contract.job import to_rfc3339
from contract.lines import inert

LOGGER: Final = "dubq.worker"
_FIELDS: Final = "dubq_fields"
_NOTHING: Final[Mapping[str, Any]] = MappingProxyType({})
_BOUND: Final = ContextVar("dubq_bound", default=_NOTHING)


@contextmanager
def bound(**fields: Any) -> Iterator[None]:
    """Have these fields in all that is logged within, by this thread or greenlet and those that it starts."""
    token = _BOUND.set({**_BOUND.get(), **fields})
    try:
        yield
    finally:
        _BOUND.reset(token)


class Log:
    """A logger with fields bound to it."""

    def __init__(self, logger: logging.Logger | None = None, **fields: Any) -> None:
        self._logger, self._fields = logger or logging.getLogger(LOGGER), fields

    def bind(self, **fields: Any) -> "Log":
        """Return a log that adds these fields to all that it says."""
        return Log(self._logger, **{**self._fields, **fields})

    def bare(self) -> "Log":
        """Return a log with nothing bound to it, for what is about something else."""
        return Log(self._logger)

    def debug(self, event: str, **fields: Any) -> None:
        """Say what only a developer asks for: each step."""
        self._say(logging.DEBUG, event, fields)

    def info(self, event: str, **fields: Any) -> None:
        """Say what happened as it should."""
        self._say(logging.INFO, event, fields)

    def warning(self, event: str, **fields: Any) -> None:
        """Say what went wrong and is dealt with."""
        self._say(logging.WARNING, event, fields)

    def error(self, event: str, **fields: Any) -> None:
        """Say what an operator should look into."""
        self._say(logging.ERROR, event, fields)

    def exception(self, event: str, **fields: Any) -> None:
        """Say so with the traceback of the exception that is being handled."""
        self._say(logging.ERROR, event, fields, exc_info=True)

    def _say(self, level: int, event: str, fields: dict[str, Any], *, exc_info: bool = False) -> None:
        self._logger.log(level, event, exc_info=exc_info, extra={_FIELDS: {**self._fields, **fields}})


class JsonFormatter(logging.Formatter):
    """One JSON object a line."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        line = {"timestamp": _moment(record), "level": record.levelname.lower(), "event": inert(record.getMessage())}
        line |= {name: inert(value) for name, value in _fields(record).items()}
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False, default=str)


class ConsoleFormatter(logging.Formatter):
    """One line for the eye, a traceback under it."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line or lines."""
        fields = "".join(f" {name}={inert(str(value))}" for name, value in _fields(record).items())
        line = f"{_moment(record)} {record.levelname.lower():<7} {inert(record.getMessage())}{fields}"
        return f"{line}\n{self.formatException(record.exc_info)}" if record.exc_info else line


def configure(level: str, form: str) -> Log:
    """Send the worker's log to standard error, in form `json` or `console`, and return it."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter() if form == "json" else ConsoleFormatter())
    logger = logging.getLogger(LOGGER)
    logger.handlers[:] = [handler]
    logger.setLevel(level.upper())
    logger.propagate = False
    return Log(logger)


def config(level: str, form: str) -> dict[str, Any]:
    """Return, for RQ's DICT_CONFIG, what gives the lines of RQ and of engines the form of ours."""
    formatter = JsonFormatter if form == "json" else ConsoleFormatter
    own = {"handlers": ["dubq"], "level": level.upper(), "propagate": False}
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"dubq": {"()": formatter}},
        "handlers": {"dubq": {"class": "logging.StreamHandler", "formatter": "dubq", "stream": "ext://sys.stderr"}},
        "loggers": {LOGGER: own, "rq.worker": own, "rq.job": own},
        "root": {"handlers": ["dubq"], "level": level.upper()},
    }


def _fields(record: logging.LogRecord) -> Mapping[str, Any]:
    """Return what a line of ours is about, as it says itself; of any other, what is bound."""
    own: Mapping[str, Any] | None = getattr(record, _FIELDS, None)
    return _BOUND.get() if own is None else own


def _moment(record: logging.LogRecord) -> str:
    return to_rfc3339(datetime.fromtimestamp(record.created, UTC))
