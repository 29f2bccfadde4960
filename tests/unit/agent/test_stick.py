"""An import that fails, wherever it fails, leaves what is in force, and forgets no serial."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest

from vedette.agent.holding import Holding
from vedette.agent.settings import AgentSettings
from vedette.agent.stick import bring
from vedette.bundle import Builder, open_generation
from vedette.bundle.archive import Papers, export
from vedette.errors import SensorError, TrustError
from vedette.model import IndicatorType as T
from vedette.model import Key
from vedette.sensor.settings import Delivery, Sensor
from vedette.sensor.wire import Announcement
from vedette.testing.fake_suricata import FakeSuricata
from vedette.testing.indicators import ListedKeys
from vedette.trust.keys import SigningKey
from vedette.trust.minisign import Purpose, sign
from vedette.trust.pins import KeyChange, signed_change

AT = datetime(2026, 5, 1, tzinfo=UTC)
KEY = SigningKey(bytes(range(32)), bytes(range(8)))
FIRST = signed_change(KeyChange(number=1, at=AT, add=KEY.public.text), KEY)


@pytest.fixture
def settings(short_path: Path) -> Iterator[AgentSettings]:
    """An engine, and what its agent knows."""
    rules = short_path / "rules"
    with FakeSuricata(short_path / "s", rules / "current/vedette.rules", "8.0.7") as engine:
        yield AgentSettings(
            delivery=Delivery.STICK,
            state=str(short_path / "agent"),
            token_file=str(short_path / "agent.token"),
            sensor=Sensor(name="island", socket=str(engine.path), rules=str(rules)),
        )


@pytest.fixture
def make(tmp_path: Path) -> Callable[..., Path]:
    """Makes an archive of a new generation."""

    def make_one(serial: int, hub: str = "h") -> Path:
        root, path = tmp_path / "bundles", tmp_path / f"{serial}-{hub}.tar"
        Builder(root=root).build(ListedKeys([Key(T.DOMAIN, f"n{serial}.example.com")]))
        generation = open_generation(root)
        assert generation is not None
        manifest = (generation.path / "manifest.json").read_bytes()
        announcement = msgspec.json.encode(
            Announcement(
                hub=hub,
                serial=serial,
                generation=generation.number,
                content_id=generation.manifest.content_id,
                manifest=hashlib.sha256(manifest).hexdigest(),
                at=AT,
                why="build",
            )
        )
        papers = Papers(
            announcement.decode(),
            sign(KEY, announcement, f"{Purpose.ANNOUNCEMENT} {serial}"),
            sign(KEY, manifest, f"{Purpose.MANIFEST} 1"),
            (FIRST,),
        )
        export(
            generation,
            papers,
            ["8.0.7"],
            path,
            sign=lambda data, comment: sign(KEY, data, comment),
            scratch=tmp_path,
        )
        return path

    return make_one


def serial(settings: AgentSettings) -> int:
    return Holding(settings.state_dir).serial


def test_what_is_brought_is_what_the_agent_wants_from_then_on(
    settings: AgentSettings, make: Callable[..., Path]
) -> None:
    brought = bring(settings, make(5), key=KEY.public.text)
    assert brought.pushed.proof.ok
    wanted = Holding(settings.state_dir).wanted
    assert wanted is not None
    assert (wanted.serial, wanted.content_id) == (5, brought.content_id)


def test_the_key_may_stand_beside_the_token(
    settings: AgentSettings, make: Callable[..., Path]
) -> None:
    path = Path(settings.token_file)
    path.write_text(f"vdt_0_x\nkey {KEY.public.text}\n")
    path.chmod(0o600)
    assert bring(settings, make(5)).pushed.proof.ok


def test_a_push_that_fails_forgets_no_serial(
    settings: AgentSettings, make: Callable[..., Path]
) -> None:
    """Who stops an import in its middle must not make an older archive good again."""
    old, new = make(5), make(6)
    settings.sensor.rules_path.write_text("in the way")
    with pytest.raises(SensorError):
        bring(settings, new, key=KEY.public.text)
    assert serial(settings) == 6
    settings.sensor.rules_path.unlink()
    with pytest.raises(TrustError, match="older than 6"):
        bring(settings, old)
    assert bring(settings, new).pushed.proof.ok


def test_a_refused_archive_leaves_no_trace(
    settings: AgentSettings, make: Callable[..., Path]
) -> None:
    path = make(5)
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(TrustError):
        bring(settings, path, key=KEY.public.text)
    assert not settings.sensor.rules_path.exists()
    assert serial(settings) == 0
    assert Holding(settings.state_dir).now.pins is None
    assert not [one for one in settings.state_dir.iterdir() if one.name != ".import.lock"]


def test_another_hub_with_the_same_key_is_refused(
    settings: AgentSettings, make: Callable[..., Path]
) -> None:
    bring(settings, make(5), key=KEY.public.text)
    with pytest.raises(TrustError, match="another hub"):
        bring(settings, make(6, "copy"))
    assert serial(settings) == 5


def test_a_state_that_cannot_be_used_is_an_error(
    settings: AgentSettings, make: Callable[..., Path]
) -> None:
    settings.state_dir.write_text("a file")
    with pytest.raises(SensorError, match="cannot use the directory") as caught:
        bring(settings, make(5), key=KEY.public.text)
    assert "--state" in caught.value.hint
