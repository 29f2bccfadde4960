"""Other ways to read a MISP's attributes: ``misp_peers.py WHAT URL KEY COUNT PAGE``.

Run as processes of their own, to be measured beside Vedette's pull.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping


def pymisp_pages(url: str, key: str, count: int, page: int) -> None:
    """PyMISP, page by page, keeping type and value only: as frugal as it can be used."""
    from pymisp import PyMISP  # noqa: PLC0415 - the others must not pay for it

    misp = PyMISP(url, key, ssl=False)
    found: list[tuple[str, str]] = []
    for number in range(1, -(-count // page) + 1):
        answer = misp.search(
            controller="attributes",
            limit=page,
            page=number,
            deleted=False,
            include_event_tags=True,
            include_event_uuid=True,
        )
        assert isinstance(answer, dict)
        found += [(item["type"], item["value"]) for item in answer["Attribute"]]
    print(len(found))


def pymisp_objects(url: str, key: str, count: int, page: int) -> None:
    """PyMISP's objects, page by page, none of them kept: its object path at its most frugal."""
    from pymisp import PyMISP  # noqa: PLC0415

    misp = PyMISP(url, key, ssl=False)
    found = 0
    for number in range(1, -(-count // page) + 1):
        found += len(
            misp.search(
                controller="attributes",
                limit=page,
                page=number,
                deleted=False,
                include_event_tags=True,
                include_event_uuid=True,
                pythonify=True,
            )
        )
    print(found)


def vedette_items(url: str, key: str, _count: int, _page: int) -> None:
    """Vedette's source: parsed, checked, normalized, with their context; nothing is stored."""
    import logging  # noqa: PLC0415
    import tempfile  # noqa: PLC0415

    import structlog  # noqa: PLC0415

    from vedette.model import Indicator  # noqa: PLC0415
    from vedette.sources.misp_api import MispApi  # noqa: PLC0415

    quiet = structlog.make_filtering_bound_logger(logging.WARNING)
    structlog.configure(wrapper_class=quiet)
    with tempfile.NamedTemporaryFile("w") as key_file:
        key_file.write(key)
        key_file.flush()
        source = MispApi(name="misp", url=url, key_file=key_file.name)
        print(sum(isinstance(item, Indicator) for item in source.fetch({})))


def parse_only(url: str, key: str, count: int, page: int) -> None:
    """Seconds that only the parsing of all pages takes: ours, and msgspec's into plain structs."""
    import json  # noqa: PLC0415
    import time  # noqa: PLC0415

    from misp_structs import decode  # noqa: PLC0415 - beside this program

    from vedette.misp.wire import read_page  # noqa: PLC0415

    ways: Mapping[str, Callable[[bytes], object]] = {
        "ours": read_page,
        "limit": decode,
        "json": json.loads,
    }
    spent = dict.fromkeys(ways, 0.0)
    for body in _pages(url, key, count, page):
        for name, way in ways.items():
            started = time.perf_counter()
            way(body)
            spent[name] += time.perf_counter() - started
    print(json.dumps(spent))


def pymisp_once(url: str, key: str, count: int, _page: int) -> None:
    """PyMISP with one search() for all, as its examples show."""
    from pymisp import PyMISP  # noqa: PLC0415

    misp = PyMISP(url, key, ssl=False)
    answer = misp.search(
        controller="attributes",
        limit=count,
        page=1,
        deleted=False,
        include_event_tags=True,
        include_event_uuid=True,
        pythonify=True,
    )
    print(len(answer))


def fetch_only(url: str, key: str, count: int, page: int) -> None:
    """The same pages, fetched and thrown away: the limit of any client."""
    print(sum(len(body) for body in _pages(url, key, count, page)))


def _pages(url: str, key: str, count: int, page: int) -> Iterator[bytes]:
    import httpx2  # noqa: PLC0415

    headers = {"Authorization": key, "Accept": "application/json"}
    with httpx2.Client(headers=headers, timeout=600) as client:
        for number in range(1, -(-count // page) + 1):
            body = {
                "returnFormat": "json",
                "limit": page,
                "page": number,
                "deleted": 0,
                "includeEventTags": 1,
                "includeEventUuid": 1,
            }
            answer = client.post(f"{url}/attributes/restSearch", json=body)
            yield answer.raise_for_status().content


WAYS: Mapping[str, Callable[[str, str, int, int], None]] = {
    function.__name__: function
    for function in (
        pymisp_pages,
        pymisp_objects,
        pymisp_once,
        vedette_items,
        parse_only,
        fetch_only,
    )
}

if __name__ == "__main__":
    WAYS[sys.argv[1]](sys.argv[2], sys.argv[3], int(sys.argv[4]), int(sys.argv[5]))
