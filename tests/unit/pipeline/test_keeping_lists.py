"""Lists that keep themselves current: from where they came, or from the first MISP."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from vedette.config import GuardSettings, Settings
from vedette.errors import SourceError
from vedette.pipeline import keeping_lists
from vedette.pipeline.hub import Hub
from vedette.pipeline.keeping_lists import is_due, keep_lists, last, update_lists
from vedette.pipeline.pulling import pull
from vedette.pipeline.warninglists import fetched_lists, list_files
from vedette.testing.fake_misp import FakeMisp
from vedette.testing.fake_misp.warninglists import FakeWarninglist
from vedette.testing.faults import Fault, FaultKind


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[Hub]:
    with Hub(Settings(home=str(tmp_path))) as opened:
        yield opened


def put(place: Path, *members: str) -> None:
    (place / "one").mkdir(parents=True, exist_ok=True)
    names = ", ".join(f'"{name}"' for name in members)
    text = f'{{"name": "one", "type": "hostname", "version": 1, "list": [{names}]}}'
    (place / "one" / "list.json").write_text(text)


def members(hub: Hub) -> str:
    return list_files(fetched_lists(hub.settings))["one"].read_text()


def a_day_later(monkeypatch: pytest.MonkeyPatch, hub: Hub) -> None:
    later = last(hub).at + 86_400
    monkeypatch.setattr(keeping_lists.time, "time", lambda: later)


def test_what_a_person_fetched_is_fetched_again_from_there(
    hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(tmp_path / "lists", "a.example")
    update_lists(hub, str(tmp_path / "lists"))
    assert not is_due(hub)
    put(tmp_path / "lists", "b.example")
    a_day_later(monkeypatch, hub)
    assert is_due(hub)
    found = keep_lists(hub)
    assert found
    assert found.place == str(tmp_path / "lists")
    assert "b.example" in members(hub)
    assert not is_due(hub)


def test_a_place_that_is_gone_takes_nothing_away_and_is_asked_again_in_a_day(
    hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(tmp_path / "lists", "a.example")
    update_lists(hub, str(tmp_path / "lists"))
    (tmp_path / "lists").rename(tmp_path / "elsewhere")
    a_day_later(monkeypatch, hub)
    assert keep_lists(hub) is None
    assert "a.example" in members(hub)
    assert not is_due(hub)


def test_the_first_misp_is_asked_if_nobody_fetched_any(hub: Hub, tmp_path: Path) -> None:
    assert keep_lists(hub) is None
    with FakeMisp() as misp:
        misp.state.warninglists[1] = FakeWarninglist(1, "One", ["a.example"], "hostname")
        key_file = tmp_path / "key"
        key_file.write_text(misp.key)
        key_file.chmod(0o600)
        settings = {"url": misp.url, "key_file": str(key_file)}
        hub.store.add_source("m", "misp", settings, 60)
        assert keep_lists(hub) is None  # it was never pulled
        pull(hub, "m")
        found = keep_lists(hub)
        assert found
        assert (found.place, len(found.changed)) == ("m", 1)
        misp.faults.add(Fault(FaultKind.STATUS, path="/warninglists", status=500))
        with pytest.raises(SourceError):
            keep_lists(hub)
        assert list_files(fetched_lists(hub.settings))


def test_lists_of_the_operators_own_are_left_alone(tmp_path: Path) -> None:
    for guard in (
        GuardSettings(warning_lists="lists"),
        GuardSettings(lists_every=""),
        GuardSettings(enabled=False),
    ):
        with Hub(Settings(home=str(tmp_path), guard=guard)) as hub:
            assert not is_due(hub)
