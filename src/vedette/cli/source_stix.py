"""``vedette source add stix`` and ``add taxii``."""

from __future__ import annotations

from typing import Any

import click

from vedette.cli.common import with_output
from vedette.cli.output import Output
from vedette.cli.source_options import (
    connection_options,
    rate_limit_option,
    saving_options,
    size_option,
)
from vedette.cli.source_saving import located, save, split

_TLP = click.option("--tlp", help="TLP of what no marking is on.")
_TAGS = click.option("--tags", multiple=True, help="Tag for all its values; repeatable.")


@click.command("stix")
@click.argument("location")
@_TAGS
@_TLP
@size_option
@connection_options
@saving_options
@with_output
def add_stix(out: Output, location: str, **options: Any) -> None:
    """Add STIX 2.0 or 2.1 bundles: a file, a directory of files, or an http(s) URL."""
    saving, _, rest = split(options)
    save(out, "stix", {"location": located(location), **rest}, saving)


@click.command("taxii")
@click.argument("url")
@click.option("--collection", help="Its id, title or alias (default: the only one).")
@click.option("--user", help="Name of the login; a key goes into --header-file.")
@click.option("--password-file", metavar="FILE", help="File with the password of --user.")
@_TAGS
@_TLP
@click.option("--page-size", type=int, help="Objects in one answer (default 1000).")
@rate_limit_option
@click.option("--max-objects", type=int, metavar="N", help="Most that one pull reads.")
@connection_options
@saving_options
@with_output
def add_taxii(out: Output, url: str, **options: Any) -> None:
    """Add a TAXII 2.1 collection, by the address of discovery, its API root, or itself."""
    saving, _, rest = split(options)
    save(out, "taxii", {"url": url, **rest}, saving)
