from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from vedette.testing.fake_misp import FakeMisp
from vedette.testing.loopback import LoopbackServer, files_of

Ask = Callable[..., Any]
U = "cccccccc-0000-4000-8000-000000000000"


def make_feed(place: Path, *values: str, timestamp: int = 1_500_000_000) -> None:
    attributes = [
        {"uuid": f"{n:08d}-0000-4000-8000-0000000000aa", "type": "domain", "value": value}
        | {"timestamp": str(timestamp)}
        for n, value in enumerate(values)
    ]
    event = {"uuid": U, "info": "from a feed", "timestamp": str(timestamp), "Attribute": attributes}
    (place / "manifest.json").write_text(json.dumps({U: {"timestamp": str(timestamp)}}))
    (place / f"{U}.json").write_text(json.dumps({"Event": event}))


def test_events_of_a_feed_arrive_with_old_times_and_are_replaced(
    misp: FakeMisp, ask: Ask, tmp_path: Path
) -> None:
    make_feed(tmp_path, "a.example", "b.example")
    with LoopbackServer(files_of(tmp_path)) as server:
        ask("/feeds/add", {"Feed": {"name": "x", "url": server.url, "enabled": True}})
        ask("/feeds/fetchFromFeed/1", {})
        (event,) = misp.state.events.values()
        assert (event.timestamp, event.published) == (1_500_000_000, True)
        assert ask("/attributes/restSearch", {"timestamp": "1600000000"}).values == []
        misp.state.add_sighting(event.attributes[1])
        make_feed(tmp_path, "a.example", "c.example", timestamp=1_400_000_000)
        ask("/feeds/fetchFromAllFeeds")
    assert event.timestamp == 1_400_000_000, "times may go back"
    assert [(item.id, item.value) for item in event.attributes.values()] == [
        (1, "a.example"),
        (2, "c.example"),
    ]
    assert len(misp.state.sightings) == 1


def test_a_feed_that_is_off_is_not_fetched_and_one_elsewhere_never(
    misp: FakeMisp, ask: Ask, tmp_path: Path
) -> None:
    make_feed(tmp_path, "a.example")
    ask("/feeds/add", {"name": "x", "url": str(tmp_path)})
    assert ask("/feeds/fetchFromFeed/1", {}).json == {"result": "Feed is not enabled"}
    assert not misp.state.events
    ask("/feeds/edit/1", {"enabled": True, "url": "https://feeds.example/"})
    assert ask("/feeds/fetchFromFeed/1", {}).status == 500
    assert ask("/feeds/fetchFromFeed/9", {}).status == 404
