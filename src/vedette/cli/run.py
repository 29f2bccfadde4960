"""``vedette run``: all of it, forever."""

from __future__ import annotations

import logging
import signal
import sys
import threading

import click
import structlog

from vedette.cli.common import settings, with_output
from vedette.cli.output import Output, printable_event
from vedette.pipeline.running import Runner, run_once


@click.command()
@click.option("--once", is_flag=True, help="Do everything once and exit (for a timer).")
@with_output
def run(out: Output, *, once: bool) -> None:
    """Pull on intervals, build, push, prove and read hits until stopped (Ctrl-C, SIGTERM).

    What happens is logged to standard error; with --json as one JSON object a line.
    """
    _log_events(as_json=out.as_json)
    chosen = settings()
    if once:
        if not run_once(chosen):
            click.get_current_context().exit(1)
        return
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    Runner(chosen, stop).run()


def _log_events(*, as_json: bool) -> None:
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
