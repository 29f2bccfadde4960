"""Each thing that can be wrong on the way to a sensor, provoked on a real sshd."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import msgspec
import pytest

from vedette.ruleset.manifest import SetInfo
from vedette.sensor.doctor import diagnose
from vedette.sensor.finding import Finding, Severity
from vedette.sensor.settings import Sensor
from vedette.sensor.ssh_link import Link
from vedette.testing.fake_suricata import FakeSuricata
from vedette.testing.handmade import hand_made
from vedette.testing.sshd import SshServer, missing

Open = Callable[..., "Desk"]


def through(server: SshServer, **settings: object) -> Sensor:
    """Return a sensor that is reached through a server."""
    return msgspec.convert(server.way | settings, type=Sensor)


class Desk:
    """A server, an engine behind it, and what the doctor finds."""

    def __init__(self, path: Path, settings: Sequence[str], options: dict[str, object]) -> None:
        self.server = SshServer(path / "s", settings=settings, **options)  # type: ignore[arg-type]
        self.rules = self.server.home / "rules"
        self.engine = FakeSuricata(
            self.server.home / "e", self.rules / "current/vedette.rules", "7.0.10"
        )
        self.engine.start()
        for place in (self.engine.path.parent, self.engine.path):
            os.chown(place, self.server.uid, -1)
        self.server.start()

    def sensor(self, **settings: object) -> Sensor:
        fields = {"socket": str(self.engine.path), "rules": str(self.rules), "timeout_s": 5.0}
        return through(self.server, **{**fields, **settings})

    def findings(self, sets: Sequence[SetInfo] = (), **settings: object) -> list[Finding]:
        return diagnose(self.sensor(**settings), sets=sets)

    def close(self) -> None:
        Link(self.sensor()).close()
        self.server.stop()
        self.engine.stop()


@pytest.fixture
def open_desk(short_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Open]:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(short_path))
    if reason := missing():
        pytest.fail(reason) if os.environ.get("CI") else pytest.skip(reason)
    desks: list[Desk] = []

    def open_it(*settings: str, **options: object) -> Desk:
        desks.append(Desk(short_path, settings, options))
        return desks[-1]

    yield open_it
    for desk in desks:
        desk.close()


@pytest.fixture
def restricted(open_desk: Open) -> Open:
    if os.geteuid() != 0:
        pytest.skip("an account with less rights than ours needs root")

    def open_it(*settings: str, **options: object) -> Desk:
        return open_desk(*settings, restricted=True, **options)

    return open_it


def bad(findings: list[Finding], words: str) -> Finding:
    """Return the one finding with these words; it says what it costs and what to do."""
    found = [f for f in findings if words in f.title]
    assert len(found) == 1, [f.title for f in findings]
    assert found[0].consequence
    assert found[0].remedy
    return found[0]


def titles(findings: list[Finding], severity: Severity) -> list[str]:
    return [finding.title for finding in findings if finding.severity is severity]


@pytest.mark.parametrize(
    ("settings", "options"),
    [
        ((), "restrict,port-forwarding"),
        ((), 'restrict,port-forwarding,from="127.0.0.1"'),
        (
            ("AllowTcpForwarding local", "AllowStreamLocalForwarding local", "PermitTTY no"),
            "restrict,port-forwarding",
        ),
    ],
)
def test_a_restricted_account_with_a_restricted_key_is_enough(
    restricted: Open, settings: tuple[str, ...], options: str
) -> None:
    desk = restricted(*settings, key_options=options)
    findings = desk.findings()
    good = titles(findings, Severity.OK)
    assert "probe is reached by ssh as sensor" in good
    assert f"{desk.rules} can be written there" in good
    assert any(title.startswith("Suricata 7.0.10 answers") for title in good)
    assert not any("ssh" in title for title in titles(findings, Severity.ERROR))


def test_a_forced_command_leaves_nothing_to_work_with(open_desk: Open) -> None:
    desk = open_desk(key_options='restrict,port-forwarding,command="echo no shell"')
    found = bad(desk.findings(), "does not run what we send")
    assert "command=" in found.remedy


def test_a_host_key_that_nobody_knows(open_desk: Open) -> None:
    desk = open_desk()
    desk.server.known_hosts.unlink()
    found = bad(desk.findings(), "host key unknown")
    assert found.severity is Severity.ERROR
    assert "ssh-keyscan probe" in found.remedy


def test_a_host_key_that_has_changed(open_desk: Open) -> None:
    desk = open_desk()
    desk.server.stop()
    desk.server.make_key("host")
    desk.server.start()
    found = bad(desk.findings(), "host key changed")
    assert "somebody else answers" in found.remedy


def test_a_key_that_is_not_taken(open_desk: Open) -> None:
    desk = open_desk()
    desk.server.make_key("client")
    found = bad(desk.findings(), "permission denied")
    assert "authorized_keys" in found.remedy


def test_nobody_listens_or_the_name_is_not_known(open_desk: Open) -> None:
    desk = open_desk()
    desk.server.stop()
    assert "SSH server" in bad(desk.findings(), "connection refused").remedy
    unknown = desk.findings(ssh="no-such-host.invalid", ssh_options=())
    assert "ssh_config" in bad(unknown, "name unknown").remedy


def test_a_destination_that_is_none(open_desk: Open) -> None:
    findings = open_desk().findings(ssh="-oProxyCommand=false")
    assert len(findings) == 1
    bad(findings, "no destination for ssh")


@pytest.mark.parametrize(
    ("settings", "options"),
    [
        (("AllowStreamLocalForwarding no",), ""),
        (("DisableForwarding yes",), ""),
        (("AllowTcpForwarding no",), ""),
        (("PermitOpen 127.0.0.1:9",), ""),
        ((), 'restrict,port-forwarding,permitopen="127.0.0.1:9"'),
        ((), "restrict"),
    ],
)
def test_forwarding_that_is_refused(
    open_desk: Open, settings: tuple[str, ...], options: str
) -> None:
    desk = open_desk(*settings, key_options=options)
    found = bad(desk.findings(), "ssh does not let us through")
    assert "AllowStreamLocalForwarding" in found.remedy
    assert "port-forwarding" in found.remedy


def test_a_socket_that_is_not_ours_to_use(restricted: Open) -> None:
    desk = restricted()
    desk.engine.path.chmod(0o750)
    os.chown(desk.engine.path, 0, 0)
    found = bad(desk.findings(), "the account may not use")
    assert "group" in found.remedy


def test_a_directory_of_the_socket_that_is_closed(restricted: Open) -> None:
    desk = restricted()
    os.chown(desk.engine.path.parent, 0, 0)
    desk.engine.path.parent.chmod(0o750)
    found = bad(desk.findings(), "the account may not enter")
    assert str(desk.engine.path.parent) in found.title


def test_an_engine_that_does_not_run(open_desk: Open) -> None:
    desk = open_desk()
    desk.engine.stop()
    bad(desk.findings(), "the engine cannot be asked")
    bad(desk.findings(socket=f"{desk.engine.path}.other"), "there is no socket")
    bad(desk.findings(socket=str(desk.server.config)), "is no socket")


def test_a_directory_that_may_not_be_written(restricted: Open) -> None:
    desk = restricted()
    desk.rules.mkdir()
    found = bad(desk.findings(), "may not write in")
    assert f"install -d -o sensor -m 755 {desk.rules}" in found.remedy
    bad(desk.findings(rules="/srv/vedette-no-such/rules"), "/srv may not be written")
    bad(desk.findings(rules=str(desk.server.config)), "is no directory")


def test_programs_that_are_missing(open_desk: Open) -> None:
    desk = open_desk("PermitUserEnvironment yes")
    tools = desk.server.path / "tools"
    tools.mkdir()
    for name in ("sh", "dd", "id", "date", "dirname", "df", "awk", "grep", "tar", "uname"):
        (tools / name).symlink_to(f"/usr/bin/{name}")
    mv = tools / "mv"
    mv.write_text("#!/bin/sh\necho 'usage: mv [-fi] source target' >&2; exit 64\n")
    mv.chmod(0o755)
    desk.server.trust("client", f'environment="PATH={tools}"')
    findings = desk.findings()
    found = bad(findings, "the sensor has no")
    assert found.title == "the sensor has no sha256sum, no mv -T"
    assert found.severity is Severity.ERROR
    bad(findings, "neither zstd nor gzip")


def test_a_clock_that_is_wrong(open_desk: Open) -> None:
    desk = open_desk("PermitUserEnvironment yes")
    tools = desk.server.path / "tools"
    tools.mkdir()
    date = tools / "date"
    date.write_text("#!/bin/sh\nexec /usr/bin/date -d '-90 seconds' \"$@\"\n")
    date.chmod(0o755)
    assert titles(desk.findings(), Severity.WARNING) == []
    Link(desk.sensor()).close()
    desk.server.trust("client", f'environment="PATH={tools}:/usr/bin:/bin"')
    assert "s behind" in bad(desk.findings(), "the sensor's clock is").title


def test_a_disk_that_is_too_small(open_desk: Open, tmp_path: Path) -> None:
    desk = open_desk()
    made = hand_made(tmp_path / "bundle", 1, {"names": ["a.example"]})
    large = msgspec.structs.replace(made.manifest.sets[0], value_bytes=1 << 50)
    found = bad(desk.findings(sets=[large]), "MiB are free for")
    assert found.severity is Severity.WARNING


def test_an_eve_file_that_may_not_be_read(restricted: Open) -> None:
    desk = restricted()
    eve = desk.server.home / "eve.json"
    eve.touch(mode=0o600)
    assert "hit" in bad(desk.findings(eve=str(eve)), "may not read").consequence


def test_root_is_more_than_is_needed(open_desk: Open) -> None:
    if os.geteuid() != 0:
        pytest.skip("we are not root")
    found = bad(open_desk().findings(), "logs in as root")
    assert found.severity is Severity.HINT


def test_a_configuration_is_read_there_when_the_engine_is_down(open_desk: Open) -> None:
    desk = open_desk()
    desk.engine.stop()
    program = desk.server.home / "suricata"
    program.write_text('#!/bin/sh\necho "stream.midstream = $SSH_CONNECTION $*"\n')
    program.chmod(0o755)
    sensor = desk.sensor(test_command=(str(program), "-T"))
    findings = diagnose(sensor, config="/etc/suricata/suricata.yaml")
    assert any("is not in rule-files" in finding.title for finding in findings)


def test_a_configuration_that_cannot_be_read_there(open_desk: Open) -> None:
    desk = open_desk()
    desk.engine.stop()
    sensor = desk.sensor(test_command=("/no/such/suricata", "-T"))
    found = diagnose(sensor, config="/etc/suricata/suricata.yaml")[-1]
    assert found.title.startswith("suricata cannot read /etc/suricata/suricata.yaml on probe: ")
    assert "not found" in found.title
