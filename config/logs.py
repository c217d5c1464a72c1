"""Logs as one JSON object a line: event name, fields, run and correlation id; it never drops a warning."""

import logging.config
import re
from collections.abc import Mapping
from typing import Any

import structlog
from structlog.stdlib import ProcessorFormatter
from structlog.typing import Processor

_SHARED: tuple[Processor, ...] = (
    structlog.contextvars.merge_contextvars,  # run_id and correlation_id, bound where a run is known
    structlog.stdlib.add_log_level,
    structlog.stdlib.add_logger_name,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
    structlog.processors.StackInfoRenderer(),
)
# Local variables may hold secrets: a traceback names places, never values.
_TRACEBACKS = structlog.processors.ExceptionRenderer(structlog.tracebacks.ExceptionDictTransformer(show_locals=False))
_SIGNATURE = re.compile(r"(?:~|%7E)[A-Za-z0-9_-]{43}(?![A-Za-z0-9_-])")
"""The end of a signed address of `integrations.notifications.addresses`."""
_QUIET = ("celery.worker.strategy", "celery.app.trace", "kombu", "amqp", "httpx2", "httpcore2", "urllib3")
"""Loggers that write a line or more for each message; only their warnings are kept."""


def configure(*, level: str, style: str) -> None:
    """This will send everything, ours and the libraries', through one formatter to standard error."""
    logging.config.dictConfig(dict(settings(level=level, style=style)))
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *_SHARED,
            ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )


def install(options: Mapping[str, str]) -> None:
    """This will do the same for Django, which calls it with the setting LOGGING."""
    configure(level=options["level"], style=options["style"])


def settings(*, level: str, style: str) -> Mapping[str, Any]:  # Any: logging's own schema
    """This will be the standard library's part of the configuration."""
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {
            "structured": {
                "()": ProcessorFormatter,
                "foreign_pre_chain": list(_SHARED),
                "processors": [
                    ProcessorFormatter.remove_processors_meta,
                    *_rendering(style),
                    _without_signatures,
                ],
            }
        },
        "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "structured"}},
        "root": {"handlers": ["stderr"], "level": level},
        "loggers": {name: {"level": "WARNING"} for name in _QUIET},
    }


def _without_signatures(_logger: object, _method: str, line: Any) -> Any:  # Any: what a renderer gives is a text
    """Whoever has a signed address may answer for somebody: a path that is logged keeps all but its signature."""
    return _SIGNATURE.sub("~***", line)


def _rendering(style: str) -> list[Processor]:
    if style == "console":
        return [structlog.dev.ConsoleRenderer(colors=False, exception_formatter=structlog.dev.plain_traceback)]
    return [_TRACEBACKS, structlog.processors.JSONRenderer()]
