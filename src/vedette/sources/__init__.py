"""Where indicators come from: one module per kind, and this table.

A new kind is a module with a class that keeps the promises of
:class:`vedette.sources.base.Source`, and one line in ``BUILTIN``; a kind of your own comes as an
entry point of the group ``vedette.sources``.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from importlib.metadata import entry_points
from types import MappingProxyType

import msgspec

from vedette.errors import UsageError
from vedette.sources.base import Source
from vedette.sources.imported import Imported
from vedette.sources.misp_api import MispApi
from vedette.sources.misp_feed import MispFeed
from vedette.sources.plain_list import PlainList
from vedette.sources.stix import StixBundles
from vedette.sources.taxii import Taxii

GROUP = "vedette.sources"
"""The entry point group of kinds that do not come with Vedette."""

BUILTIN: Mapping[str, type[Source]] = MappingProxyType(
    {
        Imported.kind: Imported,
        MispApi.kind: MispApi,
        MispFeed.kind: MispFeed,
        PlainList.kind: PlainList,
        StixBundles.kind: StixBundles,
        Taxii.kind: Taxii,
    }
)


def find(kind: str) -> type[Source]:
    """Return the class of a kind.

    Raises:
        UsageError: There is no such kind, or its plug-in cannot be loaded.
    """
    if (builtin := BUILTIN.get(kind)) is not None:
        return builtin
    plugins = entry_points(group=GROUP)
    for plugin in plugins.select(name=kind):
        try:
            loaded: type[Source] = plugin.load()
        except (ImportError, AttributeError) as error:
            raise UsageError(
                f"the plug-in for sources of kind {kind!r} cannot be loaded: {error}",
                hint=f"It is {plugin.value}; install it again for this version of Vedette.",
            ) from error
        return loaded
    known = ", ".join(sorted({*BUILTIN, *plugins.names}))
    raise UsageError(f"there is no kind of source {kind!r}", hint=f"Kinds are: {known}.")


def build(kind: str, settings: Mapping[str, object]) -> Source:
    """Make a source from its settings.

    Raises:
        UsageError: No such kind, or a setting is missing, unknown or impossible.
    """
    cls = find(kind)
    if not issubclass(cls, msgspec.Struct):
        raise UsageError(f"the class of kind {kind!r} is no msgspec.Struct", hint="Ask its author.")
    known = {field.encode_name for field in msgspec.structs.fields(cls)}
    if unknown := sorted(settings.keys() - known):
        close = difflib.get_close_matches(unknown[0], known, n=1)
        raise UsageError(
            f"sources of kind {kind!r} have no setting {unknown[0]!r}",
            hint=f"Did you mean {close[0]!r}?"
            if close
            else f"They are: {', '.join(sorted(known))}.",
        )
    try:
        return msgspec.convert(dict(settings), cls)
    except msgspec.ValidationError as error:
        raise UsageError(
            f"a source of kind {kind!r} cannot be set up so: {error}",
            hint="Compare its settings with those in the documentation.",
        ) from error
