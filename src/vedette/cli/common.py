"""What every command shares: ``--json``, the configuration, an open hub."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import click

from vedette.cli.output import Output
from vedette.config import Settings, find_config, load
from vedette.errors import VedetteError
from vedette.pipeline.hub import Hub

R = TypeVar("R")


def with_output(function: Callable[..., R]) -> Callable[..., R]:
    """Give a command ``--json`` and pass it an :class:`Output` as its first argument."""

    @click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
    @functools.wraps(function)
    def command(*args: Any, as_json: bool, **kwargs: Any) -> R:
        return function(Output(as_json=as_json), *args, **kwargs)

    return command


def error_document(error: VedetteError) -> dict[str, Any]:
    """An error as programs get it."""
    return {"error": str(error), "hint": error.hint, "exit_code": error.exit_code}


def settings() -> Settings:
    """The settings of this invocation.

    Raises:
        ConfigError: There is no vedette.toml, or it means nothing.
    """
    return load(find_config(click.get_current_context().find_root().obj))


@contextmanager
def hub() -> Iterator[Hub]:
    """Open the hub of this invocation."""
    with Hub(settings()) as opened, opened.store.guarded():
        yield opened
