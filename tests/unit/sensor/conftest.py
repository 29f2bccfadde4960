"""A fake engine with Vedette's rules directory, and releases to push to it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from vedette.sensor.push import Pushed, push
from vedette.sensor.release import Release
from vedette.sensor.settings import Sensor
from vedette.testing.fake_suricata import FakeSuricata
from vedette.testing.handmade import hand_made

Sets = Mapping[str, Sequence[str]]


@dataclass
class Desk:
    """Everything a push needs, on one fake engine."""

    path: Path
    engine: FakeSuricata
    sensor: Sensor
    count: int = field(default=0)

    def release(
        self, sets: Sets, *, target: str = "7.0", memcap_mb: int = 10, hashsize: int = 1024
    ) -> tuple[Release, dict[str, Path]]:
        """Make the next generation."""
        self.count += 1
        made = hand_made(
            self.path / f"bundle-{self.count}",
            self.count,
            sets,
            target=target,
            memcap_mb=memcap_mb,
            hashsize=hashsize,
        )
        return Release.from_manifest(made.manifest, target), made.sources

    def push(self, sets: Sets, **options: object) -> Pushed:
        """Make and push the next generation."""
        return push(self.sensor, *self.release(sets, **options))  # type: ignore[arg-type]

    def sent(self, command: str) -> int:
        """How often a command arrived."""
        return sum(request["command"] == command for request in self.engine.commands)


@pytest.fixture
def open_desk(tmp_path: Path) -> Iterator[Callable[..., Desk]]:
    engines: list[FakeSuricata] = []

    def open_it(version: str = "8.0.7", **options: object) -> Desk:
        rules = tmp_path / "rules"
        engine = FakeSuricata(
            tmp_path / "s",
            rules / "current/vedette.rules",
            version,
            **options,  # type: ignore[arg-type]
        )
        engine.start()
        engines.append(engine)
        sensor = Sensor(
            name="probe", socket=str(engine.path), rules=str(rules), restart_timeout_s=3
        )
        return Desk(tmp_path, engine, sensor)

    yield open_it
    for engine in engines:
        engine.stop()


@pytest.fixture
def desk(open_desk: Callable[..., Desk]) -> Desk:
    return open_desk()
