"""The how-to pages are true where no sensor is needed: their commands do what the text says."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from vedette.demo import FEED
from vedette.testing.command import run_script as run
from vedette.testing.fake_misp import FakeMisp

ROOT = Path(__file__).resolve().parents[2]
HOW_TO = ROOT / "docs/how-to"

Blocks = Callable[[Path], Iterator[Any]]


def vedette_commands(page: Path, blocks: Blocks) -> list[str]:
    """Return the ``vedette`` commands of a page, one text for each block that has any."""
    return [b.text for b in blocks(page) if b.language == "console" and "vedette " in b.text]


def test_connecting_a_misp_goes_as_described(tmp_path: Path, blocks: Blocks) -> None:
    with FakeMisp() as misp:
        misp.load_feed(FEED)
        key = tmp_path / "misp.key"
        key.write_text(misp.key)
        key.chmod(0o600)
        run("vedette init", tmp_path)
        steps = [
            text.replace("https://misp.example.org", misp.url)
            .replace("/etc/vedette/misp.key", str(key))
            .replace("/srv/feeds/partner", str(FEED))
            for text in vedette_commands(HOW_TO / "connect-a-misp.md", blocks)
            if "install -m" not in text
        ]
        looked, narrowed, saved, feeds = steps
        output = run(looked, tmp_path)
        assert "version:" in output
        assert "role:" in output
        assert "14 indicators would come" in output
        assert "to_ids is false" in output
        assert "amber" in run(narrowed, tmp_path)
        output = run(saved, tmp_path)
        assert "misp: 14 entries (+14 -0), 1 rejected" in output
        assert "last pull" in output
        feed = feeds.splitlines()[0]
        assert "added source 'partner'" in run(feed, tmp_path)


SAMPLES = {
    "lines": "# comment\nevil.example\n",
    "hosts": "127.0.0.1 localhost\n0.0.0.0 evil.example\n",
    "adblock": "! comment\n||evil.example^\n@@||good.example^\n",
    "dnsmasq": "address=/evil.example/\n",
    "rpz": "$TTL 60\n@ IN SOA a. b. 1 2 3 4 5\nevil.example CNAME .\n",
    "csv": "first_seen,dst_ip,comment\n2026-11-20,198.51.100.7,x\n",
    "zeek": "#fields\tindicator\tindicator_type\tmeta.source\nevil.example\tIntel::DOMAIN\tx\n",
    "ip-port": "198.51.100.7:443\n",
    "sslbl": "# Listingdate,SHA1,Listingreason\n2026-11-20 10:00:00,"
    "da39a3ee5e6b4b0d3255bfef95601890afd80709,Example C&C\n",
}


@pytest.mark.parametrize("name", sorted(SAMPLES))
def test_adding_a_list_of_each_format_goes_as_described(
    name: str, tmp_path: Path, blocks: Blocks
) -> None:
    commands = vedette_commands(HOW_TO / "add-a-list.md", blocks)
    wanted = f"--format {name} " if name != "lines" else "bad-domains.txt"
    (command,) = [text for text in commands if wanted in text.replace("\n", " ")]
    (tmp_path / "list").write_text(SAMPLES[name])
    script = re.sub(r"add list \S+", f"add list {tmp_path / 'list'}", command.strip())
    output = run(f"vedette init\n{script.removesuffix(' --test')} --name x --test", tmp_path)
    assert "1 indicators would come" in output


def test_a_held_source_looks_as_shown(tmp_path: Path, blocks: Blocks) -> None:
    shown = next(b.text for b in blocks(HOW_TO / "held-source.md") if b.language == "text")
    path = tmp_path / "list-a.txt"
    path.write_text("".join(f"name-{number}.example\n" for number in range(41_230)))
    add = f"vedette init && vedette source add list {path} --type domain && vedette source pull"
    run(add, tmp_path)
    path.write_text("".join(f"name-{number}.example\n" for number in range(1_203)))
    held = run("vedette source pull list-a || echo exit $?", tmp_path)
    assert held == f"{shown}exit 4\n"
    steps = vedette_commands(HOW_TO / "held-source.md", blocks)
    assert "1,203 indicators would come" in run(steps[0], tmp_path)
    assert "1,203 entries" in run(steps[1], tmp_path)
    assert run("vedette source pull list-a", tmp_path)


@pytest.mark.parametrize("unit", ["run", "serve", "backup"])
def test_the_service_starts_a_command_that_exists(unit: str) -> None:
    text = (HOW_TO.parent.parent / f"deploy/systemd/vedette-{unit}.service").read_text()
    (start,) = re.findall(r"^ExecStart=\S*/vedette (.*)$", text, re.MULTILINE)
    done = subprocess.run(
        [Path(sys.executable).with_name("vedette"), *start.split()],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == 2
    assert "no configuration at /etc/vedette/vedette.toml" in done.stdout + done.stderr
