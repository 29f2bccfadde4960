"""What an agent promises, against a real hub on real sockets and an engine that is a real socket.

What only a real engine can tell is in tests/engine/test_agent.py.
"""

from __future__ import annotations

import shutil
import time
from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace
from tests.contract.agent.conftest import NAMES, Site, proved, state, wait_until, why

from vedette.agent.running import Agent, alone
from vedette.config import ServeSettings
from vedette.errors import BusyError, ConfigError, TrustError
from vedette.pipeline.announcing import wanted_for
from vedette.pipeline.hub import Hub
from vedette.pipeline.signing import rotate, signing_key
from vedette.sensor.client import SuricataSocket
from vedette.sensor.proof import Proof
from vedette.sensor.settings import Delivery
from vedette.sensor.wire import SignedAnnouncement, State
from vedette.store.tokens import Scope
from vedette.testing.faults import Fault, FaultKind
from vedette.trust.keys import SigningKey
from vedette.trust.minisign import Purpose, sign
from vedette.web.running import Service


def test_a_generation_that_is_announced_is_installed_proved_and_reported(site: Site) -> None:
    site.publish(NAMES)
    report = site.once()
    assert (report.state, report.why, report.generation) == (State.PROVED, "", 1)
    assert site.holds("evil7.example")
    record = site.ask(lambda hub: hub.store.reports.state_of("gate"))
    assert (record.state, record.generation) == ("proved", 1)


def test_a_change_comes_as_a_patch_and_a_roll_back_from_what_is_still_here(site: Site) -> None:
    site.publish(NAMES)
    with site.running() as agent:
        wait_until(proved(agent, 1))
        whole = site.asked_for(".zst")
        site.publish([*NAMES[5:], "new.example"])
        wait_until(proved(agent, 2))
        assert site.asked_for("/patch/") == 1
        assert site.asked_for(".zst") == whole
        delivered = agent.situation.facts.delivered
        assert delivered is not None
        assert (delivered.how, delivered.added, delivered.removed) == ("delta", 1, 5)
        assert site.holds("new.example")
        assert not site.holds("evil1.example")
        before = site.asked_for("bundle/")
        site.announce(1)
        wait_until(proved(agent, 1))
        assert site.asked_for("bundle/") == before
        assert site.holds("evil1.example")
        assert not site.holds("new.example")


# -- who is believed ----------------------------------------------------------------------


def forged(site: Site, key: SigningKey | None = None, **changes: Any) -> SignedAnnouncement:
    """Return the announcement in force with changes, signed by the hub's key or another."""
    told = site.ask(lambda hub: wanted_for(hub, "gate"))
    document = msgspec.json.encode(replace(told.read(), **changes))
    by = key or site.ask(signing_key)
    comment = f"{Purpose.ANNOUNCEMENT} 1"
    return SignedAnnouncement(document=document.decode(), signature=sign(by, document, comment))


@contextmanager
def instead(site: Site, signed: SignedAnnouncement) -> Iterator[None]:
    """Have everybody told this in place of what the hub says."""
    body = msgspec.json.encode(signed)
    site.way.faults.add(Fault(FaultKind.BODY, path="/announcement", body=body))
    yield
    site.way.faults.clear()


FORGERIES: dict[str, Callable[[Site], SignedAnnouncement]] = {
    "another hub's key": lambda site: forged(site, SigningKey.generate(), serial=2**50),
    "another hub with the same key": lambda site: forged(site, hub="other", serial=2**50),
    "an older serial": lambda site: forged(site, serial=5),
    "the same serial again": lambda site: forged(site, why="something else"),
}


@pytest.mark.parametrize("name", FORGERIES)
def test_what_is_not_to_be_believed_is_refused_said_and_changes_nothing(
    site: Site, name: str
) -> None:
    site.publish(NAMES)
    site.publish([*NAMES, "new.example"])
    site.once()
    before = site.in_force
    with instead(site, FORGERIES[name](site)):
        report = site.once()
    assert report.state is State.REFUSED
    assert report.why.startswith("refused: ")
    assert (report.generation, site.in_force) == (2, before)
    record = site.ask(lambda hub: hub.store.reports.state_of("gate"))
    assert (record.state, record.generation) == ("refused", 2)
    assert site.once().state is State.PROVED


def test_the_date_of_an_announcement_decides_nothing(site: Site) -> None:
    site.publish(NAMES)
    site.publish([*NAMES, "new.example"])
    site.once()
    newest = site.ask(lambda hub: wanted_for(hub, "gate")).read()
    old = msgspec.convert("1970-01-01T00:00:00Z", type=type(newest.at))
    with instead(site, forged(site, serial=newest.serial + 1, at=old, why="a wrong clock")):
        assert site.once().state is State.PROVED
    future = msgspec.convert("2999-01-01T00:00:00Z", type=type(newest.at))
    with instead(site, forged(site, serial=newest.serial - 1, at=future)):
        assert site.once().state is State.REFUSED


def test_a_hub_from_an_old_backup_is_refused_until_it_announces_anew(
    site: Site, tmp_path: Path
) -> None:
    site.publish(NAMES)
    site.hub_ends()
    backup = tmp_path / "backup"
    shutil.copytree(site.path / "hub", backup)
    site.hub_starts()
    site.publish([*NAMES, "new.example"])
    with site.running(rhythm="1s") as agent:
        wait_until(proved(agent, 2))
        site.hub_ends()
        shutil.rmtree(site.path / "hub")
        shutil.copytree(backup, site.path / "hub")
        site.hub_starts()
        wait_until(lambda: state(agent) is State.REFUSED)
        assert "older" in why(agent)
        assert site.in_force == "gen-000002"
        assert site.holds("new.example")
        site.announce(1)
        wait_until(proved(agent, 1))
        assert not site.holds("new.example")


def test_no_pinned_key_is_refused_unless_the_first_contact_is_trusted(site: Site) -> None:
    site.publish(NAMES)
    token = site.token_file.read_text().split("\n")[0]
    site.token_file.write_text(f"{token}\n")
    with pytest.raises(TrustError, match="no key of the hub is pinned") as refused:
        site.once()
    assert "--key" in refused.value.hint
    assert not (site.path / "rules").exists()
    assert site.once(trust_on_first_use=True).state is State.PROVED
    assert site.once().state is State.PROVED, "from then on it is pinned"
    with instead(site, forged(site, SigningKey.generate(), serial=2**50)):
        assert site.once().state is State.REFUSED


def test_a_key_that_the_hub_replaced_is_followed_and_the_old_one_is_refused(site: Site) -> None:
    site.publish(NAMES)
    old = site.ask(signing_key)
    site.once()
    site.ask(lambda hub: rotate(hub, why="yearly"))
    site.publish([*NAMES, "new.example"])
    report = site.once()
    assert (report.state, report.generation) == (State.PROVED, 2)
    with instead(site, forged(site, old, serial=2**50)):
        report = site.once()
    assert report.state is State.REFUSED
    assert "retired" in report.why


# -- what comes is whole, or is not installed ---------------------------------------------


def flip(path: Path) -> bytes:
    """Change one bit in the middle of a file; return what it was."""
    good = path.read_bytes()
    middle = len(good) // 2
    path.unlink()  # it may be the same file as in another generation
    path.write_bytes(good[:middle] + bytes([good[middle] ^ 1]) + good[middle + 1 :])
    return good


@pytest.mark.parametrize("what", ["manifest.json", "datasets/vedette-domain.lst"])
def test_flipped_bits_are_refused_said_and_healed(site: Site, what: str) -> None:
    site.publish(NAMES)
    site.once()
    site.publish([f"other{n}.example" for n in range(2_000)])
    path = site.bundle_file(2, what)
    good = flip(path)
    with site.running() as agent:
        wait_until(lambda: state(agent) is State.REFUSED)
        assert "not the" in why(agent)
        assert site.in_force == "gen-000001"
        assert site.holds("evil7.example")
        path.write_bytes(good)
        shutil.rmtree(site.config.artifacts, ignore_errors=True)
        wait_until(proved(agent, 2), 30)
    assert not list((site.path / "rules").glob(".fetched/*"))


@pytest.mark.parametrize("what", ["manifest.json", "/patch/", r"\.zst", r"\.rules"])
def test_an_answer_that_is_cut_off_changes_nothing_and_is_asked_for_again(
    site: Site, what: str
) -> None:
    if "patch" in what:
        site.publish(NAMES)
        site.once()
    number = site.publish([*NAMES, "new.example"])
    site.way.faults.add(Fault(FaultKind.CUT, path=what, times=2))
    with site.running() as agent:
        wait_until(proved(agent, number), 30)
    assert site.asked_for(what.replace("\\", "")) >= 2 or "patch" in what
    assert site.holds("new.example")


def test_an_answer_without_an_end_is_not_read_for_ever(site: Site) -> None:
    site.publish(NAMES)
    bomb = b"A" * (80 << 20)
    site.way.faults.add(Fault(FaultKind.BODY, path="/manifest.json", body=bomb, times=1))
    report = site.once()
    assert report.state is State.BEHIND
    assert "more than" in report.why
    assert site.once().state is State.PROVED


# -- the hub is away ----------------------------------------------------------------------


def test_without_the_hub_what_is_installed_is_proved_and_repaired(site: Site) -> None:
    site.publish(NAMES)
    with site.running() as agent:
        wait_until(proved(agent, 1))
        site.hub_ends()
        rules = site.path / "rules/current/vedette.rules"
        kept = rules.read_bytes()
        site.engine.stop()
        wait_until(lambda: state(agent) is State.SILENT)
        rules.unlink()  # somebody breaks it; the engine starts without our rules
        site.engine.start()
        wait_until(lambda: state(agent) is State.DRIFTED)
        assert "no hub" not in why(agent)
        rules.write_bytes(kept)
        wait_until(proved(agent, 1), 30)
        assert agent.situation.facts.drifts == 1
        assert agent.situation.facts.repaired_at is not None


def test_a_set_that_somebody_else_changed_is_repaired_from_what_is_here(site: Site) -> None:
    site.publish(NAMES)
    with site.running() as agent:
        wait_until(proved(agent, 1))
        site.hub_ends()
        with SuricataSocket(site.path / "s") as engine:
            for number in range(2_000):
                value = b64encode(f".evil{number}.example".encode()).decode()
                engine.remove("vedette-domain", "string", value)
        wait_until(lambda: agent.situation.facts.drifts == 1)
        wait_until(proved(agent, 1))
        assert site.holds("evil7.example")


def test_a_policy_of_reporting_repairs_nothing(site: Site) -> None:
    site.publish(NAMES)
    with site.running(sensor={"on_drift": "report"}) as agent:
        wait_until(proved(agent, 1))
        with SuricataSocket(site.path / "s") as engine:
            for number in range(2_000):
                value = b64encode(f".evil{number}.example".encode()).decode()
                engine.remove("vedette-domain", "string", value)
        wait_until(lambda: state(agent) is State.DRIFTED)
        time.sleep(2.5)  # several looks later
        assert state(agent) is State.DRIFTED
        assert not site.holds("evil7.example")
        assert agent.situation.facts.drifts == 1


def test_an_agent_that_starts_without_its_hub_proves_and_goes_on_when_it_is_back(
    site: Site,
) -> None:
    site.publish(NAMES)
    site.once()
    site.publish([*NAMES, "new.example"])
    site.hub_ends()
    with site.running() as agent:
        wait_until(proved(agent, 1))
        site.hub_starts()
        wait_until(proved(agent, 2), 30)
        wait_until(lambda: site.ask(lambda hub: hub.store.reports.state_of("gate")).generation == 2)


def test_a_token_that_is_refused_is_said_here(site: Site) -> None:
    site.publish(NAMES)
    lines = site.token_file.read_text().split("\n")
    site.token_file.write_text("\n".join(["vdt_00000000_" + "A" * 43, *lines[1:]]))
    with Agent(site.settings) as agent:
        report = agent.once()
        assert "401" in agent.problem
    assert report.state is State.BEHIND
    assert any("401" in f.title and "token" in f.remedy for f in report.findings or ())


def test_a_second_agent_on_the_same_state_is_kept_out(site: Site) -> None:
    with (
        alone(site.settings.state_dir),
        pytest.raises(BusyError, match="another agent"),
        alone(site.settings.state_dir),
    ):
        pass


# -- TLS ----------------------------------------------------------------------------------


def test_a_hub_with_an_authority_of_its_own_is_believed_by_its_file_alone(site: Site) -> None:
    tls = Path(__file__).parents[2] / "data/tls"
    pair = site.path / "pair.pem"  # Git keeps no mode, and a key is for its owner alone
    pair.write_bytes((tls / "loopback.pem").read_bytes())
    pair.chmod(0o600)
    serve = ServeSettings(listen="127.0.0.1:0", tls_cert=str(pair), tls_key=str(pair))
    site.publish(NAMES)
    site.hub_ends()
    with Service(replace(site.config, serve=serve)).running() as url:
        with Agent(site.with_settings(hub=url)) as agent:
            report = agent.once()
            assert "TLS" in agent.problem
            assert report.state is State.BEHIND
            assert any("--ca" in finding.remedy for finding in report.findings or ())
        assert site.once(hub=url, ca_file=str(tls / "authority.pem")).state is State.PROVED
    with pytest.raises(ConfigError, match="cannot be used"):
        site.once(hub=url, ca_file=str(site.path / "absent.pem"))


def test_an_agent_without_anything_to_install_is_heard_of(site: Site) -> None:
    with site.running() as agent:
        wait_until(lambda: site.ask(lambda hub: hub.store.reports.state_of("gate")))
        assert why(agent) == "no generation is installed yet"
    record = site.ask(lambda hub: hub.store.reports.state_of("gate"))
    assert (record.state, record.generation) == ("behind", 0)


def test_a_new_token_in_its_file_is_taken_without_a_restart(site: Site) -> None:
    site.publish(NAMES)
    with site.running() as agent:
        wait_until(proved(agent, 1))

        def enrol_again(hub: Hub) -> str:
            hub.store.tokens.revoke_of("gate", by="test", now=int(time.time()))
            scopes = {Scope.FETCH, Scope.REPORT}
            return hub.store.tokens.add("gate", scopes, by="test", now=int(time.time()))

        key = site.token_file.read_text().splitlines()[1]
        site.token_file.write_text(f"{site.ask(enrol_again)}\n{key}\n")
        site.publish([*NAMES, "new.example"])
        wait_until(proved(agent, 2))


def test_the_doctor_looks_again_when_the_engine_is_back(site: Site) -> None:
    site.publish(NAMES)
    site.engine.stop()
    with site.running() as agent:
        wait_until(lambda: state(agent) is State.SILENT)
        wait_until(lambda: _broken(agent))
        site.engine.start()
        wait_until(proved(agent, 1))
        wait_until(lambda: not _broken(agent), 30)


def _broken(agent: Agent) -> list[str]:
    found = agent.situation.facts.findings or ()
    return [one.title for one in found if "cannot be asked" in one.title]


def test_what_another_tool_installed_long_ago_is_behind_and_no_drift(site: Site) -> None:
    site.publish(NAMES)
    site.once()  # for whoever installs there
    delivery = Delivery.SURICATA_UPDATE
    with site.running(delivery=delivery, state=str(site.path / "beside")) as agent:
        wait_until(proved(agent, 1))
        for number in range(2, 8):
            before = agent.situation.facts.proof
            site.publish([*NAMES, f"new{number}.example"])
            wait_until(lambda wanted=number, old=before: _asked_for(agent, wanted, old))
            proof = agent.situation.facts.proof
            assert proof is not None
            assert (state(agent), proof.generation, proof.ok) == (State.BEHIND, 1, True)


def _asked_for(agent: Agent, generation: int, before: Proof | None) -> bool:
    """Whether a generation is known here, and the engine was asked since a proof."""
    known = [one.release.generation for one in agent.applier.recent()]
    return generation in known and agent.situation.facts.proof is not before
