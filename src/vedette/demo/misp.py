"""The demo's MISP: :mod:`vedette.testing.fake_misp` on loopback, with our events and a key."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from msgspec import Struct

from vedette.files import write_atomically
from vedette.testing.fake_misp import SIGHTER, FakeMisp

FEED = Path(__file__).parent / "feed"
LATER = Path(__file__).parent / "later"
SOURCE = "demo-misp"
POPULAR = "github.com"
"""What an analyst marked for detection because the loader came from there: a mistake."""
_LOADER = "Loader campaign"
_LISTS = {
    "Top 1000 websites from Cisco Umbrella": (POPULAR, "wikipedia.org"),
    "Top 10K most-used sites from Tranco": (POPULAR, "wikipedia.org", "debian.org"),
}
"""Two of MISP's warning lists, with few of their members."""


class Told(Struct, kw_only=True):
    """Sightings that MISP has of one event."""

    info: str
    source: str
    """Who says so, as MISP shows it."""
    organisation: str
    sightings: int


@contextmanager
def demo_misp(home: Path) -> Iterator[FakeMisp]:
    """Serve our events, and write the key of a user who may read and report sightings."""
    with FakeMisp() as misp:
        misp.load_feed(FEED)
        event = next(one for one in misp.state.events.values() if _LOADER in one.info)
        comment = "the script was hosted there"
        misp.state.add_attribute(
            event, {"type": "domain", "value": POPULAR, "comment": comment, "to_ids": True}
        )
        misp.state.publish(event)
        for title, members in _LISTS.items():
            misp.state.add_warninglist(
                title, members, type="hostname", matching=("hostname", "domain", "url")
            )
        key = misp.add_key(SIGHTER, "Sensor team")
        write_atomically(home / "misp.key", [key.encode()], mode=0o600)
        yield misp


def told(misp: FakeMisp) -> list[Told]:
    """What MISP knows now of what its indicators met, by event, most of them first."""
    counts = Counter(
        (misp.state.events[one.event_id].info, one.source, one.org.name)
        for one in misp.state.sightings.values()
    )
    return [
        Told(info=info, source=source, organisation=organisation, sightings=n)
        for (info, source, organisation), n in sorted(
            counts.items(), key=lambda item: (-item[1], item[0])
        )
    ]
