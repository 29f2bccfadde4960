"""Reading events while they change: the server's answers are real, the moments are chosen."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from email.utils import formatdate
from pathlib import Path

import msgspec
import pytest

from vedette.errors import SourceError
from vedette.model import Broken, Fetched, Indicator, Item
from vedette.sources.misp_api import MispApi
from vedette.sources.misp_reading import CHANGED, HIDDEN
from vedette.testing.fake_misp import FakeMisp
from vedette.testing.faults import Fault, FaultKind
from vedette.testing.loopback import LoopbackServer, Request, Response


class Clock:
    now = 1_700_000_000

    def __call__(self) -> float:
        return self.now


class Between:
    """A server in front of a MISP that lets something happen before a chosen request."""

    def __init__(self, misp: FakeMisp) -> None:
        self.misp = misp
        self.date: Clock | None = None
        """The clock of the ``Date`` header; ``None``: real, far ahead of MISP's timestamps."""
        self.server = LoopbackServer(self._respond)
        self._waiting: list[tuple[str, Callable[[], object]]] = []

    def before(self, path: str, happen: Callable[[], object]) -> None:
        """Before the next request to ``path``."""
        self._waiting.append((path, happen))

    def _respond(self, request: Request) -> Response:
        for waiting in self._waiting:
            if waiting[0] == request.path:
                self._waiting.remove(waiting)
                waiting[1]()
                break
        answer = self.misp._respond(request)
        now = self.date() if self.date else None
        headers = {**answer.headers, "Date": formatdate(now, usegmt=True)}
        return dataclasses.replace(answer, headers=headers)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def between(clock: Clock) -> Iterator[Between]:
    with FakeMisp(clock=clock) as misp:
        made = Between(misp)
        with made.server:
            yield made


@pytest.fixture
def source(between: Between, tmp_path: Path) -> MispApi:
    key = tmp_path / "key"
    key.write_text(FakeMisp.read_only_key)
    key.chmod(0o600)
    return MispApi(name="m", url=between.server.url, key_file=str(key), retries=1)


SEARCH, METADATA = "/attributes/restSearch", "/events/restSearch"


def add(between: Between, *values: str) -> str:
    attributes = [{"type": "domain", "value": value} for value in values]
    data = {"info": "x", "published": True, "Attribute": attributes}
    return between.misp.state.add_event(data).uuid


def values(items: list[Item]) -> list[str]:
    return [item.value for item in items if isinstance(item, Indicator)]


def known(items: list[Item]) -> dict[str, str]:
    return {item.key: item.version for item in items if isinstance(item, Fetched)}


@pytest.mark.parametrize("path", [METADATA, SEARCH])
def test_an_edit_between_list_and_reading_shows_nothing_half_done(
    between: Between, source: MispApi, clock: Clock, path: str
) -> None:
    uuid, other = add(between, "a.example"), add(between, "b.example")
    state = between.misp.state
    event = state.event(uuid)
    assert event is not None

    def edit() -> None:
        clock.now += 1
        state.add_attribute(event, {"type": "domain", "value": "draft.example"})

    between.before(path, edit)
    items = list(source.fetch({}))
    assert values(items) == ["b.example"]
    assert other in known(items)
    state.publish(event)
    assert values(list(source.fetch(known(items)))) == ["a.example", "draft.example"]


def test_an_event_edited_while_it_is_read_keeps_what_we_hold_and_is_read_again(
    between: Between, source: MispApi, clock: Clock
) -> None:
    uuid = add(between, "a.example", "b.example")
    state = between.misp.state
    event = state.event(uuid)
    assert event is not None
    held = known(list(source.fetch({})))
    clock.now += 9
    state.edit_event(event, {"info": "y", "published": True})

    def edit() -> None:
        clock.now += 1
        state.delete_attribute(event, next(iter(event.attributes.values())), hard=True)

    between.before(SEARCH, edit)
    assert list(source.fetch(held)) == [Broken(uuid, CHANGED)]
    state.publish(event)
    assert values(list(source.fetch(held))) == ["b.example"]


def test_an_event_deleted_while_it_is_read_is_broken_and_gone_the_next_time(
    between: Between, source: MispApi
) -> None:
    uuid = add(between, "a.example")
    state = between.misp.state
    event = state.event(uuid)
    assert event is not None
    between.before(METADATA, lambda: state.delete_event(event))
    assert list(source.fetch({})) == [Broken(uuid, HIDDEN)]
    assert list(source.fetch({uuid: "5:1/x"})) == []


@pytest.mark.parametrize("page_size", [2, 100])
def test_an_edit_in_the_second_of_the_last_one_is_found_by_the_next_pull(
    between: Between, source: MispApi, clock: Clock, page_size: int
) -> None:
    between.date = clock
    pulling = msgspec.structs.replace(source, page_size=page_size)
    uuid = add(between, "a.example", "b.example", "c.example")
    state = between.misp.state
    first = list(pulling.fetch({}))
    event = state.event(uuid)
    assert event is not None
    state.add_attribute(event, {"type": "domain", "value": "same-second.example"})
    state.publish(event)  # timestamp and publication are as before
    clock.now += 9
    second = list(pulling.fetch(known(first)))
    assert "same-second.example" in values(second)
    assert values(list(pulling.fetch(known(second)))) == []


def test_pages_out_of_order_are_refused(between: Between, source: MispApi) -> None:
    add(between, "a.example", "b.example")
    rows = ",".join(
        f'{{"id":"{n}","event_id":"1","uuid":"{n}","type":"domain","value":"{n}.example"}}'
        for n in (2, 1)
    )
    body = f'{{"response":{{"Attribute":[{rows}]}}}}'.encode()
    between.server.faults.add(Fault(FaultKind.BODY, path="attributes", body=body))
    with pytest.raises(SourceError, match="not in the order asked for"):
        list(source.fetch({}))


def test_a_page_that_a_cache_kept_from_before_is_not_taken_for_the_new_one(
    between: Between, source: MispApi, clock: Clock
) -> None:
    uuid = add(between, "a.example")
    state = between.misp.state
    event = state.event(uuid)
    assert event is not None
    held = known(list(source.fetch({})))
    clock.now += 9
    state.add_attribute(event, {"type": "domain", "value": "b.example"})
    state.publish(event)
    between.server.faults.add(Fault(FaultKind.REPEAT, path="attributes", times=1))
    assert list(source.fetch(held)) == [Broken(uuid, CHANGED)]
    assert values(list(source.fetch(held))) == ["a.example", "b.example"]
