"""What every command shares: ``--json``, the configuration, an open hub."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import click

from vedette.cli.output import error_document, with_output
from vedette.config import Settings, find_config, load
from vedette.pipeline.hub import Hub

__all__ = ["error_document", "hub", "settings", "with_output"]


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
