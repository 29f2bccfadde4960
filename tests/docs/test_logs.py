"""Each event of the log is on its page, with what it means; none is there that nothing logs."""

from __future__ import annotations

import importlib.util
import re
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def known() -> ModuleType:
    spec = importlib.util.spec_from_file_location("log_events", ROOT / "docs/log_events.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["log_events"] = module
    spec.loader.exec_module(module)
    return module


def test_every_event_that_is_logged_has_a_meaning(known: ModuleType) -> None:
    names = [event.name for event in known.events()]
    assert len(names) > 100
    missing = sorted(set(names) - set(known.MEANS))
    assert missing == [], "say in docs/log_events.py what they mean"


def test_no_meaning_is_of_an_event_that_nothing_logs(known: ModuleType) -> None:
    assert sorted(set(known.MEANS) - {event.name for event in known.events()}) == []


def test_names_are_known_before_they_happen_and_look_alike(known: ModuleType) -> None:
    for event in known.events():
        assert re.fullmatch(r"[a-z]+\.[a-z_]+", event.name), event


def test_no_event_carries_what_could_be_a_secret(known: ModuleType) -> None:
    suspicious = re.compile(r"password|secret|authorization|cookie|key_file")
    for event in known.events():
        assert not [field for field in event.fields if suspicious.search(field)], event


def test_the_finder_sees_each_way_of_logging(known: ModuleType, tmp_path: Path) -> None:
    import ast  # noqa: PLC0415 - only here

    source = (
        "log.info('a.one', x=1)\n"
        "say = log.error if bad else log.debug\n"
        "say('a.two', y=2, **more)\n"
        "log.info('a.three' if new else 'a.four')\n"
        "structlog.get_logger(__name__).warning('a.five')\n"
        "(log.info if n else log.debug)('a.six')\n"
        "log.error(f'{name}.failed')\n"
        "other.info('no.event')\n"
    )
    found = {(name, level) for name, level, _ in known._of_module(ast.parse(source))}
    assert found == {
        ("a.one", "info"),
        ("a.two", "error"),
        ("a.two", "debug"),
        ("a.three", "info"),
        ("a.four", "info"),
        ("a.five", "warning"),
        ("a.six", "info"),
        ("a.six", "debug"),
        ("*.failed", "error"),
    }
