"""Many agents in one process, speaking the agents' protocol on sockets of their own.

Started by bench/fleet.py, which tells it what to do in one line; says one JSON document a line.
"""

from __future__ import annotations

import asyncio
import hashlib
import io
import random
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import msgspec
import zstandard

from vedette.ruleset.manifest import Manifest
from vedette.ruleset.patch import apply
from vedette.ruleset.patchset import How, read_body, read_index
from vedette.sensor.proof import Check, Proof
from vedette.sensor.release import Release
from vedette.sensor.wire import EngineState, EveState, Report, SignedAnnouncement, State

_WAIT_S = 55
_CHECKS = 80


class Order(msgspec.Struct, kw_only=True):
    """What the agents shall do."""

    port: int
    tokens: list[str]
    report_every_s: float
    """0: they do not report."""
    target: str
    whole: int = 0
    """So many of them fetch whole files."""
    held: dict[str, str] = {}
    """Files of the generation that they hold, by name; one agent applies its patches to them."""


class Reply(NamedTuple):
    """An answer of the hub."""

    status: int
    body: bytes


class Connection:
    """One connection that is kept, as httpx keeps it."""

    def __init__(self, port: int, token: str) -> None:
        self._port = port
        self._token = token
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        self._one_at_a_time = asyncio.Lock()

    async def ask(self, method: str, path: str, body: bytes = b"", kind: str = "") -> Reply:
        async with self._one_at_a_time:
            return await self._ask(method, path, body, kind)

    async def _ask(self, method: str, path: str, body: bytes, kind: str) -> Reply:
        if self._streams is None:
            self._streams = await asyncio.open_connection("127.0.0.1", self._port, limit=1 << 20)
        reader, writer = self._streams
        head = f"{method} {path} HTTP/1.1\r\nHost: hub\r\nAuthorization: Bearer {self._token}\r\n"
        if body:
            head += f"Content-Type: {kind}\r\nContent-Length: {len(body)}\r\n"
        writer.write(head.encode() + b"\r\n" + body)
        head_lines = (await reader.readuntil(b"\r\n\r\n")).decode().lower().split("\r\n")
        status = int(head_lines[0].split()[1])
        fields = dict(line.split(": ", 1) for line in head_lines[1:] if ": " in line)
        return Reply(status, await reader.readexactly(int(fields.get("content-length", "0"))))


class Agent:
    """Polls, reports, fetches."""

    def __init__(self, number: int, order: Order) -> None:
        self._order = order
        self._token = order.tokens[number]
        self._polling = Connection(order.port, self._token)
        self._asking = Connection(order.port, self._token)
        self._takes_whole = number < order.whole
        self._applies = number == order.whole
        self._rng = random.Random(number)
        self.serial = 0
        self.content_id = ""
        self.reports = 0
        self.told_s = -1.0
        """From the announcement on."""
        self.done_s = -1.0
        self.fetched = 0

    async def run(self, known: asyncio.Event) -> None:
        """Take what is wanted, say so, and wait for the next; then fetch it."""
        first = await self._wanted()
        self.content_id = first.read().content_id
        known.set()
        reporting = asyncio.create_task(self._report_on())
        signed = await self._wanted()
        announcement = signed.read()
        announced = announcement.serial / 1000
        self.told_s = time.time() - announced
        if self._takes_whole:
            await self._fetch_whole(announcement.generation)
        else:
            await self._fetch_patches(announcement.generation)
        self.done_s = time.time() - announced
        reporting.cancel()

    async def _wanted(self) -> SignedAnnouncement:
        while True:
            path = f"/agent/v1/announcement?after={self.serial}&wait={_WAIT_S}"
            reply = await self._polling.ask("GET", path)
            if reply.status == 200:
                signed = msgspec.json.decode(reply.body, type=SignedAnnouncement)
                self.serial = signed.read().serial
                return signed
            assert reply.status == 204, reply

    async def _report_on(self) -> None:
        every = self._order.report_every_s
        if not every:
            return
        await asyncio.sleep(self._rng.uniform(0, every))
        while True:
            reply = await self._asking.ask(
                "POST", "/agent/v1/report", _report(self.content_id), "application/json"
            )
            assert reply.status == 200, reply
            self.reports += 1
            await asyncio.sleep(every)

    async def _fetch_patches(self, generation: int) -> None:
        path = f"/agent/v1/patch/{self.content_id}/{generation}/{self._order.target}"
        reply = await self._asking.ask("GET", path)
        assert reply.status == 200, reply
        self.fetched = len(reply.body)
        if self._applies:
            manifest = await self._asking.ask("GET", f"/bundle/{generation}/manifest.json")
            release = Release.from_manifest(Manifest.from_json(manifest.body), self._order.target)
            _apply(reply.body, self._order.held, release.files)

    async def _fetch_whole(self, generation: int) -> None:
        reply = await self._asking.ask("GET", f"/bundle/{generation}/manifest.json")
        manifest = Manifest.from_json(reply.body)
        for name in manifest.rules_for(self._order.target).sets:
            info = manifest.set(name)
            path = f"/bundle/{generation}/datasets/{info.file}.zst"
            reply = await self._asking.ask("GET", path)
            assert reply.status == 200, (path, reply.status)
            self.fetched += len(reply.body)


def _report(content_id: str) -> bytes:
    """A report as large as that of a sensor with twenty sets."""
    now = datetime.now(UTC)
    check = Check(
        name="vedette-domain.members",
        ok=True,
        expected="50 of 1,000,001 entries, chosen at random, are in the set",
        got="50 found",
        detail="With 95 % confidence at most 6 % are missing.",
    )
    proof = Proof(
        at=now,
        sensor="x",
        generation=1,
        content_id=content_id,
        target="7.0",
        engine="7.0.10",
        ok=True,
        checks=(check,) * _CHECKS,
        elapsed_s=0.1,
    )
    report = Report(
        at=now,
        by="agent",
        delivery="agent",
        state=State.PROVED,
        generation=1,
        content_id=content_id,
        proof=proof,
        engine=EngineState(version="7.0.10", uptime_s=100_000),
        eve=EveState(lag_s=0.2),
    )
    return zstandard.ZstdCompressor(3).compress(msgspec.json.encode(report))


def _apply(stream: bytes, held: dict[str, str], wanted: dict[str, str]) -> None:
    """Make the new files, as an agent does, and compare them with the manifest."""
    unpacked = io.BytesIO(zstandard.ZstdDecompressor().decompress(stream))
    index = read_index(unpacked)
    for piece in index.pieces:
        body = read_body(unpacked, piece, 64 << 20)
        old = Path(held[piece.name]).read_bytes() if piece.name in held else b""
        made = {
            How.SAME: lambda old=old: old,
            How.PATCH: lambda old=old, body=body: b"".join(apply(old, body, 1 << 30)),
            How.WHOLE: lambda body=body: body,
        }[piece.how]()
        assert hashlib.sha256(made).hexdigest() == wanted[piece.name], piece


async def _main(order: Order) -> None:
    agents = [Agent(number, order) for number in range(len(order.tokens))]
    known = [asyncio.Event() for _ in agents]
    running = [
        asyncio.create_task(agent.run(event)) for agent, event in zip(agents, known, strict=True)
    ]
    everyone = asyncio.gather(*(event.wait() for event in known))
    await asyncio.wait([everyone, *running], return_when=asyncio.FIRST_COMPLETED)
    await asyncio.sleep(1)
    _say({"ready": len(agents)})
    await asyncio.gather(*running)
    _say(
        {
            "told_s": [agent.told_s for agent in agents],
            "done_s": [agent.done_s for agent in agents],
            "fetched": [agent.fetched for agent in agents],
            "reports": sum(agent.reports for agent in agents),
        }
    )


def _say(document: object) -> None:
    sys.stdout.write(msgspec.json.encode(document).decode() + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    asyncio.run(_main(msgspec.json.decode(sys.stdin.readline(), type=Order)))
