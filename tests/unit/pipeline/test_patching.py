"""Patches between generations on disk: made once, right, or not offered."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator
from pathlib import Path

import pytest
import zstandard

from vedette.bundle import Builder
from vedette.bundle.generation import Generation, open_generation
from vedette.config import Settings
from vedette.errors import BundleError, UsageError
from vedette.model import IndicatorType as T
from vedette.model import Key
from vedette.pipeline import patching
from vedette.pipeline.hub import Hub
from vedette.pipeline.patching import patches
from vedette.ruleset.engine import PLAIN
from vedette.ruleset.patchset import How, PatchSet, read_index
from vedette.sensor.release import Release
from vedette.testing.indicators import ListedKeys

TARGET = "7.0"
MANY = [Key(T.DOMAIN, f"name-{number:05}.example") for number in range(2_000)]


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[Hub]:
    with Hub(Settings(home=str(tmp_path))) as opened:
        yield opened


def publish(hub: Hub, *keys: Key) -> Generation:
    builder = Builder(root=hub.settings.bundles, targets=PLAIN)
    manifest = builder.build(ListedKeys(keys)).manifest
    generation = open_generation(hub.settings.bundles, manifest.generation)
    assert generation is not None
    return generation


def index_of(path: Path) -> PatchSet:
    return read_index(io.BytesIO(zstandard.ZstdDecompressor().decompress(path.read_bytes())))


def hows(path: Path) -> dict[str, How]:
    return {piece.name: piece.how for piece in index_of(path).pieces}


def test_what_did_not_change_is_the_same_and_what_is_new_is_sent_whole(hub: Hub) -> None:
    old = publish(hub, *MANY)
    new = publish(hub, *MANY, Key(T.SHA256, "0" * 64))
    found = hows(patches(hub, old.manifest.content_id, new.number, TARGET))
    names = Release.from_manifest(new.manifest, TARGET).files
    assert list(found) == list(names)
    domain = next(name for name in names if "domain" in name)
    hashes = next(name for name in names if "sha256" in name)
    assert found[domain] is How.SAME
    assert found[hashes] is How.WHOLE


def test_a_file_that_is_large_and_new_is_to_be_fetched(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(patching, "WHOLE_MAX", 1_000)
    old = publish(hub, Key(T.SHA256, "0" * 64))
    new = publish(hub, *MANY)
    found = hows(patches(hub, old.manifest.content_id, new.number, TARGET))
    assert How.FETCH in {how for name, how in found.items() if "domain" in name}


def test_they_are_made_once(hub: Hub) -> None:
    old, new = publish(hub, *MANY), publish(hub, *MANY[1:])
    path = patches(hub, old.manifest.content_id, new.number, TARGET)
    made = path.stat().st_mtime_ns
    assert patches(hub, old.manifest.content_id, new.number, TARGET) == path
    assert path.stat().st_mtime_ns == made
    assert path.is_relative_to(hub.settings.artifacts / new.path.name)


def test_a_file_that_is_not_what_was_published_is_not_patched_from(hub: Hub) -> None:
    """A disk that lost bits: the agent gets the whole file instead of a wrong patch."""
    old, new = publish(hub, *MANY), publish(hub, *MANY[1:])
    files = Release.from_manifest(old.manifest, TARGET).files
    name = max(files, key=lambda one: old.sources(TARGET)[one].stat().st_size)
    damaged = new.sources(TARGET)[name]
    content = damaged.read_bytes()
    damaged.chmod(0o644)
    damaged.write_bytes(content.replace(content[100:101], b"#", 1))
    assert hashlib.sha256(damaged.read_bytes()).hexdigest() != files[name]
    found = hows(patches(hub, old.manifest.content_id, new.number, TARGET))
    assert found[name] is How.WHOLE


def test_what_was_forgotten_is_said(hub: Hub) -> None:
    old, new = publish(hub, *MANY), publish(hub, *MANY[1:])
    for path in old.path.rglob("*"):
        if path.name.startswith("vedette-"):
            path.unlink()
    with pytest.raises(BundleError, match="cannot be read"):
        patches(hub, old.manifest.content_id, new.number, TARGET)


@pytest.mark.parametrize(
    ("before", "number", "target", "error"),
    [
        ("0" * 64, 1, TARGET, BundleError),
        ("", 9, TARGET, BundleError),
        ("", 1, "8.0+context", BundleError),
        ("", 1, "9.1", UsageError),
        ("../../../etc", 1, TARGET, UsageError),
        ("0" * 3, 1, TARGET, UsageError),
    ],
)
def test_what_is_not_here_is_an_error(
    hub: Hub, before: str, number: int, target: str, error: type[Exception]
) -> None:
    held = publish(hub, *MANY).manifest.content_id
    with pytest.raises(error) as raised:
        patches(hub, before or held, number, target)
    assert getattr(raised.value, "hint", "")
