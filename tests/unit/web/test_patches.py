"""Many ask for the same patches: they are made once, and read once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import cast

import pytest

from vedette.errors import BundleError
from vedette.pipeline.hub import Hub
from vedette.web import patches
from vedette.web.patches import Patches
from vedette.web.state import AppState


class Making:
    """Stands for the threads that make; counts."""

    def __init__(self) -> None:
        self.jobs = 0

    async def make(self, job: Callable[[Hub | None], bytes | Path]) -> bytes | Path:
        self.jobs += 1
        await asyncio.sleep(0.05)
        return job(None)


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "a.patches.zst"
    path.write_bytes(b"x" * 100)

    def find(_hub: Hub, before: str, number: int, target: str) -> Path:
        if before == "gone":
            raise BundleError("not here", hint="fetch whole files")
        return path

    monkeypatch.setattr(patches, "patches", find)
    return path


def serving(making: Making) -> Patches:
    return Patches(cast("AppState", making))


def test_who_asks_together_and_later_gets_what_was_made_once(file: Path) -> None:
    async def job() -> None:
        making = Making()
        served = serving(making)
        got = await asyncio.gather(*(served.get("a", 2, "7.0") for _ in range(50)))
        assert set(got) == {b"x" * 100}
        file.unlink()  # noqa: ASYNC240 - of a test, and tiny
        assert await served.get("a", 2, "7.0") == b"x" * 100
        assert making.jobs == 1

    asyncio.run(job())


def test_who_hangs_up_does_not_spoil_it_for_the_others(file: Path) -> None:
    async def job() -> None:
        making = Making()
        served = serving(making)
        first = asyncio.create_task(served.get("a", 2, "7.0"))
        await asyncio.sleep(0.01)
        second = asyncio.create_task(served.get("a", 2, "7.0"))
        await asyncio.sleep(0.01)
        first.cancel()
        assert await second == b"x" * 100
        assert making.jobs == 1

    asyncio.run(job())


def test_what_could_not_be_made_is_tried_again(file: Path) -> None:
    async def job() -> None:
        making = Making()
        served = serving(making)
        for _ in range(2):
            with pytest.raises(BundleError):
                await served.get("gone", 2, "7.0")
        assert making.jobs == 2

    asyncio.run(job())


def test_memory_holds_the_last_ones_only(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patches, "KEPT_BYTES", 250)
    monkeypatch.setattr(patches, "_ONE_MAX", 150)

    async def job() -> None:
        making = Making()
        served = serving(making)
        for number in (1, 2, 3, 3, 1):
            await served.get("a", number, "7.0")
        assert making.jobs == 4
        file.write_bytes(b"y" * 200)  # noqa: ASYNC240 - of a test, and tiny
        assert await served.get("a", 9, "7.0") == file

    asyncio.run(job())
