"""The command line: ``vedette NOUN VERB``. Commands parse, call the pipeline and print."""

from __future__ import annotations

import logging
import sys

import click
import msgspec
import structlog
from stamina import instrumentation

from vedette import __version__
from vedette.cli import (
    allow,
    bundle,
    coverage,
    demo,
    feedback,
    hit,
    hunt,
    indicator,
    init,
    notify,
    pool,
    run,
    sensor,
    sighting,
    source,
    warninglist,
)
from vedette.cli.common import error_document
from vedette.cli.output import printable, printable_event
from vedette.errors import VedetteError

EXIT_CODES = {
    0: "done",
    1: "an unexpected failure",
    2: "the command or vedette.toml cannot mean anything",
    3: "a source could not be read; its last good state stays in force",
    4: "a source shrank by more than a third, or grew beyond measure; held until --accept",
    5: "the database cannot be read or written",
    6: "another Vedette works on the same state directory",
    7: "a bundle cannot be built, read or verified",
    8: "a sensor cannot be reached or written",
    9: "a sensor does not hold what was published",
    10: "the pool cannot be opened, read or written; what was read stays in the spool",
    11: "a signature, a key, a token or the order of generations is not what it must be",
    130: "interrupted",
}


@click.group(
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="\b\nExit codes:\n" + "\n".join(f"  {n:>3}  {text}" for n, text in EXIT_CODES.items()),
)
@click.version_option(__version__, prog_name="vedette")
@click.option("--config", metavar="FILE", help="vedette.toml to use (default: ./, then /etc).")
@click.option("-v", "--verbose", count=True, help="Log what happens to standard error; -vv more.")
@click.pass_context
def vedette(context: click.Context, config: str | None, verbose: int) -> None:
    """Threat intelligence that network sensors actually hold."""
    context.obj = config
    _log_to_stderr(verbose)


def _log_to_stderr(verbose: int) -> None:
    level = (logging.WARNING, logging.INFO, logging.DEBUG)[min(verbose, 2)]
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            printable_event,
            structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty()),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=False,
    )
    instrumentation.set_on_retry_hooks([_note_retry])


def _note_retry(details: instrumentation.RetryDetails) -> None:
    """Log that something is tried again: whoever asked hears of it only if it fails for good."""
    structlog.get_logger(__name__).info(
        "request.tried_again",
        error=f"{type(details.caused_by).__name__}: {details.caused_by}",
        attempt=details.retry_num + 1,
        wait_s=round(details.wait_for, 2),
    )


for group in (
    init.init,
    source.source,
    indicator.indicator,
    allow.allow,
    allow.deny,
    warninglist.warninglist,
    bundle.bundle,
    sensor.sensor,
    hit.hit,
    feedback.feedback,
    hunt.hunt,
    pool.pool,
    sighting.sighting,
    coverage.coverage,
    run.run,
    notify.notify,
    demo.demo,
):
    vedette.add_command(group)


def main() -> None:
    """Run a command and turn the errors raised on purpose into text and an exit code."""
    arguments = sys.argv[1:]
    try:
        code = vedette.main(args=arguments, prog_name="vedette", standalone_mode=False)
    except VedetteError as error:
        _report(error, as_json="--json" in arguments)
        sys.exit(error.exit_code)
    except click.exceptions.Abort:
        sys.exit(130)
    except click.ClickException as error:
        _report_usage(error, as_json="--json" in arguments)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        click.echo("interrupted", err=True)
        sys.exit(130)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(0)
    sys.exit(code if isinstance(code, int) else 0)


def _report(error: VedetteError, *, as_json: bool) -> None:
    if as_json:
        click.echo(msgspec.json.encode(error_document(error)).decode())
        return
    click.echo(f"error: {printable(str(error))}", err=True)
    if error.hint:
        click.echo(f"  {printable(error.hint)}", err=True)


def _report_usage(error: click.ClickException, *, as_json: bool) -> None:
    """Report arguments that click refused, as it does itself or as a document."""
    if not as_json:
        error.show()
        return
    context = getattr(error, "ctx", None)
    command = context.command_path if context else "vedette"
    document = {
        "error": error.format_message(),
        "hint": f"See: {command} --help",
        "exit_code": error.exit_code,
    }
    click.echo(msgspec.json.encode(document).decode())
