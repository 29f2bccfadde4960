from __future__ import annotations

import random
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest

from vedette.bundle.generation import Generation, open_generation
from vedette.config import Settings
from vedette.errors import TrustError
from vedette.model import Context, Fetched, Indicator, IndicatorType
from vedette.pipeline.building import build
from vedette.pipeline.hub import Hub
from vedette.pipeline.signing import (
    key_changes,
    manifest_signature,
    public_key,
    resigned,
    rotate,
    sign_announcement,
    signing_key,
)
from vedette.sensor.wire import Announcement
from vedette.trust.keys import SigningKey
from vedette.trust.minisign import Purpose, key_id_of, verify
from vedette.trust.pins import Pins

AT = datetime(2026, 5, 1, tzinfo=UTC)


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[Hub]:
    with Hub(Settings(home=str(tmp_path))) as opened:
        yield opened


def announcement(serial: int) -> Announcement:
    return Announcement(
        hub="h", serial=serial, generation=1, content_id="c", manifest="m", at=AT, why="build"
    )


def announce(hub: Hub) -> None:
    """Leave the trace that agents were told something."""
    signed = sign_announcement(hub, announcement(1))
    hub.store.announcements.add(
        lambda _: (signed.document, signed.signature),
        generation=1,
        content_id="c",
        at_ms=1,
        who="w",
        why="build",
    )


def published(hub: Hub) -> Generation:
    hub.store.add_source("list", "list", {}, 900)
    running = hub.store.pull("list")
    bad = Indicator(
        type=IndicatorType.DOMAIN, value="bad.example", ref="", context=Context(key=""), expires=0
    )
    running.take(bad)
    running.take(Fetched("", "1"))
    running.finish(accept=True)
    build(hub)
    found = open_generation(hub.settings.bundles)
    assert found is not None
    return found


def test_the_key_is_made_when_it_is_first_needed(hub: Hub) -> None:
    assert public_key(hub) is None
    key = signing_key(hub)
    assert signing_key(hub).public == key.public == public_key(hub)
    keys = hub.settings.keys_dir
    assert keys.stat().st_mode & 0o777 == 0o700
    modes = {path.name: path.stat().st_mode & 0o777 for path in keys.iterdir()}
    assert modes == {"signing.key": 0o600, "signing.pub": 0o644, "changes.json": 0o600}
    assert (keys / "signing.pub").read_text() == key.public.file_text


def test_whoever_comes_at_the_same_time_gets_the_same_key(tmp_path: Path) -> None:
    settings, found = Settings(home=str(tmp_path)), []
    Hub(settings).store.close()

    def ask() -> None:
        with Hub(settings) as mine:
            found.append(signing_key(mine).public)

    threads = [threading.Thread(target=ask) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 6
    assert len(set(found)) == 1


def test_what_is_announced_is_signed(hub: Hub) -> None:
    signed = sign_announcement(hub, announcement(7))
    assert signed.read() == announcement(7)
    pins = Pins.given(signing_key(hub).public.text)
    said = pins.verify(signed.document, signed.signature, Purpose.ANNOUNCEMENT)
    assert said.comment == "vedette announcement 7 generation 1"


def test_agents_follow_rotations_that_they_missed(hub: Hub) -> None:
    pins = Pins.given(signing_key(hub).public.text)
    old = signing_key(hub)
    for _ in range(3):
        rotate(hub)
    signed = sign_announcement(hub, announcement(8))
    with pytest.raises(TrustError, match="not trusted"):
        pins.verify(signed.document, signed.signature, Purpose.ANNOUNCEMENT)
    now = pins.follow(key_changes(hub))
    now.verify(signed.document, signed.signature, Purpose.ANNOUNCEMENT)
    assert now.public_keys == (public_key(hub),)
    assert old.public.id in now.retired
    assert [change.read().why for change in key_changes(hub)] == ["the first key", *["rotated"] * 3]


def test_the_secret_of_a_retired_key_is_kept_nowhere(hub: Hub) -> None:
    keys = hub.settings.keys_dir
    signing_key(hub)
    secret = (keys / "signing.key").read_bytes().split(b"\n")[1]
    rotate(hub)
    assert not [path for path in keys.iterdir() if secret in path.read_bytes()]


def test_what_an_old_key_signed_is_signed_again(hub: Hub) -> None:
    signed = sign_announcement(hub, announcement(9))
    assert resigned(hub, signed) == signed
    rotate(hub)
    again = resigned(hub, signed)
    assert again.document == signed.document
    assert key_id_of(again.signature) == signing_key(hub).public.id
    Pins.given(signing_key(hub).public.text).verify(
        again.document, again.signature, Purpose.ANNOUNCEMENT
    )
    assert resigned(hub, again) == again


def test_what_no_key_of_this_hub_signed_is_not_signed_again(hub: Hub) -> None:
    signed = sign_announcement(hub, announcement(9))
    rotate(hub)
    forged = msgspec.structs.replace(signed, document=signed.document.replace("9", "8"))
    with pytest.raises(TrustError, match="not of this document"):
        resigned(hub, forged)


@pytest.mark.parametrize("gone", ["signing.key", "*"])
def test_a_lost_key_is_never_made_again_by_itself(hub: Hub, gone: str) -> None:
    announce(hub)
    for path in list(hub.settings.keys_dir.glob(gone)):
        path.unlink()
    for attempt in (signing_key, rotate):
        with pytest.raises(TrustError, match="signing key is gone") as caught:
            attempt(hub)
        assert "rotate --lost" in caught.value.hint
    left = {path.name for path in hub.settings.keys_dir.iterdir()}
    assert "signing.key" not in left


def test_a_lost_key_is_replaced_when_a_person_says_so(hub: Hub) -> None:
    announce(hub)
    pins = Pins.given(signing_key(hub).public.text).follow(key_changes(hub))
    (hub.settings.keys_dir / "signing.key").unlink()
    key = rotate(hub, lost=True)
    assert signing_key(hub).public == key.public
    with pytest.raises(TrustError, match="cannot be believed"):
        pins.follow(key_changes(hub))
    again = Pins.given(key.public.text, pins).follow(key_changes(hub))
    assert again.public_keys == (key.public,)
    rotate(hub)
    assert again.follow(key_changes(hub)).public_keys == (public_key(hub),)


def test_another_key_in_its_place_is_refused(hub: Hub) -> None:
    right = signing_key(hub)
    stranger = SigningKey.generate()
    stranger.save(hub.settings.keys_dir / "signing.key")
    with pytest.raises(TrustError, match=right.public.id):
        signing_key(hub)
    with pytest.raises(TrustError, match=stranger.public.id):
        rotate(hub)


def test_a_list_of_changes_without_its_key_is_a_loss(hub: Hub) -> None:
    signing_key(hub)
    (hub.settings.keys_dir / "changes.json").unlink()
    with pytest.raises(TrustError, match="signing key is gone"):
        signing_key(hub)


def test_what_a_killed_rotation_left_is_put_in_order(hub: Hub) -> None:
    keys = hub.settings.keys_dir
    before = signing_key(hub)
    SigningKey.generate().save(keys / "next.key")  # killed before its change was listed
    assert signing_key(hub).public == before.public
    assert not (keys / "next.key").exists()
    after = rotate(hub)
    (keys / "signing.key").rename(keys / "next.key")  # killed after that
    before.save(keys / "signing.key")
    assert signing_key(hub).public == after.public
    assert not (keys / "next.key").exists()
    assert (keys / "signing.pub").read_text() == after.public.file_text


def test_keys_that_others_may_read_are_refused(hub: Hub) -> None:
    signing_key(hub)
    (hub.settings.keys_dir / "signing.key").chmod(0o644)
    with pytest.raises(TrustError, match="everybody"):
        signing_key(hub)


def test_a_keys_directory_that_was_restored_too_open_is_closed(hub: Hub) -> None:
    hub.settings.keys_dir.mkdir(mode=0o755)
    signing_key(hub)
    assert hub.settings.keys_dir.stat().st_mode & 0o777 == 0o700


def test_a_keys_directory_that_cannot_be_made_is_an_error(hub: Hub) -> None:
    hub.settings.keys_dir.write_text("a file")
    with pytest.raises(TrustError, match="cannot use the keys"):
        signing_key(hub)


def test_a_manifest_is_signed_once_for_each_key(hub: Hub) -> None:
    generation = published(hub)
    text = manifest_signature(hub, generation)
    kept = hub.settings.artifacts / generation.path.name / "manifest.json.minisig"
    data = (generation.path / "manifest.json").read_bytes()
    assert kept.read_text() == text
    made = kept.stat().st_ino
    assert manifest_signature(hub, generation) == text
    assert kept.stat().st_ino == made
    said = verify(text, data, [signing_key(hub).public], Purpose.MANIFEST)
    assert said.comment.startswith("vedette manifest generation 1 content ")
    rotate(hub)
    again = manifest_signature(hub, generation)
    assert key_id_of(again) == signing_key(hub).public.id
    kept.write_bytes(b"\xff damaged")
    assert manifest_signature(hub, generation) == again


_ROTATES = """
import sys
from vedette.config import Settings
from vedette.pipeline.hub import Hub
from vedette.pipeline.signing import rotate
with Hub(Settings(home=sys.argv[1])) as hub:
    print("ready", flush=True)
    while True:
        rotate(hub)
"""


@pytest.mark.parametrize("seed", range(5))
def test_rotations_may_be_killed_at_any_moment(hub: Hub, tmp_path: Path, seed: int) -> None:
    """Agents follow from the first key to whatever is in force, and it can sign."""
    pins = Pins.given(signing_key(hub).public.text)
    command = [sys.executable, "-c", _ROTATES, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        time.sleep(0.05 + random.Random(seed).random() / 20)
        process.kill()
    now = pins.follow(key_changes(hub))
    assert now.changes > 1
    assert now.public_keys == (signing_key(hub).public,)
    left = {path.name for path in hub.settings.keys_dir.iterdir() if path.suffix != ".tmp"}
    assert left == {"signing.key", "signing.pub", "changes.json"}
