"""Other ways to read a MISP's attributes: ``misp_peers.py WHAT URL KEY COUNT PAGE``.

Run as processes of their own, to be measured beside Vedette's pull.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping


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
    import httpx2  # noqa: PLC0415

    headers = {"Authorization": key, "Accept": "application/json"}
    size = 0
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
            size += len(answer.raise_for_status().content)
    print(size)


WAYS: Mapping[str, Callable[[str, str, int, int], None]] = {
    function.__name__: function for function in (pymisp_pages, pymisp_once, fetch_only)
}

if __name__ == "__main__":
    WAYS[sys.argv[1]](sys.argv[2], sys.argv[3], int(sys.argv[4]), int(sys.argv[5]))
