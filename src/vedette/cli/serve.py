"""``vedette serve``: where sensors and other tools fetch generations, and report."""

from __future__ import annotations

import signal

import click
import structlog

from vedette.cli.common import settings, with_output
from vedette.cli.logs import log_events
from vedette.cli.output import Output
from vedette.errors import ConfigError

log = structlog.get_logger(__name__)


@click.command()
@with_output
def serve(out: Output) -> None:
    """Answer agents, suricata-update and Scirius until stopped (Ctrl-C, SIGTERM).

    Where it listens is in [serve] of vedette.toml. It needs no `vedette run` beside it, and does
    not hinder one. What happens is logged to standard error; with --json as one JSON object a line.
    """
    try:
        from vedette.web.running import Service  # noqa: PLC0415
    except ModuleNotFoundError as error:
        raise ConfigError(
            f"'vedette serve' needs {error.name}, which is not installed",
            hint="Install Vedette with its hub: vedette[hub]",
        ) from error
    log_events(as_json=out.as_json)
    service = Service(settings())
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: service.stop())
    service.run(lambda: log.info("serve.started", address=service.url))
    log.info("serve.ended")
