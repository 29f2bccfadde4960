"""What a command that runs forever writes to standard error."""

from __future__ import annotations

import logging
import sys

import structlog

from vedette.cli.output import printable_event


def log_events(*, as_json: bool) -> None:
    """Log from the level ``info`` on, whatever -v says: a daemon's events are its output."""
    renderers = (
        [structlog.processors.JSONRenderer()]
        if as_json
        else [printable_event, structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())]
    )
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            *renderers,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=False,
    )
