from __future__ import annotations

import re
from pathlib import Path

import pytest

from vedette.config import TEMPLATE, Settings, find_config, load, parse_duration
from vedette.errors import ConfigError


@pytest.fixture
def toml(tmp_path: Path) -> Path:
    return tmp_path / "vedette.toml"


def test_the_template_says_what_the_defaults_are(toml: Path) -> None:
    toml.write_text(TEMPLATE)
    defaults = Settings(home=str(toml.parent))
    assert load(toml) == defaults
    uncommented = re.sub(r"^# (\w+ = )", r"\1", TEMPLATE, flags=re.MULTILINE)
    assert uncommented.count(" = ") > TEMPLATE.count("\n# ") / 3
    toml.write_text(uncommented)
    assert load(toml) == defaults


def test_the_template_has_every_setting() -> None:
    every = Settings()
    for section in (every, every.bundle, every.push, every.run, every.serve, every.rollout):
        for name in section.__struct_fields__:
            if name != "home":
                assert re.search(rf"^(# )?{name} = |^(# )?\[{name}[].]", TEMPLATE, re.MULTILINE)


def test_paths_are_relative_to_the_file(toml: Path) -> None:
    toml.write_text('state = "elsewhere"')
    settings = load(toml)
    assert settings.database == toml.parent / "elsewhere/vedette.db"
    assert settings.bundles == toml.parent / "elsewhere/bundles"


@pytest.mark.parametrize(
    ("text", "seconds"), [("90s", 90), ("15m", 900), (" 6h ", 21_600), ("1 d", 86_400)]
)
def test_durations(text: str, seconds: int) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "15", "m", "1.5h", "0s", "-1m", "1w", "1234567s"])
def test_what_is_no_duration(text: str) -> None:
    with pytest.raises(ConfigError, match="no duration") as failed:
        parse_duration(text)
    assert "15m" in failed.value.hint


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("state = ", "not TOML"),
        ("colour = 1", "colour"),
        ("[push]\ndelta_maximum = 1", "delta_maximum"),
        ("[bundle]\nkeep = 1", "keep"),
        ('[bundle]\nprefix = "a b"', "prefix"),
        ('[bundle]\nprofiles = ["6.0"]', "6.0"),
        ('[run]\ninterval = "often"', "often"),
        ('home = "/"', "home"),
        ('[pool]\nskip = ["http.cookies"]', "http.cookies"),
        ('[pool]\nhome = ["10.0.0.0/99"]', "10.0.0.0/99"),
        ('[pool]\nhome = ["10.0.0.1/8"]', "host bits"),
        ('[feedback.classes]\nservers = ["10.0.0.1/8"]', "host bits"),
        ('[feedback.classes]\n"a b" = ["10.0.0.0/8"]', "'a b'"),
        ('[feedback]\nhosts = "names"', "names"),
        ('[feedback]\nevery = "often"', "often"),
        ('[notify]\nevents = ["everything"]', "everything"),
        ('[guard]\nown = ["192.0.2.1/24"]', "host bits"),
        ('[guard]\nown = ["0.0.0.0/0"]', "wider than /8"),
        ('[guard]\nown = ["2000::/3"]', "wider than /16"),
        ('[guard]\nown = ["our org"]', "our org"),
        ('[guard]\nown = ["localhost"]', "localhost"),
        ("[guard.confidence]\nja5 = 30", "ja5"),
        ("[guard.confidence]\nja3 = 101", "<= 100"),
        ('[guard.age]\nip = "90d"', "'ip'"),
        ('[guard.age]\nip-dst = "soon"', "soon"),
    ],
)
def test_a_setting_that_means_nothing_is_named(toml: Path, text: str, said: str) -> None:
    toml.write_text(text)
    with pytest.raises(ConfigError, match=re.escape(said)) as failed:
        load(toml)
    assert failed.value.hint


def test_bytes_that_are_no_text_are_no_toml(toml: Path) -> None:
    toml.write_bytes(b"state = '\xff'")
    with pytest.raises(ConfigError, match="not TOML"):
        load(toml)


def test_a_file_that_cannot_be_read_is_an_error_with_a_hint(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot read") as failed:
        load(tmp_path)
    assert failed.value.hint


def test_the_option_comes_before_the_variable_and_that_before_the_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("VEDETTE_CONFIG", raising=False)
    here, named, given = Path("vedette.toml"), tmp_path / "named.toml", tmp_path / "given.toml"
    for path in (here, named, given):
        path.touch()
    assert find_config(None) == here
    monkeypatch.setenv("VEDETTE_CONFIG", str(named))
    assert find_config(None) == named
    assert find_config(str(given)) == given


def test_a_file_that_is_named_and_not_there_is_not_replaced_by_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("vedette.toml").touch()
    with pytest.raises(ConfigError, match=r"other\.toml") as failed:
        find_config("other.toml")
    assert "vedette init" in failed.value.hint


def test_a_place_to_hunt_in(toml: Path) -> None:
    toml.write_text('[opensearch.selks]\nurl = "https://search.example:9200"')
    place = load(toml).opensearch["selks"]
    assert (place.index, place.layout) == ("logstash-*", "auto")


@pytest.mark.parametrize(
    "text",
    [
        "[opensearch.selks]",
        '[opensearch.selks]\nurl = "search.example"',
        '[opensearch.selks]\nurl = "https://user:secret@search.example"',
        '[opensearch.selks]\nurl = "https://search.example"\npassword = "secret"',
        '[opensearch.selks]\nurl = "https://search.example"\nlayout = "cef"',
        '[opensearch.selks]\nurl = "https://search.example"\ntimeout = "1"',
        '[opensearch."a/b"]\nurl = "https://search.example"',
    ],
)
def test_what_is_no_place_to_hunt_in(toml: Path, text: str) -> None:
    toml.write_text(text)
    with pytest.raises(ConfigError):
        load(toml)


def test_our_own_are_names_addresses_and_networks(toml: Path) -> None:
    own = ("face.de", "Example.org", "2001:db8::/32", "2001:db8::", "192.0.2.0/24", "192.0.2.1")
    toml.write_text(f"[guard]\nown = {list(own)}")
    assert load(toml).guard.own == own
