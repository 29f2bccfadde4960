"""What goes wrong. Each fault begins at one moment; what it returns takes it back.

Hard rule: nothing here touches what the product itself has to put right.
"""

from __future__ import annotations

import shutil
import signal
import threading
import time
from collections.abc import Callable, Mapping
from enum import StrEnum
from pathlib import Path

from vedette.testing.fleet.places import HubPlace
from vedette.testing.fleet.raw import RawSocket, spelt
from vedette.testing.fleet.relay import Damage
from vedette.testing.fleet.stage import COMMON, Stage

Undo = Callable[[], None]


class Kind(StrEnum):
    """What a run is about; other faults come with it by chance."""

    KILL_HUB = "kill -9 of the hub"
    KILL_AGENT = "kill -9 of the agent"
    KILL_ENGINE = "kill -9 of the engine"
    DISK_FULL = "disk full"
    SOCKET = "command socket vanishing, cut"
    OLD_BACKUP = "hub restarted with an old backup"
    TRUNCATED = "truncated transfers"
    BITS_ON_THE_WAY = "flipped bits on the way"
    BITS_ON_DISK = "flipped bits on the disk"
    CLOCK = "wrong clock"
    TWO_HUBS = "two hubs"


_NOTHING: Undo = lambda: None  # noqa: E731 - nothing to take back


def kill_hub(stage: Stage) -> Undo:
    """Kill the server and whatever command runs; start the server again a moment later."""
    stage.hub.kill()
    stage.done["hub killed"] += 1
    _later(stage, 0.0, 0.3, stage.hub.start)
    return _NOTHING


def kill_agent(stage: Stage) -> Undo:
    """Kill the agent, and start it again."""
    stage.sensor.kill()
    stage.done["agent killed"] += 1
    time.sleep(stage.rng.uniform(0, 0.2))
    stage.sensor.start()
    return _NOTHING


def kill_engine(stage: Stage) -> Undo:
    """Kill the engine, and start it again."""
    stage.engine.kill()
    stage.done["engine killed"] += 1
    time.sleep(stage.rng.uniform(0, 0.3))
    stage.engine.start()
    return _NOTHING


def freeze_engine(stage: Stage) -> Undo:
    """Stop the engine in the middle of a command, for a moment."""
    before = time.monotonic()
    stage.engine.send(signal.SIGSTOP)
    stage.done["engine frozen"] += 1
    time.sleep(stage.rng.uniform(0.05, 0.9))
    stage.engine.send(signal.SIGCONT)
    stage.freezes.append((before, time.monotonic()))
    return _NOTHING


def fill_disk(stage: Stage) -> Undo:
    """Leave no byte, a few, or enough for a part of what comes."""
    if stage.disk is None:
        return _NOTHING
    disk = stage.disk
    left = stage.rng.choice([0, 4_096, 20_000, 100_000, 17 << 20])
    try:
        disk.fill(left)
    except OSError:
        disk.free()
        return _NOTHING
    stage.done[f"disk of the {stage.plan.small_disk} full"] += 1
    return disk.free


def hide_socket(stage: Stage) -> Undo:
    """Let the command socket vanish for a moment."""
    stage.sensor.lead_to(None)
    stage.done["socket vanished"] += 1
    _later(stage, 0.1, 0.8, stage.connect)
    return stage.connect


def cut_socket(stage: Stage) -> Undo:
    """Cut connections to the engine in the middle of commands and answers."""
    wire = stage.wire
    if wire is None:
        return hide_socket(stage)
    if stage.rng.random() < 0.5:  # noqa: PLR2004 - one of two
        wire.cut_all()
        stage.done["connections to the engine cut"] += 1
        return _NOTHING
    wire.damage = Damage(cut=stage.rng.choice([0.005, 0.03, 0.2]), refuse=0.1)
    stage.done["connections to the engine being cut"] += 1
    return wire.heal


def truncate(stage: Stage) -> Undo:
    """Cut answers of the hub, and requests, in the middle."""
    stage.relay.damage = Damage(
        cut=stage.rng.choice([0.05, 0.2, 0.5]), refuse=0.1, delay=0.2, delay_s=0.1
    )
    stage.done["transfers being cut"] += 1
    return stage.relay.heal


def flip_on_the_way(stage: Stage) -> Undo:
    """Flip bits of what hub and agent say to each other."""
    upwards = stage.rng.random() < 0.3  # noqa: PLR2004 - mostly the other way
    stage.relay.damage = Damage(flip=stage.rng.choice([0.1, 0.3, 0.8]), upwards=upwards)
    stage.done["bits being flipped on the way"] += 1
    return stage.relay.heal


def flip_on_disk(stage: Stage) -> Undo:
    """Change one entry of an installed file, or what the hub or the agent keeps ready."""
    where = stage.rng.choice(["installed", "installed", "artifact", "agent"])
    if where == "installed":
        return _flip_installed(stage)
    root = stage.hub.state / "artifacts" if where == "artifact" else stage.sensor.disk
    names = "*" if where == "artifact" else "manifests/*.json"
    found = sorted(path for path in root.rglob(names) if path.is_file() and path.stat().st_size)
    if found:
        path = stage.rng.choice(found)
        data = bytearray(path.read_bytes())
        data[stage.rng.randrange(len(data))] ^= 1 << stage.rng.randrange(8)
        path.write_bytes(data)
        stage.done[f"bit flipped on disk: {where}"] += 1
    return _NOTHING


def _flip_installed(stage: Stage) -> Undo:
    current = stage.sensor.rules / "current"
    files = sorted(path for path in current.glob("*.lst") if "generation" not in path.name)
    if not files:
        return _NOTHING
    path = stage.rng.choice(files)
    lines = path.read_bytes().splitlines()
    spared = {spelt("string", dot + COMMON).encode() for dot in ("", ".")}
    usable = [n for n, line in enumerate(lines) if line not in spared]
    if not usable:
        return _NOTHING
    number = stage.rng.choice(usable)
    lines[number] = _other(lines[number])
    path.write_bytes(b"\n".join(lines) + b"\n")
    stage.done["bit flipped on disk: installed"] += 1
    what = stage.rng.choice(["nothing", "reload", "kill"])
    if what == "reload":
        foreign_reload(stage)
    elif what == "kill":
        kill_engine(stage)
    return _NOTHING


def _other(line: bytes) -> bytes:
    """Change one bit such that the engine still takes the line for an entry."""
    at = next(n for n in range(len(line) - 3, -1, -1) if line[n : n + 1].isalnum())
    old = line[at : at + 1]
    new = bytes([old[0] ^ 1])
    is_fine = new.isdigit() if old.isdigit() else new.isalpha()
    return line[:at] + (new if is_fine else bytes([old[0] ^ 2])) + line[at + 1 :]


def foreign_reload(stage: Stage) -> Undo:
    """Have the engine reload as another tool would."""
    try:
        with RawSocket(stage.engine.socket) as engine:
            engine.ask("ruleset-reload-nonblocking")
    except (OSError, ValueError):
        return _NOTHING
    stage.done["reload by somebody else"] += 1
    return _NOTHING


def jump(stage: Stage) -> Undo:
    """Set the clock of the hub or of the agent to another time, at once."""
    clock = stage.nurseries.clock
    if not stage.plan.wrong_clock or clock is None:
        return _NOTHING
    text = stage.rng.choice(["+0", "-3600", "-259200", "+86400", "+7776000", "-31536000"])
    clock.write_text(f"{text}\n")
    stage.done[f"clock of the {stage.plan.wrong_clock} set to another time"] += 1

    def back() -> None:
        clock.write_text("+0\n")

    return back


def keep_backup(stage: Stage) -> Undo:
    """Make a backup of the hub as it is now, while it works."""
    path = stage.home / "backup"
    path.unlink(missing_ok=True)
    code, _ = stage.hub.command("backup", str(path))
    stage.has_backup = code == 0
    return _NOTHING


def restore_backup(stage: Stage) -> Undo:
    """Lose the hub and put the old backup in its place."""
    if not stage.has_backup:
        return _NOTHING
    stage.learn()
    stage.hub.kill()
    code, _ = stage.hub.command("restore", str(stage.home / "backup"), "--replace")
    if code == 0:
        stage.done["hub restored from an old backup"] += 1
    stage.hub.start()
    return _NOTHING


def second_hub(stage: Stage) -> Undo:
    """Let a copy of the hub, with a life of its own, answer in its place for a while."""
    if stage.twin is None:
        stage.twin = _twin(stage)
        if stage.twin is None:
            return _NOTHING
    twin, before = stage.twin, stage.feed
    twin.publish(*stage.change())
    stage.feed = before
    stage.learn(twin.bundles)
    stage.relay.target = ("127.0.0.1", twin.port)
    stage.relay.cut_all()
    stage.done["a second hub answered"] += 1
    time.sleep(stage.rng.uniform(0.2, 0.8))

    def back() -> None:
        stage.relay.target = ("127.0.0.1", stage.hub.port)
        stage.relay.cut_all()

    return back


def _twin(stage: Stage) -> HubPlace | None:
    path = stage.home / "copy"
    if stage.hub.command("backup", str(path))[0] != 0:
        return None
    twin = HubPlace(stage.home / "h2", stage.nurseries.right)
    stage.on_close(twin.close)
    for name in ("domains.txt", "addresses.txt"):
        shutil.copy(stage.hub.home / name, twin.home / name)
    if twin.command("restore", str(path))[0] != 0:
        return None
    twin.read_own_feeds(stage.hub.home)
    twin.write_config()
    twin.start()
    return twin


def foreign_push(stage: Stage) -> Undo:
    """Have a hub that this sensor does not belong to push to its rules directory."""
    if stage.stranger is None:
        stage.stranger = HubPlace(stage.home / "h3", stage.nurseries.right, stage.foreign)
        sensor = ("--socket", str(stage.sensor.socket), "--rules", str(stage.sensor.rules))
        stage.stranger.command("sensor", "add", "other", *sensor)
    before = stage.feed
    stage.stranger.publish(*stage.change())
    stage.feed = before
    stage.stranger.command("sensor", "push", "other")
    stage.done["a foreign hub pushed"] += 1
    return _NOTHING


def _later(stage: Stage, least_s: float, most_s: float, job: Callable[[], None]) -> None:
    """Do something a moment later, while the run goes on."""
    delay = stage.rng.uniform(least_s, most_s)
    thread = threading.Timer(delay, job)
    thread.start()
    stage.pending.append(thread)


FAULTS: Mapping[Kind, tuple[Callable[[Stage], Undo], ...]] = {
    Kind.KILL_HUB: (kill_hub,),
    Kind.KILL_AGENT: (kill_agent,),
    Kind.KILL_ENGINE: (kill_engine,),
    Kind.DISK_FULL: (fill_disk,),
    Kind.SOCKET: (cut_socket, hide_socket, freeze_engine, cut_socket),
    Kind.OLD_BACKUP: (keep_backup, restore_backup),
    Kind.TRUNCATED: (truncate,),
    Kind.BITS_ON_THE_WAY: (flip_on_the_way,),
    Kind.BITS_ON_DISK: (flip_on_disk,),
    Kind.CLOCK: (jump,),
    Kind.TWO_HUBS: (second_hub, foreign_push),
}
BY_CHANCE = (kill_hub, kill_agent, kill_engine, foreign_reload, hide_socket, truncate)
"""What comes with everything now and then."""


def size_of(path: Path) -> int:
    """Return the bytes of all files below a directory."""
    return sum(one.lstat().st_size for one in path.rglob("*") if one.is_file())
