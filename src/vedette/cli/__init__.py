"""The command line: ``vedette NOUN VERB``. Commands parse, call the pipeline and print."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Iterator, MutableMapping
from importlib import import_module

import click
import msgspec
import structlog
from stamina import instrumentation

from vedette import __version__
from vedette.cli.audited import attach
from vedette.cli.output import error_document, printable, printable_event
from vedette.errors import UsageError, VedetteError

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
    12: "an agent cannot ask its hub; what is installed stays in force and goes on to be proved",
    130: "interrupted",
}


NOUNS = {
    "agent": "agent",
    "allow": "allow",
    "audit": "audit",
    "backup": "backup",
    "bundle": "bundle",
    "coverage": "coverage",
    "demo": "demo",
    "deny": "allow",
    "feedback": "feedback",
    "hit": "hit",
    "hunt": "hunt",
    "indicator": "indicator",
    "init": "init",
    "key": "key",
    "notify": "notify",
    "pool": "pool",
    "restore": "backup",
    "rollout": "rollout",
    "run": "run",
    "sensor": "sensor",
    "serve": "serve",
    "sighting": "sighting",
    "source": "source",
    "token": "token",
    "warninglist": "warninglist",
}
"""Every command and the module of this package that has it, as a function of the same name."""


_STRICT = 0o077
_NOT_OTHERS = 0o022


class _Commands(MutableMapping[str, click.Command]):
    """Imports a command when it is asked for: beside an engine nothing of the hub is there."""

    def __init__(self) -> None:
        self._modules = dict(NOUNS)
        self._loaded: dict[str, click.Command] = {}

    def __getitem__(self, name: str) -> click.Command:
        if name not in self._loaded:
            module = import_module(f"{__name__}.{self._modules[name]}")
            self._loaded[name] = getattr(module, name)
            attach(self._loaded[name], name)
        return self._loaded[name]

    def __setitem__(self, name: str, command: click.Command) -> None:
        self._modules[name] = ""
        self._loaded[name] = command

    def __delitem__(self, name: str) -> None:
        del self._modules[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._modules)

    def __len__(self) -> int:
        return len(self._modules)


@click.group(
    commands=_Commands(),
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
    # Whatever it was started by: nobody else may write where what sensors load comes from.
    os.umask(os.umask(_STRICT) | _NOT_OTHERS)
    _log_to_stderr(verbose)


def _log_to_stderr(verbose: int) -> None:
    level = (logging.WARNING, logging.INFO, logging.DEBUG)[min(verbose, 2)]
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,  # without what the variables held: secrets
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


def main() -> None:
    """Run a command and turn the errors raised on purpose into text and an exit code."""
    arguments = sys.argv[1:]
    try:
        code = vedette.main(args=arguments, prog_name="vedette", standalone_mode=False)
    except VedetteError as error:
        _report(error, as_json="--json" in arguments)
        sys.exit(error.exit_code)
    except UnicodeEncodeError as error:
        # Of an argument: what others wrote is decoded before, with its errors handled.
        if not any(map(_is_no_text, arguments)):
            raise
        said = UsageError(f"an argument is no text: {error.object!r:.200}", hint="Write UTF-8.")
        _report(said, as_json="--json" in arguments)
        sys.exit(said.exit_code)
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


def _is_no_text(argument: str) -> bool:
    return any("\ud800" <= character <= "\udfff" for character in argument)


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
