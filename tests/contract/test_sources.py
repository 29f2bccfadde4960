"""What every kind of source promises (vedette.sources.base), held against each of them.

A new kind adds one line to ``EXAMPLES``: how to make a small input with good and bad values, and
how to change and to take away that input.
"""

from __future__ import annotations

import json
import subprocess
import sys
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from vedette.errors import SourceError, UsageError
from vedette.model import Broken, Fetched, Indicator, Item, Rejected, Unchanged
from vedette.sources import BUILTIN, build
from vedette.sources.base import Source
from vedette.testing.fake_misp import FakeMisp
from vedette.testing.fake_taxii import FakeTaxii
from vedette.testing.loopback import LoopbackServer, Request, Response, files_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """A source over a small input in a directory of its own."""

    source: Source
    change: Callable[[], None]
    """Adds ``added.example`` to the input."""
    remove: Callable[[], None]
    """Takes the input away."""
    close: Callable[[], None] = lambda: None
    """Called at the end, whatever happened."""


def plain_list(directory: Path) -> Example:
    path = directory / "list.txt"
    path.write_text("evil.example\nno name at all\n198.51.100.7\n\nlast.example\n")

    def change() -> None:
        path.write_text(path.read_text() + "added.example\n")

    settings = {"name": "example", "location": str(path), "type": "domain"}
    return Example(source=build("list", settings), change=change, remove=path.unlink)


ATTRIBUTES = [
    {"type": "domain", "value": value, "uuid": f"00000000-0000-4000-8000-00000000000{number}"}
    for number, value in enumerate(["evil.example", "no name at all", "198.51.100.7"])
]
LAST = {"type": "domain", "value": "last.example"}
ADDED = {"type": "domain", "value": "added.example"}


def misp_feed(directory: Path) -> Example:
    uuid = "aaaaaaaa-0000-4000-8000-000000000000"
    manifest, path = directory / "manifest.json", directory / f"{uuid}.json"

    def write(timestamp: str, *attributes: dict[str, str]) -> None:
        event = {"uuid": uuid, "info": "example", "Attribute": [*ATTRIBUTES, *attributes]}
        path.write_text(json.dumps({"Event": event}))
        manifest.write_text(json.dumps({uuid: {"timestamp": timestamp}}))

    def remove() -> None:
        path.unlink()
        manifest.unlink()

    write("1", LAST)
    return Example(
        source=build("misp-feed", {"name": "example", "location": str(directory)}),
        change=lambda: write("2", LAST, ADDED),
        remove=remove,
    )


def misp(directory: Path) -> Example:
    times = iter(range(1_700_000_000, 1_800_000_000))
    server = FakeMisp(clock=lambda: next(times))
    server.start()
    key_file = directory / "misp.key"
    key_file.write_text(server.read_only_key)
    key_file.chmod(0o600)
    data = {"info": "example", "published": True, "Attribute": [*ATTRIBUTES, LAST]}
    event = server.state.add_event(data)
    server.state.add_event({"info": "another", "published": True, "Attribute": [LAST]})

    def change() -> None:
        server.state.add_attribute(event, ADDED)
        server.state.publish(event)

    settings = {"name": "example", "url": server.url, "key_file": str(key_file), "retries": 1}
    return Example(
        source=build("misp", settings), change=change, remove=server.stop, close=server.stop
    )


def stix_objects(last: str) -> list[dict[str, str]]:
    patterns = [f"[domain-name:value = '{one['value']}']" for one in ATTRIBUTES]
    return [
        {
            "type": "indicator",
            "id": f"indicator--00000000-0000-4000-8000-00000000000{number}",
            "modified": "2026-01-01T00:00:00Z",
            "pattern": pattern,
        }
        for number, pattern in enumerate([*patterns, last])
    ]


STIX_LAST = "[domain-name:value = 'last.example']"
STIX_CHANGED = "[domain-name:value IN ('last.example', 'added.example')]"


def stix(directory: Path) -> Example:
    path = directory / "bundle.json"

    def write(last: str) -> None:
        path.write_text(json.dumps({"type": "bundle", "objects": stix_objects(last)}))

    write(STIX_LAST)
    return Example(
        source=build("stix", {"name": "example", "location": str(path)}),
        change=lambda: write(STIX_CHANGED),
        remove=path.unlink,
    )


def taxii(directory: Path) -> Example:
    server = FakeTaxii(stix_objects(STIX_LAST), page_size=2)
    server.start()

    def change() -> None:
        changed = stix_objects(STIX_CHANGED)[-1]
        server.add({**changed, "modified": "2026-02-01T00:00:00Z"})

    return Example(
        source=build("taxii", {"name": "example", "url": server.url, "retries": 1}),
        change=change,
        remove=server.stop,
        close=server.stop,
    )


def over_http(kind: str, local: Callable[[Path], Example], name: str) -> Callable[[Path], Example]:
    """Serve the input of another example from a web server that knows what a client holds."""

    def made(directory: Path) -> Example:
        files = files_of(directory)

        def respond(request: Request) -> Response:
            answer = files(request)
            tag = {"ETag": f'"{zlib.crc32(answer.body):08x}"'}
            if answer.status == 200 and request.headers.get("if-none-match") == tag["ETag"]:
                return Response(304, headers=tag)
            return Response(answer.status, answer.body, answer.content_type, tag)

        example = local(directory)
        server = LoopbackServer(respond)
        server.start()
        settings = {"name": "example", "location": f"{server.url}/{name}", "retries": 1}
        if kind == "list":
            settings["type"] = "domain"
        return replace(example, source=build(kind, settings), close=server.stop)

    return made


def imported(directory: Path) -> Example:
    path = directory / "case.jsonl"

    def write(*attributes: dict[str, str]) -> None:
        taken = {"vedette_import": 1, "origin": "report.txt"}
        rows = [{"type": "domain", "value": one["value"]} for one in attributes]
        path.write_text("".join(f"{json.dumps(line)}\n" for line in (taken, *rows)))

    write(*ATTRIBUTES, LAST)
    return Example(
        source=build("import", {"name": "example", "location": str(path)}),
        change=lambda: write(*ATTRIBUTES, LAST, ADDED),
        remove=path.unlink,
    )


EXAMPLES: dict[str, Callable[[Path], Example]] = {
    "import": imported,
    "list": plain_list,
    "list over http": over_http("list", plain_list, "list.txt"),
    "misp": misp,
    "misp-feed": misp_feed,
    "misp-feed over http": over_http("misp-feed", misp_feed, ""),
    "stix": stix,
    "taxii": taxii,
}


@pytest.fixture(params=sorted(EXAMPLES))
def example(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Example]:
    made: Example = EXAMPLES[request.param](tmp_path)
    yield made
    made.close()


def versions(items: list[Item]) -> dict[str, str]:
    return {item.key: item.version for item in items if isinstance(item, Fetched)}


def values(items: list[Item]) -> set[str]:
    return {item.value for item in items if isinstance(item, Indicator)}


def test_it_streams(example: Example) -> None:
    items = example.source.fetch({})
    assert isinstance(items, Iterator)
    assert next(items) is not None


def test_the_same_input_gives_the_same_items_in_the_same_order(example: Example) -> None:
    assert list(example.source.fetch({})) == list(example.source.fetch({}))


def test_every_item_belongs_to_a_group_that_ends(example: Example) -> None:
    items = list(example.source.fetch({}))
    assert isinstance(items[-1], (Fetched, Unchanged, Broken))
    groups = [item.key for item in items if isinstance(item, (Fetched, Unchanged, Broken))]
    assert len(groups) == len(set(groups))


def test_an_indicator_carries_the_context_of_its_group(example: Example) -> None:
    keys: set[str] = set()
    for item in example.source.fetch({}):
        if isinstance(item, Indicator):
            keys.add(item.context.key)
            assert item.context.info
        elif isinstance(item, Fetched):
            assert keys <= {item.key}
            keys.clear()


def test_a_bad_value_is_rejected_with_place_and_reason_and_the_rest_goes_on(
    example: Example,
) -> None:
    items = list(example.source.fetch({}))
    rejected = [place for place, item in enumerate(items) if isinstance(item, Rejected)]
    indicators = [place for place, item in enumerate(items) if isinstance(item, Indicator)]
    assert rejected
    assert min(indicators) < rejected[0] < max(indicators)
    for place in rejected:
        item = items[place]
        assert isinstance(item, Rejected)
        assert item.ref
        assert item.reason
        assert len(item.value) <= 200


def test_what_has_not_changed_is_only_named(example: Example) -> None:
    first = list(example.source.fetch({}))
    second = list(example.source.fetch(versions(first)))
    assert second
    assert {item.key for item in second if isinstance(item, Unchanged)} == versions(first).keys()
    assert not values(second)


def test_what_has_changed_is_fetched_again_whole(example: Example) -> None:
    first = list(example.source.fetch({}))
    example.change()
    second = list(example.source.fetch(versions(first)))
    changed = {key for key, version in versions(second).items() if versions(first)[key] != version}
    assert changed
    assert "added.example" in values(second)
    before = {
        item.value for item in first if isinstance(item, Indicator) and item.context.key in changed
    }
    assert before < values(second)


def test_a_version_that_nobody_understands_means_that_nothing_is_held(example: Example) -> None:
    first = list(example.source.fetch({}))
    for version in ("", "{", "1", '{"settings": 1}', "\x00"):
        held = dict.fromkeys(versions(first), version)
        assert list(example.source.fetch(held)) == first


def test_an_input_that_is_gone_is_an_error_that_says_what_to_do(example: Example) -> None:
    example.remove()
    with pytest.raises(SourceError) as failed:
        list(example.source.fetch({}))
    assert failed.value.hint


@pytest.mark.parametrize("kind", sorted(BUILTIN))
def test_every_kind_is_in_the_table_under_its_own_name(kind: str) -> None:
    assert BUILTIN[kind].kind == kind


@pytest.mark.parametrize("kind", sorted(BUILTIN))
def test_a_setting_that_does_not_exist_is_a_usage_error(kind: str) -> None:
    with pytest.raises(UsageError, match="no setting 'colour'"):
        build(kind, {"name": "example", "colour": "red"})


@pytest.mark.parametrize("kind", sorted(BUILTIN))
def test_a_setting_that_is_missing_is_a_usage_error(kind: str) -> None:
    with pytest.raises(UsageError, match="missing required"):
        build(kind, {})


def test_the_memory_of_a_list_does_not_grow_with_its_length(tmp_path: Path) -> None:
    path = tmp_path / "list.txt"
    with path.open("w") as lines:
        lines.writelines(f"name-{number}.example\n" for number in range(400_000))
    script = (
        "import resource, sys\n"
        "from vedette.sources import build\n"
        "settings = {'name': 'x', 'location': sys.argv[1], 'type': 'domain'}\n"
        "items = build('list', settings).fetch({})\n"
        "next(items)\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "count = sum(1 for _ in items)\n"
        "print(count, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)\n"
    )
    command = [sys.executable, "-c", script, str(path)]
    output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    count, grown_kib = map(int, output.splitlines()[-1].split())
    assert count == 400_000
    assert grown_kib < 16_384
