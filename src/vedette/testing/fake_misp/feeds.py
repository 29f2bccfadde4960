"""The fake MISP's ``/feeds``: a list of them, and fetching the MISP ones."""

from __future__ import annotations

import json
import urllib.request
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from vedette.testing.fake_misp.call import Call, Refusal, saved, unwrapped
from vedette.testing.fake_misp.memory import truth

_TIMEOUT_S = 10.0


def list_feeds(call: Call) -> Any:  # noqa: ANN401
    """``feeds/index``."""
    return [{"Feed": feed} for feed in call.state.feeds.values()]


def view_feed(call: Call) -> Any:  # noqa: ANN401
    """``feeds/view/ID``."""
    return {"Feed": _feed(call)}


def add_feed(call: Call) -> Any:  # noqa: ANN401
    """``feeds/add``."""
    number = call.state.next_id("feed")
    feed = {"id": str(number), "enabled": False, "source_format": "misp", "input_source": "network"}
    call.state.feeds[number] = feed | dict(unwrapped(call, "Feed"))
    return {"Feed": call.state.feeds[number]}


def edit_feed(call: Call) -> Any:  # noqa: ANN401
    """``feeds/edit/ID``."""
    feed = _feed(call)
    feed.update(unwrapped(call, "Feed"))
    return {"Feed": feed}


def delete_feed(call: Call) -> Any:  # noqa: ANN401
    """``feeds/delete/ID``."""
    del call.state.feeds[int(_feed(call)["id"])]
    return saved("Feed deleted.", call)


def fetch_feed(call: Call) -> Any:  # noqa: ANN401
    """``feeds/fetchFromFeed/ID``: its events arrive with the times they have."""
    feed = _feed(call)
    if not truth(feed.get("enabled")):
        return {"result": "Feed is not enabled"}
    return {"result": f"Fetching the feed has successfully completed. {_fetch(call, feed)} events."}


def fetch_all_feeds(call: Call) -> Any:  # noqa: ANN401
    """``feeds/fetchFromAllFeeds``: those that are enabled."""
    enabled = [feed for feed in call.state.feeds.values() if truth(feed.get("enabled"))]
    return {"result": f"{sum(_fetch(call, feed) for feed in enabled)} events fetched."}


def cache_feeds(call: Call) -> Any:  # noqa: ANN401
    """``feeds/cacheFeeds/SCOPE``: nothing that could be seen from outside."""
    return saved("Pull queued for background execution.", call)


def compare_feeds(_: Call) -> Any:  # noqa: ANN401
    """``feeds/compareFeeds``: nothing overlaps."""
    return []


def _feed(call: Call) -> dict[str, Any]:
    if not call.ref.isdecimal() or int(call.ref) not in call.state.feeds:
        raise Refusal(404, "Invalid feed.")
    return call.state.feeds[int(call.ref)]


def _fetch(call: Call, feed: dict[str, Any]) -> int:
    if feed.get("source_format") != "misp":
        return 0
    place = str(feed.get("url", "")).rstrip("/")
    try:
        names = [name for name in json.loads(_read(f"{place}/manifest.json")) if "/" not in name]
        for name in names:
            call.state.receive_event(json.loads(_read(f"{place}/{name}.json"))["Event"])
    except (OSError, ValueError, KeyError) as error:
        raise Refusal(500, f"Fetching the feed has failed: {error}") from error
    return len(names)


def _read(place: str) -> bytes:
    """A file of a feed: from a directory here, or from a server on this machine only."""
    parts = urlsplit(place)
    if parts.scheme in {"", "file"}:
        return Path(parts.path).read_bytes()
    if parts.hostname not in {"127.0.0.1", "localhost"}:
        raise OSError(f"{parts.hostname} is not this machine; a fake MISP asks nobody else")
    with urllib.request.urlopen(place, timeout=_TIMEOUT_S) as answer:  # noqa: S310 - loopback only
        body: bytes = answer.read()
    return body
