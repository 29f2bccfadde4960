from __future__ import annotations

from pathlib import Path

from vedette.sensor.rules_on_disk import find_rules, rule_files


class Settings(dict[str, str]):
    """What an engine runs with."""


def settings(base: Path, *files: str) -> Settings:
    numbered = {f"rule-files.{number}": name for number, name in enumerate(files)}
    return Settings({"default-rule-path": str(base), **numbered})


RULES = """\
# alert dns any any -> any any (msg:"a"; dataset:isset,a,type string,load datasets/aa; sid:1; rev:4;)
alert dns any any -> any any (msg:"sid:3;"; dataset:isset,b,type string, load b.lst, memcap 1mb; sid : 2 ; rev:5;)
alert ip any any -> any any (msg:"c"; filesha256:c.lst; sid:3; rev:6;)
alert ip any any -> any any (msg:"d"; sid:4;)
alert ip any any -> any any (msg:"others"; sid:44; rev:1;)
"""  # noqa: E501


def test_our_rules_are_found_with_what_they_load(tmp_path: Path) -> None:
    (tmp_path / "a.rules").write_text(RULES)
    found = find_rules(settings(tmp_path, "a.rules"), {1, 2, 3, 4, 5})
    assert sorted(found.rules) == [1, 2, 3, 4]
    assert [found.rules[sid].is_enabled for sid in (1, 2, 3, 4)] == [False, True, True, True]
    assert [found.rules[sid].rev for sid in (1, 2, 4)] == [4, 5, 0]
    assert [found.rules[sid].line for sid in (1, 2, 4)] == [1, 2, 4]
    assert found.rules[1].loads == tmp_path / "datasets/aa"
    assert found.rules[2].loads == tmp_path / "b.lst"
    assert (found.rules[3].loads, found.rules[3].line) == (tmp_path / "c.lst", 3)
    assert found.rules[4].loads is None


def test_an_enabled_rule_counts_more_than_one_that_is_commented_out(tmp_path: Path) -> None:
    off, on = "#alert ip any any -> any any (sid:1; rev:1;)", "alert ip x (sid:1; rev:2;)\n"
    (tmp_path / "a.rules").write_text(f"{off}\n{on}{off}")
    found = find_rules(settings(tmp_path, "a.rules"), {1})
    assert (found.rules[1].is_enabled, found.rules[1].line) == (True, 2)


def test_files_are_named_by_patterns_and_by_paths(tmp_path: Path) -> None:
    other = tmp_path / "other/deep.rules"
    other.parent.mkdir()
    for path in (tmp_path / "a.rules", tmp_path / "b.rules", other):
        path.write_text("")
    configuration = settings(tmp_path, "?.rules", str(other), "missing.rules")
    assert list(rule_files(configuration)) == [
        tmp_path / "a.rules",
        tmp_path / "b.rules",
        other,
        tmp_path / "missing.rules",
    ]


def test_what_cannot_be_read_is_said(tmp_path: Path) -> None:
    (tmp_path / "a.rules").mkdir()
    found = find_rules(settings(tmp_path, "a.rules", "b.rules"), {1})
    assert found.unreadable == [
        f"{tmp_path}/a.rules (Is a directory)",
        f"{tmp_path}/b.rules (No such file or directory)",
    ]


def test_without_a_rule_path_it_is_that_of_the_engine() -> None:
    found = list(rule_files(Settings({"rule-files.0": "x.rules"})))
    assert found == [Path("/etc/suricata/rules/x.rules")]
