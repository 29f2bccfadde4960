"""URLs: the engine sees host and path in two buffers, so they become two sets and a flowbit.

The pair is a cross product: the hit reader compares host, port and path as one value.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator

from vedette.model import Key
from vedette.normalize import split_url
from vedette.ruleset.lines import Chunk, encode
from vedette.ruleset.sets import SetSpec
from vedette.ruleset.strings import compile_long, is_long

HOST, PATH, MAIL = SetSpec("url-host"), SetSpec("url-path"), SetSpec("url-mail")


def compile_urls(keys: Iterable[Key], datasets: Collection[str]) -> Iterator[Chunk]:
    """Write hosts, paths and whole URLs, as far as ``datasets`` are wanted, and all ``values``."""
    hosts: set[str] = set()
    paths: set[str] = set()
    values: list[str] = []
    for _, value in keys:
        host, _, path = split_url(value)
        hosts.add(host)
        paths.add(path)
        paths.add(f"http://{value}")  # the form that a proxy is asked
        values.append(value)
    written = ((HOST, sorted(hosts)), (PATH, sorted(paths)), (MAIL, values))
    for spec, found in written:
        if spec.dataset in datasets:
            yield from _with_long(spec, found)
    if values:
        yield encode(SetSpec("url", "values"), values)


def _with_long(spec: SetSpec, values: list[str]) -> Iterator[Chunk]:
    short = [value for value in values if not is_long(value)]
    if short:
        yield encode(spec, short)
    for chunk in compile_long(spec, [value for value in values if is_long(value)]):
        if not chunk.spec.is_values:  # URLs have their own
            yield chunk
