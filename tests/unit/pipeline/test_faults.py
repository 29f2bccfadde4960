"""Disk full, no permission, a kill in the middle: an error that says what to do, nothing lost."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest


def vedette(home: Path, *arguments: str, before: str = "") -> subprocess.CompletedProcess[str]:
    """A command in a process of its own, prepared by some Python."""
    script = f"import sys\n{before}\nsys.argv = ['vedette', *{list(arguments)!r}]\n"
    script += "from vedette.cli import main\nmain()\n"
    return subprocess.run(
        [sys.executable, "-c", script], cwd=home, capture_output=True, text=True, check=False
    )


@pytest.fixture
def home(tmp_path: Path) -> Path:
    vedette(tmp_path, "init")
    (tmp_path / "list.txt").write_text("evil.example\n")
    vedette(tmp_path, "source", "add", "list", "list.txt", "--type", "domain", "--name", "l")
    vedette(tmp_path, "source", "pull")
    vedette(tmp_path, "bundle", "build")
    return tmp_path


def generation(home: Path) -> str:
    return str((home / "state/bundles/current").readlink())


PULL_AND_BUILD = textwrap.dedent("""
    from pathlib import Path
    from vedette.config import load
    from vedette.pipeline.building import build
    from vedette.pipeline.hub import Hub
    from vedette.pipeline.pulling import pull
    hub = Hub(load(Path("vedette.toml")))
    print("go", flush=True)
    pull(hub, "l")
    build(hub)
""")
LIMIT = textwrap.dedent("""
    import resource, signal
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (400_000, 400_000))
""")


def test_a_full_disk_during_a_pull_keeps_the_last_state(home: Path) -> None:
    names = "".join(f"d{n}.example\n" for n in range(60_000))
    (home / "list.txt").write_text("evil.example\n" + names)
    failed = vedette(home, "source", "pull", before=LIMIT)
    assert failed.returncode == 5, failed.stderr
    assert "nothing was lost" in failed.stdout + failed.stderr
    shown = vedette(home, "indicator", "show", "evil.example")
    assert "l: " in shown.stdout
    assert vedette(home, "source", "pull").returncode == 0, "with space it goes through"


def test_a_full_disk_during_a_build_keeps_the_last_generation(home: Path) -> None:
    before = generation(home)
    names = "".join(f"d{n}.example\n" for n in range(60_000))
    (home / "list.txt").write_text("evil.example\n" + names)
    vedette(home, "source", "pull")
    failed = vedette(home, "bundle", "build", before=LIMIT)
    assert failed.returncode == 7, failed.stderr
    assert "still in force" in failed.stderr
    assert generation(home) == before
    assert vedette(home, "bundle", "verify").returncode == 0
    assert vedette(home, "bundle", "build").returncode == 0
    assert generation(home) != before


NOBODY = "import os, encodings.ascii, encodings.idna, vedette.cli.source\nos.setuid(65534)"
"""Commands are imported when they are run: this one while Python may still be read."""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_no_permission_is_said_with_the_place(home: Path) -> None:
    for path in (home, *home.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)
    home.parent.chmod(0o755)
    failed = vedette(home, "source", "pull", before=NOBODY)
    assert failed.returncode == 5, failed.stderr
    assert "permission" in failed.stderr.lower() + failed.stdout.lower()


def test_killed_at_any_instant_the_previous_generation_is_intact(home: Path) -> None:
    names = "".join(f"d{n}.example\n" for n in range(40_000))
    (home / "list.txt").write_text("evil.example\n" + names)
    kills = 0
    for number in range(12):
        with (home / "list.txt").open("a") as file:
            file.write(f"extra{number}.example\n")
        process = subprocess.Popen(
            [sys.executable, "-c", PULL_AND_BUILD],
            cwd=home,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(0.03 * number)
        process.send_signal(signal.SIGKILL)
        kills += process.wait() == -signal.SIGKILL
        process.stdout.close()
        assert vedette(home, "bundle", "verify").returncode == 0
    assert kills >= 6
    assert vedette(home, "source", "pull").returncode == 0
    done = vedette(home, "bundle", "build", "--json")
    assert done.returncode == 0
    assert '"domain": 40013' in done.stdout
    leftovers = [p for p in (home / "state/bundles").iterdir() if p.name.startswith(".")]
    assert leftovers == []


def test_the_limit_of_these_tests_really_limits() -> None:
    assert resource.RLIMIT_FSIZE >= 0
    script = LIMIT + "open('/dev/shm/vedette-limit', 'wb').write(b'x' * 500_000)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, check=False)
    Path("/dev/shm/vedette-limit").unlink(missing_ok=True)
    assert done.returncode != 0
