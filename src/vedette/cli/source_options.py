"""Options that several ``source add`` commands share."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import PurePosixPath
from typing import Any, TypeVar
from urllib.parse import urlsplit

import click

F = TypeVar("F", bound=Callable[..., Any])


def _all(*options: Callable[[F], F]) -> Callable[[F], F]:
    def decorate(function: F) -> F:
        for option in reversed(options):
            function = option(function)
        return function

    return decorate


def saving_options(function: F) -> F:
    """``--name``, and those of :func:`keeping_options`."""
    return _all(
        click.option("--name", help="Your name for it (default: from the address)."),
        keeping_options,
    )(function)


def keeping_options(function: F) -> F:
    """``--interval``, ``--test``, and what to think of the source."""
    return _all(
        click.option("--interval", help="How often `run` pulls it: 90s, 15m, 6h, 1d."),
        click.option("--test", is_flag=True, help="Only show what would come; save nothing."),
        rule_options,
    )(function)


def rule_options(function: F) -> F:
    """What an operator says about everything that a source lists."""
    return _all(
        click.option(
            "--confidence",
            type=click.IntRange(0, 100),
            help="How sure it is, 0 to 100, where it says nothing itself.",
        ),
        click.option("--age", help="How long after its last change an indicator stays: 90d."),
        click.option(
            "--review/--no-review",
            default=None,
            help="Hold each new indicator until a person releases it.",
        ),
    )(function)


def connection_options(function: F) -> F:
    """How to reach a server: TLS, proxy, time-out."""
    return _all(
        click.option("--timeout-s", type=float, help="Longest silence of the other side."),
        click.option("--ca-file", metavar="FILE", help="Your own certificate authority (PEM)."),
        click.option("--client-cert", metavar="FILE", help="Client certificate (PEM)."),
        click.option("--client-key", metavar="FILE", help="Its key, if it is apart."),
        click.option("--proxy", metavar="URL", help="http://host:port"),
        click.option(
            "--header-file",
            metavar="FILE",
            help="Headers to send, one a line: 'Auth-Key: ...', 'Authorization: Basic ...'.",
        ),
        click.option(
            "--no-verify-tls",
            "verify_tls",
            flag_value=False,
            type=bool,
            default=None,
            help="Do not check the server's certificate.",
        ),
    )(function)


def filter_options(function: F) -> F:
    """Which attributes of which events are wanted."""
    return _all(
        click.option(
            "--to-ids/--all-attributes",
            "filter_to_ids",
            default=None,
            help="Only attributes for detection (default), or all.",
        ),
        click.option("--types", "filter_types", multiple=True, help="A MISP type; repeatable."),
        click.option("--exclude-types", "filter_exclude_types", multiple=True),
        click.option("--tags", "filter_tags", multiple=True, help="Needed tag, * allowed."),
        click.option("--exclude-tags", "filter_exclude_tags", multiple=True),
        click.option(
            "--tlp", "filter_tlp", multiple=True, help="Allowed TLP; `none` for untagged."
        ),
        click.option("--organisations", "filter_organisations", multiple=True),
        click.option("--exclude-organisations", "filter_exclude_organisations", multiple=True),
        click.option("--max-age-days", "filter_max_age_days", type=int),
        click.option("--published-only/--unpublished-too", "filter_published_only", default=None),
    )(function)


def list_options(function: F) -> F:
    """How a list is written and what to say about its values."""
    return _all(
        click.option(
            "--format",
            help="lines, hosts, adblock, dnsmasq, rpz, csv, zeek, ip-port, sslbl (default: auto).",
        ),
        click.option("--column", help="CSV: name or number of the column."),
        click.option("--info", help="One line about the list, shown with every hit."),
        click.option("--tags", multiple=True, help="Tag for all its values; repeatable."),
        click.option("--tlp", help="TLP of all its values."),
        size_option,
    )(function)


def size_option(function: F) -> F:
    """How much of it is read at most."""
    return click.option(
        "--max-bytes", type=int, metavar="N", help="Most bytes that it may have, unpacked."
    )(function)


def rate_limit_option(function: F) -> F:
    """How long a server that is asked too often is waited for."""
    return click.option(
        "--rate-limit-wait-s",
        type=float,
        metavar="S",
        help="Longest wait if the server says that it is asked too often (default 60).",
    )(function)


def name_from(address: str) -> str:
    """A source name out of its address: the host, or the file's first part."""
    parts = urlsplit(address)
    text = parts.hostname if parts.scheme and parts.hostname else None
    text = text or PurePosixPath(address).name.split(".")[0]
    return re.sub(r"[^a-z0-9._-]+", "-", text.lower()).strip("-._")[:63] or "source"
