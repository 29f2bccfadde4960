"""What Scirius does with our addresses, written down from its source, run in the real engines.

Scirius itself is a Django application that cannot be installed beside the tests; ``Scirius`` below
does with a source what ``rules/models.py`` does: names, headers, archives, regular expressions.
"""

from __future__ import annotations

import base64
import io
import re
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import httpx2
import pytest
from tests.served import KEYS, Served, serving

from vedette.model import IndicatorType as T
from vedette.model import Key
from vedette.pipeline.enrolling import Block, enrol
from vedette.ruleset.manifest import Manifest
from vedette.sensor.client import SuricataSocket
from vedette.sensor.protocol import Outcome
from vedette.sensor.release import datavalue
from vedette.sensor.settings import Delivery
from vedette.testing.engine import Engine

LEVELS = tuple(Key(T.DOMAIN, f"{'a.' * labels}example") for labels in range(1, 6))
SPACED = Key(T.USER_AGENT, "save it, state machine/1.0 ")
"""Words that its filter looks for; a blank at the end; and a comma."""


class ValidationError(Exception):
    """Scirius refuses a source."""


@dataclass
class Source:
    """A row of its table of sources."""

    name: str
    datatype: str
    uri: str
    authkey: str
    files: dict[str, bytes] = field(default_factory=dict)
    """Its directory ``rules/``."""

    def clean(self) -> None:
        if self.datatype in {"other", "b64dataset"} and not self.name.replace("-", "").isalnum():
            raise ValidationError("Source name can only contain alphanum characters and dashes")

    def update(self) -> None:
        """Fetch it, whole, each time."""
        self.clean()
        headers = {"User-Agent": "scirius/3.9.0", "Authorization": self.authkey}
        response = httpx2.get(self.uri, headers=headers)
        response.raise_for_status()
        self.files = {}
        getattr(self, f"_handle_{self.datatype}")(response.content)

    def _handle_b64dataset(self, content: bytes) -> None:
        lines = io.BytesIO(content)
        self.files[self.name] = b"".join(
            base64.b64encode(line.rstrip(b"\r\n")) + b"\n" for line in lines
        )

    def _handle_other(self, content: bytes) -> None:
        self.files[self.name] = content

    def _handle_sig(self, content: bytes) -> None:
        if tarfile.is_tarfile(io.BytesIO(content)):
            raise ValidationError("This is a tar file and not a individual signature file")
        self.files["sigs.rules"] = content
        if not self.rules():
            raise ValidationError("The source contains no valid signature")

    def _handle_sigs(self, content: bytes) -> None:
        rules_dir = None
        with tarfile.open(fileobj=io.BytesIO(content)) as archive:
            for member in archive.getmembers():
                if not (member.isfile() or member.isdir()):
                    raise ValidationError("Suspect tar file contains non regular file")
                if member.name.startswith("/") or ".." in member.name:
                    raise ValidationError("Suspect tar file contains invalid path")
                if member.isdir() and f"/{member.name}".endswith("/rules"):
                    if rules_dir:
                        raise ValidationError("Tar file contains two 'rules' directory")
                    rules_dir = member.name
                if member.isfile():
                    name = Path(member.name).name
                    assert name not in self.files, "one would be overwritten without a word"
                    assert not name.endswith((".list", "categories.txt")), "taken for reputation"
                    file = archive.extractfile(member)
                    assert file is not None
                    self.files[name] = file.read()

    def rules(self) -> dict[int, str]:
        """The rules that it finds, by sid; one source is not trusted to write files."""
        found: dict[int, str] = {}
        for name, content in self.files.items():
            if not name.endswith(".rules"):
                continue
            for line in content.decode().splitlines():
                sid = re.search(r"sid *: *(\d+)", line)
                if line.startswith("#") or sid is None:
                    continue
                assert re.search(r"rev *: *(\d+)", line)
                assert re.search(r"msg *: *\"(.*?)\"", line)
                if re.search(r"dataset:.*(save|state) ", line):
                    raise ValidationError("rule disabled as source is untrusted")
                assert int(sid[1]) not in found
                found[int(sid[1])] = line
        return found


@dataclass
class Scirius:
    """Its sources, and what it pushes to a probe."""

    sources: list[Source] = field(default_factory=list)

    def add(self, block: Block) -> None:
        """Type what enrol printed into the form of a custom source."""
        given = dict(line.split(": ", 1) for line in block.text.splitlines())
        kinds = {
            "Signatures files in tar archive": "sigs",
            "Individual Signatures file": "sig",
            "String dataset file": "b64dataset",
            "Other content": "other",
        }
        source = Source(
            given["Name"], kinds[given["Data type"]], given["URI"], given["Authorization key"]
        )
        self.sources.append(source)

    def push(self, directory: Path, cut: int | None = None) -> list[int]:
        """Write ``scirius.rules`` and every other file flat beside it; return the sids."""
        directory.mkdir(exist_ok=True)
        rules: dict[int, str] = {}
        for source in self.sources:
            source.update()
            for sid, rule in source.rules().items():
                assert sid not in rules, "whole source rejected"
                rules[sid] = rule
            for name, content in source.files.items():
                if not name.endswith(".rules"):
                    (directory / name).write_bytes(content[:cut])
        (directory / "scirius.rules").write_text("\n".join(rules.values()) + "\n")
        return sorted(rules)


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    with serving(tmp_path / "hub") as hub:
        yield hub


def blocks_of(served: Served, engine: Engine) -> tuple[Block, ...]:
    """Enrol a Scirius; return what is printed for it, with the address of this test's server."""
    enrolled = enrol(
        served.hub, "selks", Delivery.SCIRIUS, by="test", now=1, engine=str(engine.profile)
    )
    return tuple(
        Block(about=block.about, text=block.text.replace(enrolled.url, served.url), is_shell=False)
        for block in enrolled.blocks
    )


def check_engine(engine: Engine, directory: Path, manifest: Manifest) -> None:
    """Start with it, and let the engine hold the canary of each set."""
    result = engine.check(directory, "scirius.rules")
    assert (result.rc, result.warnings, result.errors) == (0, [], [])
    rules = manifest.rules_for(str(engine.profile))
    with engine.live(directory, "scirius.rules") as live, SuricataSocket(live.socket) as asked:
        for info in (manifest.set(name) for name in rules.sets):
            if info.is_dataset:
                found = asked.lookup(info.name, info.type, datavalue(info, info.canary))
                assert found is Outcome.FOUND, info.name


def sids_of(manifest: Manifest, engine: Engine) -> list[int]:
    return sorted(rule.sid for rule in manifest.rules_for(str(engine.profile)).rules)


@pytest.mark.parametrize("way", ["archive", "sources"])
def test_what_enrol_prints_makes_the_engine_hold_the_generation(
    served: Served, engine: Engine, tmp_path: Path, way: str
) -> None:
    manifest = served.publish(*KEYS, *LEVELS, SPACED)
    blocks = blocks_of(served, engine)
    scirius = Scirius()
    for block in blocks[:1] if way == "archive" else blocks[1:]:
        scirius.add(block)
    assert scirius.push(tmp_path / "rules") == sids_of(manifest, engine)
    check_engine(engine, tmp_path / "rules", manifest)


def test_strings_become_the_bytes_that_we_compiled(
    served: Served, engine: Engine, tmp_path: Path
) -> None:
    manifest = served.publish(*KEYS, *LEVELS, SPACED)
    scirius = Scirius()
    for block in blocks_of(served, engine)[1:]:
        scirius.add(block)
    scirius.push(tmp_path / "rules")
    bundle = served.settings.bundles / "gen-000001/datasets"
    for name in manifest.rules_for(str(engine.profile)).sets:
        compiled = (bundle / manifest.set(name).file).read_bytes()
        assert (tmp_path / "rules" / name).read_bytes() == compiled, name


def test_a_change_comes_with_the_next_update(
    served: Served, engine: Engine, tmp_path: Path
) -> None:
    served.publish(*KEYS)
    scirius = Scirius()
    scirius.add(blocks_of(served, engine)[0])
    scirius.push(tmp_path / "rules")
    second = served.publish(*KEYS, *LEVELS)
    assert scirius.push(tmp_path / "rules") == sids_of(second, engine)
    check_engine(engine, tmp_path / "rules", second)


def test_a_token_is_sent_as_it_was_typed_and_a_wrong_one_keeps_what_was_there(
    served: Served, engine: Engine
) -> None:
    served.publish(*KEYS)
    scirius = Scirius()
    scirius.add(blocks_of(served, engine)[0])
    (source,) = scirius.sources
    token = source.authkey
    basic = base64.b64encode(f"scirius:{token}".encode()).decode()
    for authkey in (token, f"Bearer {token}", f"Basic {basic}"):
        source.authkey = authkey
        source.update()
    held = dict(source.files)
    source.authkey = f"{token[:-1]}_"
    with pytest.raises(httpx2.HTTPStatusError, match="401"):
        source.update()
    assert source.files == held


CUT = re.compile(r"hash string not 32 characters|bad base64 encoding")


@pytest.mark.parametrize("key", [T.DOMAIN, T.USER_AGENT, T.MD5])
def test_its_own_test_with_parts_of_files_complains_of_nothing_but_the_cut_line(
    served: Served, engine: Engine, tmp_path: Path, key: T
) -> None:
    """The page says so: what it tests is the first 50 KB of each file; what it pushes is all."""
    served.publish(*KEYS, *(Key(key, f"{number:032x}.example"[:32]) for number in range(8_000)))
    scirius = Scirius()
    scirius.add(blocks_of(served, engine)[0])
    scirius.push(tmp_path / "rules", cut=50 * 1024)
    errors = engine.check(tmp_path / "rules", "scirius.rules").errors
    assert len(errors) <= 1
    assert [error for error in errors if not CUT.search(error)] == []
    scirius.push(tmp_path / "rules")
    assert engine.check(tmp_path / "rules", "scirius.rules").errors == []
