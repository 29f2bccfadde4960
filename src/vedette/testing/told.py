"""A state directory with hits on what a MISP lists, for tests and benches of what is told."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from vedette.model import Context, Entry, Hit, IndicatorType, Key
from vedette.testing.fake_misp import FakeMisp
from vedette.testing.fake_misp.model import FakeAttribute, FakeEvent

NOON = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
SENSOR = "gate-7-in-the-cellar"
"""A name that must not leave."""


def listed(misp: FakeMisp, count: int, *, events: int = 1) -> list[tuple[FakeEvent, FakeAttribute]]:
    """Let a MISP list so many domains, in so many published events."""
    found: list[tuple[FakeEvent, FakeAttribute]] = []
    for number in range(events):
        values = range(number, count, events)
        made = [{"type": "domain", "value": f"evil{n}.example", "to_ids": True} for n in values]
        event = misp.state.add_event(
            {"info": f"campaign {number}", "published": True, "Attribute": made}
        )
        found += ((event, attribute) for attribute in event.attributes.values())
    return found


def met(
    some: Iterable[tuple[FakeEvent, FakeAttribute]],
    *,
    source: str = "misp",
    **changes: Any,  # noqa: ANN401 - fields of a hit
) -> Iterator[tuple[Hit, list[Entry]]]:
    """Let each of these attributes meet the network, by a client of its own."""
    for number, (event, attribute) in enumerate(some):
        key = Key(IndicatorType.DOMAIN, attribute.value)
        fields: dict[str, Any] = {
            "key": key,
            "observed": f"www.{attribute.value}",
            "buffer": "dns.query",
            "sensor": SENSOR,
            "client": f"10.1.{number >> 8 & 255}.{number & 255}",
            "server": "10.0.0.1",
            "origin": "live",
            "first_seen": NOON,
            "last_seen": NOON + timedelta(seconds=number),
            "count": 1,
        }
        context = Context(key=event.uuid, info=event.info, tlp="amber")
        entry = Entry(
            source=source, key=key, ref=attribute.uuid, context=context, comment="", tags=()
        )
        yield Hit(**{**fields, **changes}), [entry]


def write_settings(home: Path, misp: FakeMisp, more: str = "") -> Path:
    """Write vedette.toml and the key; the source ``misp`` is told, unless ``more`` says otherwise.

    Returns:
        The file of the key.
    """
    key = home / "misp.key"
    key.write_text(misp.key)
    key.chmod(0o600)
    feedback = "" if "[feedback]" in more else '[feedback]\nsources = ["misp"]\n'
    (home / "vedette.toml").write_text(f"{feedback}{more}")
    return key
