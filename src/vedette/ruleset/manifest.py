"""The index of a bundle: what is in it, from which sources, for which engines.

Readers ignore fields that they do not know, so that an older sensor agent reads a newer bundle.
"""

from __future__ import annotations

from datetime import datetime

import msgspec

from vedette.errors import BundleError
from vedette.ruleset.sizing import Size

FORMAT = 1


class SourceState(msgspec.Struct, frozen=True, kw_only=True):
    """What a source had said when the bundle was built."""

    name: str
    kind: str
    version: str = ""
    """Opaque; the source's own mark of its state."""
    pulled_at: datetime | None = None
    indicators: int = 0


class SetInfo(msgspec.Struct, frozen=True, kw_only=True):
    """One file of ``datasets/``: a dataset, a hash list, or the values behind one."""

    name: str
    """The dataset's name in the rules and on the socket."""
    dataset: str = ""
    """Its row in the buffers table."""
    role: str = ""
    """Which set of the dataset (see :class:`vedette.ruleset.sets.SetSpec`)."""
    level: str | msgspec.UnsetType = msgspec.UNSET
    """The threat level that its indicators have in common, if they were told apart by it."""
    file: str
    type: str
    """:class:`vedette.buffers.DatasetType`, or ``values``: whole indicators, for the diff only."""
    format: str
    """``base64``, ``raw`` or ``ndjson`` (never add plain entries to that over the socket)."""
    indicator_type: str
    entries: int
    """Without the canary."""
    value_bytes: int
    """What the values of a string set (and their JSON) count against memcap, without the canary."""
    sha256: str
    """Of the file."""
    content: str
    """SHA-256 of the lines without the canary's."""
    canary: str = ""
    """The raw value for dataset-lookup; ``""`` where nothing can be looked up."""
    memcap_bytes: int = 0
    hashsize: int = 0

    @property
    def is_dataset(self) -> bool:
        """Whether rules and the socket's dataset commands know it by its name."""
        return self.hashsize > 0

    @property
    def size(self) -> Size:
        """What stands in its rules."""
        return Size(self.memcap_bytes, self.hashsize)


class RuleInfo(msgspec.Struct, frozen=True, kw_only=True):
    """One rule of a rules file."""

    sid: int
    rev: int
    set: str
    """The dataset or hash list that the rule compares; ``""`` for networks in the rule itself."""
    buffer: str
    text: str
    """SHA-256 of the rule without its rev."""


class RulesInfo(msgspec.Struct, frozen=True, kw_only=True):
    """One file of ``rules/``."""

    profile: str
    """The :class:`vedette.ruleset.engine.Target`."""
    file: str
    sha256: str
    sets: tuple[str, ...]
    """All sets that the rules load, each once, in the order of the rules."""
    rules: tuple[RuleInfo, ...]
    retired: dict[str, int] = {}
    """Last rev by sid of rules that are not here any more: should they return, rev goes on."""


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """``manifest.json``."""

    format: int = FORMAT
    generation: int
    content_id: str
    """Equal for bundles that detect the same."""
    parent: int | None
    created_at: datetime
    vedette: str
    """The version of Vedette that built it."""
    prefix: str
    sid_base: int
    priorities: bool | msgspec.UnsetType = msgspec.UNSET
    """Whether indicators of high and of low threat level are in sets of their own."""
    sources: tuple[SourceState, ...]
    counts: dict[str, int]
    """Indicators by type, as the store listed them."""
    pruned: dict[str, int]
    """Names left out because a listed name above them covers them, by type."""
    unmatched: dict[str, int] = {}
    """Indicators that no rule covers, by reason."""
    sets: tuple[SetInfo, ...]
    rules: tuple[RulesInfo, ...]

    def set(self, name: str) -> SetInfo:
        """Return the set of this name.

        Raises:
            KeyError: There is none.
        """
        for info in self.sets:
            if info.name == name:
                return info
        raise KeyError(name)

    def rules_for(self, profile: str) -> RulesInfo:
        """Return the rules file of a profile.

        Raises:
            BundleError: The bundle was not built for it.
        """
        for info in self.rules:
            if info.profile == profile:
                return info
        built = ", ".join(info.profile for info in self.rules)
        raise BundleError(
            f"generation {self.generation} was not built for Suricata profile {profile}",
            hint=f"It has {built}. Run: vedette bundle build, and if that says nothing of"
            f" {profile}, add it to profiles in vedette.toml first.",
        )

    def to_json(self) -> bytes:
        """Return the text of ``manifest.json``."""
        return msgspec.json.format(msgspec.json.encode(self), indent=1) + b"\n"

    @classmethod
    def from_json(cls, data: bytes) -> Manifest:
        """Read ``manifest.json``.

        Raises:
            BundleError: It is not a manifest, or of a format that this version cannot read.
        """
        try:
            manifest = msgspec.json.decode(data, type=cls)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise BundleError(
                f"not a manifest: {error}",
                hint="It is damaged; `vedette bundle build --whole` makes a new generation.",
            ) from error
        if manifest.format > FORMAT:
            raise BundleError(
                f"the bundle has format {manifest.format}, this Vedette reads up to {FORMAT}",
                hint="Upgrade Vedette here.",
            )
        return manifest
