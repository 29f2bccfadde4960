"""suricata-update takes a bundle unmodified, and sees when only a dataset changed."""

from __future__ import annotations

import re
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from vedette.bundle import Builder, latest
from vedette.model import IndicatorType as T
from vedette.model import Key
from vedette.ruleset.engine import Target
from vedette.ruleset.levels import by_level
from vedette.testing.engine import Engine
from vedette.testing.indicators import ListedKeys

KEYS = [
    Key(T.DOMAIN, "evil.example"),
    Key(T.HOSTNAME, "host.example"),
    Key(T.IP_DST, "192.0.2.1"),
    Key(T.IP_DST, "10.0.0.0/8"),
    Key(T.URL, "evil.example/path"),
    Key(T.SHA256, "0" * 64),
    Key(T.MD5, "0" * 32),
    Key(T.CERT_SHA256, "0" * 64),
]


def pack(root: Path, target: Target, *keys: Key, told: bool = False) -> int:
    """Publish, put the files of a target into an archive, and return the number of rules."""
    listed = ListedKeys(keys, levels={key: number % 4 for number, key in enumerate(keys)})
    levels = by_level(listed) if told else None
    Builder(root=root / "bundles", targets=[target]).build(listed, levels=levels)
    generation = latest(root / "bundles")
    assert generation is not None
    with tarfile.open(root / "vedette.tar.gz", "w:gz") as archive:
        for name, path in generation.sources(str(target)).items():
            archive.add(path, f"rules/{name}")
    return len(generation.manifest.rules_for(str(target)).rules)


def update(root: Path, engine: Engine) -> str:
    """Run suricata-update on the archive and return what it said."""
    command = [
        str(Path(sys.executable).with_name("suricata-update")),
        *("--data-dir", str(root / "data"), "--output", str(root / "rules"), "--now"),
        *("--suricata", str(engine.binary), "--suricata-conf", str(engine.yaml)),
        *("--no-test", "--no-reload", "--url", f"file://{root}/vedette.tar.gz"),
    ]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return done.stdout + done.stderr


@pytest.mark.parametrize("told", [False, True], ids=["plain", "levels"])
def test_suricata_update_installs_every_rule_with_its_files(
    engine: Engine, tmp_path: Path, *, told: bool
) -> None:
    more = [Key(T.DOMAIN, f"{number}.example") for number in range(4)]
    count = pack(tmp_path, Target(engine.profile), *KEYS, *more, told=told)
    assert f"total: {count}; enabled: {count};" in update(tmp_path, engine)
    result = engine.check(tmp_path / "rules", "suricata.rules")
    assert (result.rc, result.warnings, result.errors) == (0, [], [])


def test_suricata_update_sees_that_only_a_dataset_changed(engine: Engine, tmp_path: Path) -> None:
    target = Target(engine.profile)
    pack(tmp_path, target, *KEYS)
    update(tmp_path, engine)
    assert "No changes detected" in update(tmp_path, engine)
    pack(tmp_path, target, *KEYS, Key(T.CERT_SHA256, "1" * 64))
    said = update(tmp_path, engine)
    assert "No changes detected" not in said
    rules = (tmp_path / "rules/suricata.rules").read_text()
    assert set(re.findall(r"vedette_set ([a-z0-9-]+),.* rev:2;", rules)) == {
        "vedette-cert-sha256",
        "vedette-generation",
    }
    (file,) = set(re.findall(r"isset,vedette-cert-sha256,.*load ([^,]+),", rules))
    assert "1" * 64 in (tmp_path / "rules" / file).read_text().splitlines()
