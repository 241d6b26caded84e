"""The worker's log: constant events with data as fields, as JSON lines or for the eye.

The lines look like those of structlog, which the API uses. It is not used here because its import would cost every
work horse that RQ forks a tenth of a second, which is several times what everything else takes.
"""

import json
import logging
import sys
from datetime import UTC, datetime
from typing import Any, Final

from contract.job import to_rfc3339
from contract.lines import inert

LOGGER: Final = "dubq.worker"
_FIELDS: Final = "dubq_fields"


class Log:
    """A logger with fields bound to it."""

    def __init__(self, logger: logging.Logger | None = None, **fields: Any) -> None:
        self._logger, self._fields = logger or logging.getLogger(LOGGER), fields

    def bind(self, **fields: Any) -> "Log":
        """Return a log that adds these fields to all that it says."""
        return Log(self._logger, **{**self._fields, **fields})

    def debug(self, event: str, **fields: Any) -> None:
        """Say what only a developer asks for."""
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
        line |= {name: inert(value) for name, value in getattr(record, _FIELDS, {}).items()}
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False, default=str)


class ConsoleFormatter(logging.Formatter):
    """One line for the eye, a traceback under it."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line or lines."""
        fields = "".join(f" {name}={inert(str(value))}" for name, value in getattr(record, _FIELDS, {}).items())
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


def _moment(record: logging.LogRecord) -> str:
    return to_rfc3339(datetime.fromtimestamp(record.created, UTC))
