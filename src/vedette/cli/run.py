"""``vedette run``: all of it, forever."""

from __future__ import annotations

import signal
import threading

import click

from vedette.cli.common import settings, with_output
from vedette.cli.logs import log_events
from vedette.cli.output import Output
from vedette.pipeline.running import Runner, run_once


@click.command()
@click.option("--once", is_flag=True, help="Do everything once and exit (for a timer).")
@with_output
def run(out: Output, *, once: bool) -> None:
    """Pull on intervals, build, push, prove and read hits until stopped (Ctrl-C, SIGTERM).

    What happens is logged to standard error; with --json as one JSON object a line.
    """
    log_events(as_json=out.as_json)
    chosen = settings()
    if once:
        if not run_once(chosen):
            click.get_current_context().exit(1)
        return
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    Runner(chosen, stop).run()
