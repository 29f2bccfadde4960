from __future__ import annotations

from pathlib import Path

import pytest

from vedette.sensor.doctor_elsewhere import check_rules, check_suppressed, our_sids
from vedette.sensor.finding import Severity
from vedette.sensor.settings import Delivery, Sensor

ON = 'alert dns any any -> any any (msg:"a"; metadata:vedette_set a, vedette_buffer b; sid:{};)\n'
OTHER = 'alert dns any any -> any any (msg:"vedette_sets"; sid:9;)\n'


class Settings(dict[str, str]):
    """What an engine runs with."""


@pytest.fixture
def engine(tmp_path: Path) -> Settings:
    (tmp_path / "suricata.rules").write_text(ON.format(7) + OTHER + "# " + ON.format(8))
    (tmp_path / "threshold.config").write_text("# nothing\n")
    return Settings(
        {
            "default-rule-path": str(tmp_path),
            "rule-files.0": "suricata.rules",
            "threshold-file": str(tmp_path / "threshold.config"),
        }
    )


def sensor(delivery: Delivery = Delivery.LOCAL) -> Sensor:
    return Sensor(name="probe", delivery=delivery)


def test_our_rules_are_known_by_their_metadata(engine: Settings) -> None:
    assert our_sids(engine) == {7, 8}


def test_a_rule_that_is_commented_out_is_an_error(engine: Settings, tmp_path: Path) -> None:
    (found,) = check_rules(engine)
    assert found.severity is Severity.ERROR
    assert found.title == "1 of 2 rules of Vedette are commented out, sid 8"
    (tmp_path / "suricata.rules").write_text(ON.format(7))
    (found,) = check_rules(engine)
    assert (found.severity, found.title[:8]) == (Severity.OK, "1 rules ")
    (tmp_path / "suricata.rules").write_text(OTHER)
    (found,) = check_rules(engine)
    assert "no rules of Vedette" in found.title
    (tmp_path / "suricata.rules").unlink()
    (found,) = check_rules(engine)
    assert found.title == f"cannot read {tmp_path}/suricata.rules (No such file or directory)"


@pytest.mark.parametrize(
    ("lines", "silent"),
    [
        ("suppress gen_id 1, sig_id 7", "sid 7"),
        ("  suppress gen_id 1,sig_id 8  ", "sid 8"),
        ("suppress gen_id 0, sig_id 0", "sid 7, 8"),
        ("suppress gen_id 1, sig_id 7, track by_src, ip 192.0.2.1", ""),
        ("#suppress gen_id 1, sig_id 7", ""),
        ("suppress gen_id 1, sig_id 70\nthreshold gen_id 1, sig_id 7, type limit", ""),
    ],
)
def test_a_suppressed_rule_is_an_error(
    engine: Settings, tmp_path: Path, lines: str, silent: str
) -> None:
    (tmp_path / "threshold.config").write_text(f"# of ours\n{lines}\n")
    found = [finding.title for finding in check_suppressed(sensor(), engine)]
    assert [title.rpartition(", sid ")[2] for title in found] == [silent[4:]] * bool(silent)


def test_what_is_on_another_machine_or_not_there_is_not_looked_at(engine: Settings) -> None:
    Path(engine["threshold-file"]).write_text("suppress gen_id 1, sig_id 7\n")
    assert list(check_suppressed(sensor(Delivery.SSH), engine)) == []
    Path(engine["threshold-file"]).unlink()
    assert list(check_suppressed(sensor(), engine)) == []
    del engine["threshold-file"]
    assert list(check_suppressed(sensor(), engine)) == []
