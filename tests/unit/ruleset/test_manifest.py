"""A manifest is read by older and newer versions, and says what it does not have."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from vedette.bundle import Builder
from vedette.errors import BundleError
from vedette.model import IndicatorType as T
from vedette.model import Key
from vedette.ruleset.manifest import FORMAT, Manifest
from vedette.testing.indicators import ListedKeys


@pytest.fixture
def manifest(tmp_path: Path) -> Manifest:
    keys = [Key(T.DOMAIN, "evil.example"), Key(T.SHA256, "0" * 64)]
    return Builder(root=tmp_path).build(ListedKeys(keys)).manifest


def test_it_reads_its_own_text(manifest: Manifest) -> None:
    assert Manifest.from_json(manifest.to_json()) == manifest


def test_fields_of_a_newer_version_are_ignored(manifest: Manifest) -> None:
    text = json.loads(manifest.to_json())
    text["tomorrow"] = text["sets"][0]["tomorrow"] = 1
    assert Manifest.from_json(json.dumps(text).encode()) == manifest


def test_a_newer_format_is_refused(manifest: Manifest) -> None:
    text = json.loads(manifest.to_json()) | {"format": FORMAT + 1}
    with pytest.raises(BundleError, match="format 2, this Vedette reads up to 1"):
        Manifest.from_json(json.dumps(text).encode())


def test_what_is_no_manifest_is_refused() -> None:
    for data in (b"{}", b'{"format": 1, "prefix": "\xac"}'):
        with pytest.raises(BundleError, match="not a manifest"):
            Manifest.from_json(data)


def test_a_set_is_found_by_its_name(manifest: Manifest) -> None:
    info = manifest.set("vedette-domain")
    assert info.is_dataset
    assert info.size == (info.memcap_bytes, info.hashsize)
    assert not manifest.set("vedette-sha256").is_dataset
    with pytest.raises(KeyError):
        manifest.set("vedette-nothing")


def test_a_profile_that_was_not_built_is_named(manifest: Manifest) -> None:
    assert manifest.rules_for("7.0").profile == "7.0"
    with pytest.raises(
        BundleError, match=r"not built for Suricata profile 8\.0\+context"
    ) as failure:
        manifest.rules_for("8.0+context")
    assert "7.0, 8.0, 8.0.7" in failure.value.hint
