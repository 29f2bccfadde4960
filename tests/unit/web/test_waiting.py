"""Those who wait are told what changed, and nobody waits who is gone."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Coroutine, Iterator
from pathlib import Path
from typing import Any, TypeVar

import pytest

from vedette.bundle import Builder
from vedette.bundle.generation import open_generation
from vedette.config import Settings
from vedette.model import IndicatorType, Key
from vedette.pipeline.announcing import announce, announce_current
from vedette.pipeline.hub import Hub
from vedette.ruleset.engine import PLAIN
from vedette.testing.indicators import ListedKeys
from vedette.web.waiting import WAITERS_MAX, Board, Told

T = TypeVar("T")
SENSORS = [f"sensor-{number:03}" for number in range(50)]


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[Hub]:
    with Hub(Settings(home=str(tmp_path))) as opened:
        for name in SENSORS:
            opened.store.fleet.add_sensor(name, {"delivery": "agent"})
        yield opened


def publish(hub: Hub) -> None:
    keys = ListedKeys([Key(IndicatorType.DOMAIN, "evil.example")])
    Builder(root=hub.settings.bundles, targets=PLAIN).build(keys)
    announce_current(hub, "test")


def again(hub: Hub) -> None:
    generation = open_generation(hub.settings.bundles)
    assert generation is not None
    announce(hub, generation, "ann", "again")


def run(board: Board, job: Coroutine[Any, Any, T]) -> T:
    async def both() -> T:
        try:
            return await asyncio.wait_for(job, 20)
        finally:
            board.close()

    return asyncio.run(both())


async def waits(board: Board, sensor: str, after: int, wait_s: float = 10) -> Told | None:
    return await board.newer(sensor, after, wait_s, asyncio.Event().wait())


async def until_waiting(board: Board, number: int) -> None:
    while board.waiters != number:  # noqa: ASYNC110 - the board has no event for tests
        await asyncio.sleep(0.01)


def test_all_who_wait_are_told_of_an_announcement(hub: Hub) -> None:
    publish(hub)
    board = Board(hub.settings)

    async def job() -> list[Told | None]:
        told = await board.told(SENSORS[0])
        assert told is not None
        waiting = [asyncio.create_task(waits(board, name, told.serial)) for name in SENSORS]
        await until_waiting(board, len(SENSORS))
        again(hub)
        return await asyncio.gather(*waiting)

    told = run(board, job())
    assert len({one.serial for one in told if one}) == 1
    assert None not in told
    assert board.waiters == 0


def test_what_others_write_about_wakes_nobody(hub: Hub) -> None:
    publish(hub)
    board = Board(hub.settings)

    async def job() -> Told | None:
        told = await board.told("sensor-000")
        assert told is not None
        waiting = asyncio.create_task(waits(board, "sensor-000", told.serial, wait_s=0.5))
        for number in range(10):
            hub.store.add_source(f"source-{number}", "list", {}, 900)
            await asyncio.sleep(0.02)
            assert not waiting.done()
        return await waiting

    assert run(board, job()) is None


def test_who_hangs_up_waits_no_more(hub: Hub) -> None:
    publish(hub)
    board = Board(hub.settings)

    async def job() -> None:
        told = await board.told("sensor-000")
        assert told is not None
        gone = [asyncio.Event() for _ in SENSORS]
        waiting = [
            asyncio.create_task(board.newer(name, told.serial, 60, event.wait()))
            for name, event in zip(SENSORS, gone, strict=True)
        ]
        await until_waiting(board, len(SENSORS))
        for event in gone[10:]:
            event.set()
        await until_waiting(board, 10)
        for event in gone:
            event.set()
        assert await asyncio.gather(*waiting) == [None] * len(SENSORS)

    run(board, job())
    assert board.waiters == 0


def test_more_waits_of_one_sensor_end_the_oldest(hub: Hub) -> None:
    publish(hub)
    board = Board(hub.settings)

    async def job() -> None:
        told = await board.told("sensor-000")
        assert told is not None
        waiting = []
        for _ in range(WAITERS_MAX + 3):
            waiting.append(asyncio.create_task(waits(board, "sensor-000", told.serial)))
            await asyncio.sleep(0.01)
        await asyncio.wait(waiting[:3])
        assert [one.done() for one in waiting] == [True] * 3 + [False] * WAITERS_MAX
        for one in waiting[3:]:
            one.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)

    run(board, job())
    assert board.waiters == 0


def test_the_end_lets_all_go(hub: Hub) -> None:
    publish(hub)
    board = Board(hub.settings)

    async def job() -> list[Told | None]:
        told = await board.told("sensor-000")
        assert told is not None
        waiting = [asyncio.create_task(waits(board, name, told.serial, 60)) for name in SENSORS]
        await until_waiting(board, len(SENSORS))
        started = time.monotonic()
        board.close()
        ended = await asyncio.gather(*waiting)
        assert time.monotonic() - started < 1
        assert await waits(board, "sensor-000", told.serial, 60) is None
        return ended

    assert run(board, job()) == [None] * len(SENSORS)


def test_nothing_is_told_until_something_is_published(hub: Hub) -> None:
    board = Board(hub.settings)

    async def job() -> Told | None:
        assert await waits(board, "sensor-000", 0, 0.05) is None
        waiting = asyncio.create_task(waits(board, "sensor-000", 0))
        await until_waiting(board, 1)
        publish(hub)
        return await waiting

    told = run(board, job())
    assert told is not None
    assert told.announcement.read().generation == 1


def test_a_store_that_fails_is_tried_again(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vedette.web.waiting._AGAIN_S", 0.05)
    publish(hub)
    hub.settings.database.rename(hub.settings.database.with_suffix(".away"))
    hub.settings.database.mkdir()
    board = Board(hub.settings)

    async def job() -> Told | None:
        waiting = asyncio.create_task(board.told("sensor-000"))
        await asyncio.sleep(0.2)
        assert not waiting.done()
        hub.settings.database.rmdir()
        hub.settings.database.with_suffix(".away").rename(hub.settings.database)
        return await waiting

    assert run(board, job()) is not None
