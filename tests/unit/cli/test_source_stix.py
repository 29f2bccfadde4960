"""``source add stix`` and ``add taxii``, from the first look to the indicator that is gone."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from vedette.testing.command import Cli
from vedette.testing.fake_taxii import FakeTaxii


def an_indicator(number: int) -> dict[str, Any]:
    return {
        "type": "indicator",
        "id": f"indicator--{number:08d}-0000-4000-8000-000000000000",
        "modified": "2026-01-01T00:00:00Z",
        "pattern": f"[domain-name:value = 'evil-{number}.example']",
    }


def write(path: Path, *numbers: int) -> None:
    path.write_text(json.dumps({"type": "bundle", "objects": [*map(an_indicator, numbers)]}))


def test_a_bundle_is_looked_at_added_and_followed(cli: Cli, tmp_path: Path) -> None:
    bundle = tmp_path / "partner.stix2"
    write(bundle, 1, 2, 3, 4)
    cli("init")
    looked = cli("source", "add", "stix", bundle, "--test")
    assert "4 indicators would come" in looked.out
    added = cli("source", "add", "stix", bundle, "--tags", "from:partner", "--tlp", "amber")
    assert added.code == 0, added.err
    assert "partner: 4 entries (+4 -0)" in cli("source", "pull").out
    shown = cli("indicator", "show", "evil-1.example").out
    assert "from:partner" in shown
    assert "amber" in shown
    write(bundle, 1, 2, 3, 5)
    assert "partner: 4 entries (+1 -1)" in cli("source", "pull").out
    assert "partner: 4 entries (+0 -0)" in cli("source", "pull").out
    bundle.write_text("{")
    failed = cli("source", "pull")
    assert failed.code == 3
    assert "no JSON" in failed.out
    assert "evil-5.example" in cli("indicator", "show", "evil-5.example").out


def test_a_collection_is_added_with_a_password_from_a_file(cli: Cli, tmp_path: Path) -> None:
    password = tmp_path / "password"
    password.write_text("secret")
    password.chmod(0o600)
    cli("init")
    with FakeTaxii(map(an_indicator, range(3)), login=("me", "secret")) as server:
        login = ("--user", "me", "--password-file", password, "--name", "partner")
        address = f"{server.url}/taxii2/"
        looked = cli("source", "add", "taxii", address, *login, "--test")
        assert "collection: Indicators" in looked.out
        assert cli("source", "add", "taxii", address, *login).code == 0
        assert "partner: 3 entries (+3 -0)" in cli("source", "pull").out
        server.add({**an_indicator(1), "modified": "2026-02-01T00:00:00Z", "revoked": True})
        assert "partner: 2 entries (+0 -1)" in cli("source", "pull").out
        shown = cli("source", "show", "partner")
        assert "revoked" in shown.out
        assert "secret" not in shown.out


def test_half_a_login_is_refused(cli: Cli) -> None:
    cli("init")
    refused = cli("source", "add", "taxii", "http://127.0.0.1:1/taxii2/", "--user", "me")
    assert refused.code == 2
    assert "password_file" in refused.err
