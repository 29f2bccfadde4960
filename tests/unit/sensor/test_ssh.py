"""Generations over a real sshd on loopback, onto a fake engine, and every way to be interrupted."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
import pytest

from vedette.errors import SensorError, UsageError
from vedette.sensor import doctor_ssh
from vedette.sensor.finding import Severity
from vedette.sensor.held import prove_held
from vedette.sensor.install import damaged
from vedette.sensor.protocol import EngineGoneError
from vedette.sensor.push import Pushed, push
from vedette.sensor.reach import directory_of, engine_of, reached
from vedette.sensor.release import Release
from vedette.sensor.settings import Delivery, Sensor
from vedette.sensor.ssh_eve import FarLog
from vedette.sensor.ssh_link import Link
from vedette.sensor.ssh_said import Trouble, UnreachableError
from vedette.testing.fake_suricata import FakeSuricata
from vedette.testing.handmade import hand_made
from vedette.testing.sshd import SshServer, missing

NAMES = [f"host{n}.bad.example" for n in range(50)]


def through(server: SshServer, **settings: object) -> Sensor:
    """Return a sensor that is reached through a server."""
    return msgspec.convert(server.way | settings, type=Sensor)


@dataclass
class Desk:
    """A sensor behind sshd."""

    path: Path
    server: SshServer
    engine: FakeSuricata
    sensor: Sensor
    count: int = field(default=0)

    @property
    def rules(self) -> Path:
        return self.sensor.rules_path

    def release(self, sets: Mapping[str, Sequence[str]]) -> tuple[Release, dict[str, Path]]:
        self.count += 1
        made = hand_made(self.path / f"bundle-{self.count}", self.count, sets)
        return Release.from_manifest(made.manifest, "7.0"), made.sources

    def push(self, sets: Mapping[str, Sequence[str]]) -> Pushed:
        return push(self.sensor, *self.release(sets))

    def in_force(self) -> str:
        return os.readlink(self.rules / "current")  # noqa: PTH115

    def leftovers(self) -> list[str]:
        return [path.name for path in self.rules.glob(".new-*")]


@pytest.fixture
def open_desk(short_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Desk]]:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(short_path))
    if reason := missing():
        pytest.fail(reason) if os.environ.get("CI") else pytest.skip(reason)
    desks: list[Desk] = []

    def open_it(rules: str = "rules", engine: str = "e", settings: Sequence[str] = ()) -> Desk:
        server = SshServer(short_path / "s", settings=settings)
        place = server.home / rules
        fake = FakeSuricata(server.home / engine, place / "current/vedette.rules", "7.0.10")
        fake.start()
        server.start()
        sensor = through(server, socket=str(fake.path), rules=str(place), timeout_s=5.0)
        desks.append(Desk(short_path, server, fake, sensor))
        return desks[-1]

    yield open_it
    for desk in desks:
        Link(desk.sensor).close()
        desk.server.stop()
        desk.engine.stop()


@pytest.fixture
def desk(open_desk: Callable[..., Desk]) -> Desk:
    return open_desk()


def test_a_release_is_brought_there_changed_and_proved(desk: Desk) -> None:
    first = desk.push({"names": NAMES, "ips": ["192.0.2.1"]})
    assert (first.how, first.proof.failed) == ("reload", ())
    second = desk.push({"names": [*NAMES[1:], "new.example"], "ips": ["192.0.2.1"]})
    assert (second.how, second.proof.failed) == ("delta", ())
    assert (second.added, second.removed) == (1, 1)
    assert prove_held(desk.sensor).ok
    assert desk.in_force() == "gen-000002"
    assert (desk.rules / "current/release.json").exists()
    assert desk.leftovers() == []


def test_the_same_again_changes_nothing_and_sends_nothing(desk: Desk) -> None:
    release, sources = desk.release({"names": NAMES})
    push(desk.sensor, release, sources)
    before = (desk.rules / "current").resolve().stat()
    again = push(desk.sensor, release, sources)
    assert (again.how, again.proof.failed) == ("nothing", ())
    assert (desk.rules / "current").resolve().stat() == before


def test_what_is_there_already_is_linked_there_and_not_sent(desk: Desk) -> None:
    desk.push({"names": NAMES, "ips": ["192.0.2.1"]})
    desk.push({"names": [*NAMES, "new.example"], "ips": ["192.0.2.1"]})
    old, new = desk.rules / "gen-000001", desk.rules / "gen-000002"
    same = {p.name for p in new.iterdir() if p.samefile(old / p.name)}
    assert same == {"ips.lst"}


def test_a_file_that_was_edited_there_is_damage_and_is_sent_whole(desk: Desk) -> None:
    sets = {"names": NAMES, "ips": ["192.0.2.1"]}
    release, sources = desk.release(sets)
    push(desk.sensor, release, sources)
    (desk.rules / "current/ips.lst").write_text("198.51.100.1\n")
    installed = directory_of(desk.sensor).current()
    assert installed
    assert damaged(installed) == ["ips.lst"]
    assert [check.name for check in prove_held(desk.sensor).failed] == ["files"]
    healed = push(desk.sensor, release, sources)
    assert healed.proof.failed == ()
    assert desk.in_force() == "gen-000001.1"
    # Linked from the damaged one it would be damaged again: SHA-256 there tells.
    (desk.rules / "current/ips.lst").write_text("198.51.100.1\n")
    assert desk.push({**sets, "names": NAMES[1:]}).proof.failed == ()


def test_somebody_else_who_switched_the_link_is_seen_and_put_right(desk: Desk) -> None:
    desk.push({"names": NAMES})
    release, sources = desk.release({"names": [*NAMES, "new.example"]})
    push(desk.sensor, release, sources)
    (desk.rules / "current").unlink()
    (desk.rules / "current").symlink_to("gen-000001")
    red = prove_held(desk.sensor).failed
    assert [check.name for check in red] == ["files"]
    assert "it leads to gen-000001, not to gen-000002" in red[0].detail
    assert push(desk.sensor, release, sources).proof.failed == ()
    assert desk.in_force() == "gen-000002"


def test_a_lost_mirror_costs_a_reload_and_nothing_else(desk: Desk) -> None:
    desk.push({"names": NAMES})
    moved = through(desk.server, **{**_settings(desk), "mirror": str(desk.path / "elsewhere")})
    assert directory_of(moved).current() is None
    release, sources = desk.release({"names": [*NAMES, "new.example"]})
    pushed = push(moved, release, sources)
    assert (pushed.how, pushed.proof.failed) == ("reload", ())
    assert desk.in_force() == "gen-000002"
    # The first mirror sees that somebody else was there, and believes what is there.
    after = push(desk.sensor, release, sources)
    assert (after.how, after.proof.failed) == ("reload", ())


def _settings(desk: Desk) -> dict[str, object]:
    return {"socket": desk.sensor.socket, "rules": desk.sensor.rules, "timeout_s": 5.0}


HOSTILE = [
    "with space",
    "a'b\"c",
    "$(touch pwned)`touch pwned`",
    "new\nline",
    "-rf",
    "semi;colon:and%d%h${HOME}&|*?",
    "back\\slash",
]


@pytest.mark.parametrize("name", HOSTILE)
def test_no_setting_is_ever_taken_for_a_command(open_desk: Callable[..., Desk], name: str) -> None:
    desk = open_desk(rules=f"r {name}", engine=f"e{name}")
    assert desk.push({"names": NAMES}).proof.ok
    second = desk.push({"names": NAMES[1:]})
    assert (second.how, second.proof.failed) == ("delta", ())
    assert (desk.rules / "current/vedette.rules").exists()
    everything = {path.name for path in desk.server.path.rglob("*")}
    assert "pwned" not in everything


@pytest.mark.parametrize(
    "ssh", ["-oProxyCommand=touch pwned", "", "a b", "host;id", "user@$(id)", "a\nb", "`id`"]
)
def test_what_is_no_destination_is_refused(tmp_path: Path, ssh: str) -> None:
    sensor = Sensor(name="p", delivery=Delivery.SSH, ssh=ssh, rules="/r", mirror=str(tmp_path))
    with pytest.raises(UsageError, match="no destination"):
        directory_of(sensor)


def test_a_relative_directory_or_socket_is_refused(tmp_path: Path) -> None:
    for rules, socket in (("r", "/s"), ("/r", "s")):
        sensor = Sensor(
            name="p",
            delivery=Delivery.SSH,
            ssh="h",
            rules=rules,
            socket=socket,
            mirror=str(tmp_path),
        )
        with pytest.raises(UsageError, match="absolute"):
            directory_of(sensor)


def test_the_test_command_runs_there_and_can_refuse(desk: Desk) -> None:
    desk.push({"names": NAMES})
    log = desk.server.home / "ran"
    script = 'echo "$SSH_CONNECTION" > "$1"; ls "$3" >> "$1"; [ -d "$3" ]; echo "E: no"; exit 4'
    command = ("sh", "-c", script, "sh", str(log), "{rules}", "{tmp}")
    sensor = through(desk.server, **_settings(desk), test_command=command)
    with pytest.raises(SensorError, match="would not accept generation 2: E: no"):
        push(sensor, *desk.release({"names": NAMES[1:]}))
    assert log.read_text().startswith("127.0.0.1 ")  # it came by ssh
    assert desk.in_force() == "gen-000001"
    assert desk.leftovers() == []


@pytest.mark.parametrize("how", ["cut", "kill"])
@pytest.mark.parametrize("at", ["tar", "sha256sum", "mv"])
def test_interrupted_at_any_step_the_one_in_force_stays(
    open_desk: Callable[..., Desk], how: str, at: str
) -> None:
    """The program of that step hangs; then the connection or our ssh is killed."""
    desk = open_desk(settings=["PermitUserEnvironment yes"])
    sets = {"names": NAMES}
    desk.push(sets)
    before = sorted(path.name for path in desk.rules.iterdir())
    trap = desk.server.path / "trap"
    trap.mkdir()
    reached_it = desk.server.path / "reached"
    (trap / at).write_text(
        f"#!/bin/sh\nif [ -e '{trap}/armed' ]; then echo $$ > '{reached_it}'; exec sleep 60; fi\n"
        f'exec /usr/bin/{at} "$@"\n'
    )
    (trap / at).chmod(0o755)
    desk.server.trust("client", f'environment="PATH={trap}:/usr/bin:/bin"')
    Link(desk.sensor).close()
    with reached(desk.sensor):
        (trap / "armed").touch()
    if at == "sha256sum":  # the look at the start uses it, too: let that pass
        (trap / at).write_text(
            (trap / at).read_text().replace("armed' ]", 'armed\' ] && [ "$1" = -c ]')
        )
    failed: list[BaseException] = []

    def run() -> None:
        try:
            desk.push({"names": [*NAMES, "new.example"]})
        except SensorError as error:
            failed.append(error)

    pushing = threading.Thread(target=run)
    pushing.start()
    _wait_for(reached_it.exists)
    if how == "cut":
        desk.server.cut()
    else:
        _kill_clients(desk)
    pushing.join(20)
    assert not pushing.is_alive()
    assert isinstance(failed[0], UnreachableError)
    assert failed[0].trouble is Trouble.LOST
    assert "is what it was" in failed[0].hint
    assert desk.in_force() == "gen-000001"
    (trap / "armed").unlink()
    if reached_it.exists():
        with_pid = int(reached_it.read_text())
        _end(with_pid)
    assert desk.push({"names": [*NAMES, "more.example"]}).proof.failed == ()
    assert desk.leftovers() == []
    assert set(before) <= {path.name for path in desk.rules.iterdir()}


def _end(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return


def _wait_for(met: Callable[[], bool], timeout_s: float = 20) -> None:
    deadline = time.monotonic() + timeout_s
    while not met():
        assert time.monotonic() < deadline, "it never came that far"
        time.sleep(0.01)


def _kill_clients(desk: Desk) -> None:
    """Kill -9 our ssh processes that speak with this server, the kept one, too."""
    config = str(desk.server.config).encode()
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            words = (entry / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if words[0] == b"ssh" and config in words:
            _end(int(entry.name))


def test_a_full_disk_there_is_said_and_changes_nothing(open_desk: Callable[..., Desk]) -> None:
    if os.geteuid() != 0:
        pytest.skip("a small file system needs root")
    desk = open_desk()
    desk.push({"names": NAMES})
    desk.server.stop()
    Link(desk.sensor).close()
    size = 300 << 10
    full = desk.rules / "small"
    subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size}", "none", str(desk.rules)],
        check=True,
    )
    try:
        desk.server.start()
        desk.push({"names": NAMES})
        before = desk.in_force()
        full.write_bytes(b"\0" * (size - (120 << 10)))
        many = [f"host{n}.bad{n * 7919}.example" for n in range(20_000)]
        with pytest.raises(SensorError, match="No space left") as caught:
            desk.push({"names": many})
        assert "disk of the sensor is full" in caught.value.hint
        assert desk.in_force() == before
        assert desk.leftovers() == []
        assert prove_held(desk.sensor).ok
    finally:
        subprocess.run(["umount", "-l", str(desk.rules)], check=True)


def test_an_engine_that_is_gone_is_told_from_a_connection_that_is_gone(desk: Desk) -> None:
    desk.push({"names": NAMES})
    desk.engine.stop()
    with reached(desk.sensor) as near, pytest.raises(EngineGoneError) as gone:
        engine_of(near).connect()
    assert "on probe" in str(gone.value)
    assert "Suricata" in gone.value.hint
    desk.server.stop()
    _wait_for(lambda: not Link(desk.sensor).is_open())
    with pytest.raises(UnreachableError) as lost, reached(desk.sensor):
        pass
    assert lost.value.trouble is Trouble.REFUSED
    assert "connection refused" in str(lost.value)


def test_a_connection_that_is_lost_between_two_commands_is_said_at_once(desk: Desk) -> None:
    with reached(desk.sensor) as near, engine_of(near) as engine:
        assert engine.version() == (7, 0, 10)
        desk.server.cut()
        started = time.monotonic()
        with pytest.raises(UnreachableError) as lost:
            engine.version()
        assert lost.value.trouble is Trouble.LOST
        assert time.monotonic() - started < 3


def test_a_connection_over_which_nothing_comes_any_more_is_said(desk: Desk) -> None:
    link = Link(desk.sensor)
    link.run(":")
    desk.server.cut(signal.SIGSTOP)
    with pytest.raises(UnreachableError) as stuck:
        link.run(":", timeout_s=0.5)
    assert stuck.value.trouble is Trouble.SILENT
    assert "stuck" in stuck.value.hint
    desk.server.cut(signal.SIGCONT)
    assert link.run("echo back") == b"back\n"


def test_the_connection_is_kept_and_shared(desk: Desk) -> None:
    with reached(desk.sensor):
        pass
    started = desk.server.connections()
    desk.push({"names": NAMES})
    prove_held(desk.sensor)
    assert desk.server.connections() == started == 1


def test_two_at_the_same_time_make_one_connection(desk: Desk) -> None:
    opened = [threading.Thread(target=Link(desk.sensor).open) for _ in range(4)]
    for thread in opened:
        thread.start()
    for thread in opened:
        thread.join()
    assert desk.server.connections() == 1
    assert Link(desk.sensor).is_open()


def test_the_pid_of_an_engine_elsewhere_is_not_that_of_our_ssh(desk: Desk) -> None:
    with reached(desk.sensor) as near, engine_of(near) as engine:
        assert engine.pid == 0


@pytest.fixture
def busybox() -> str:
    program = shutil.which("busybox")
    if program is None:
        reason = "no busybox (run: tools/apt.sh busybox)"
        pytest.fail(reason) if os.environ.get("CI") else pytest.skip(reason)
    return str(program)


def test_a_machine_with_busybox_alone_is_enough(
    open_desk: Callable[..., Desk], busybox: str
) -> None:
    desk = open_desk(settings=["PermitUserEnvironment yes"])
    tools = desk.server.path / "tools"
    tools.mkdir()
    applets = subprocess.run([busybox, "--list"], capture_output=True, check=True, text=True)
    for name in applets.stdout.split():
        (tools / name).symlink_to(busybox)
    desk.server.trust("client", f'environment="PATH={tools}"')
    asked = "for it in tar mv sha256sum stat sync; do $it --help 2>&1 | grep BusyBox; done"
    assert Link(desk.sensor).run(asked).count(b"BusyBox") == 5
    desk.push({"names": NAMES, "ips": ["192.0.2.1"]})
    second = desk.push({"names": NAMES[1:], "ips": ["192.0.2.1"]})
    assert (second.how, second.proof.failed) == ("delta", ())
    (desk.rules / "current/ips.lst").write_text("198.51.100.1\n")
    assert desk.push({"names": NAMES, "ips": ["192.0.2.1"]}).proof.failed == ()
    assert desk.leftovers() == []
    assert len(list(desk.rules.glob("gen-*"))) == 3
    errors = [f.title for f in doctor_ssh.check(desk.sensor) if f.severity is Severity.ERROR]
    assert errors == []
    eve = desk.server.home / "eve.json"
    eve.write_bytes(b'{"n":1}\n')
    sensor = through(desk.server, **_settings(desk), eve=str(eve))
    log = FarLog(sensor)
    assert log.fetch()
    eve.rename(desk.server.home / "eve.json.1")
    eve.write_bytes(b'{"n":2}\n')
    assert log.fetch()
    assert log.path.read_bytes() == b'{"n":2}\n'


def test_what_the_shell_of_the_account_prints_by_itself_is_not_taken_for_an_answer(
    open_desk: Callable[..., Desk],
) -> None:
    desk = open_desk(settings=["PermitUserEnvironment yes"])
    shell = desk.server.path / "noisy"
    shell.write_text("#!/bin/sh\necho 'gen-000001 Welcome'\necho end\nexec /bin/sh \"$@\"\n")
    shell.chmod(0o755)
    tools = desk.server.path / "tools"
    tools.mkdir()
    (tools / "sh").symlink_to(shell)
    desk.server.trust("client", f'environment="PATH={tools}:/usr/bin:/bin"')
    assert desk.push({"names": NAMES}).proof.ok
    assert prove_held(desk.sensor).ok


def test_sockets_are_only_made_where_nobody_else_can_put_some(
    short_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(short_path))
    place = short_path / "vedette"
    link = Link(Sensor(name="p", delivery=Delivery.SSH, ssh="h", socket="/s"))
    assert link.socket.parent == place
    assert place.stat().st_mode & 0o777 == 0o700
    place.chmod(0o755)
    with pytest.raises(SensorError, match="not a directory of ours alone"):
        link.is_open()
    place.rmdir()
    place.symlink_to(short_path)
    with pytest.raises(SensorError, match="not a directory of ours alone"):
        link.is_open()


def test_a_runtime_directory_with_a_long_path_is_not_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A unix socket's path has at most 107 bytes, and ssh adds some to it for a moment."""
    long = tmp_path / ("x" * 60)
    long.mkdir()
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(long))
    link = Link(Sensor(name="p", delivery=Delivery.SSH, ssh="h", socket="/s"))
    assert len(str(link.socket)) + 17 <= 107
