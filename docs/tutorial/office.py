"""Make office.eve.json.gz: ten days of a small office, as a real Suricata writes them.

    python docs/tutorial/office.py

Nobody lives there: all names and addresses are those that are reserved for examples, and the
infected client does what the feed of `vedette demo` says of the campaign.
"""

from __future__ import annotations

import gzip
import ssl
import struct
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from itertools import groupby
from operator import itemgetter
from pathlib import Path

import msgspec

from vedette.testing.capture import Capture, dns_answer, dns_query
from vedette.testing.engine import find_engine

PLACE = Path(__file__).with_name("office.eve.json.gz")

_START = datetime(2026, 11, 13, tzinfo=UTC)
_DAYS = 10
_MAINTENANCE = range(5 * 24 + 20, 6 * 24 + 5)
"""Hours in which the sensor was off."""
_KEPT = ("dns", "tls", "http", "fileinfo", "smtp", "flow")
_WEEKEND = (5, 6)
_RESOLVER = "10.20.0.1"
_CLIENTS = ("10.20.0.12", "10.20.0.17", "10.20.0.23", "10.20.0.31", "10.20.0.44")
_PAGES = {
    "www.example.org": "192.0.2.10",
    "mail.example.net": "192.0.2.25",
    "wiki.office.example": "10.20.0.5",
    "cdn.example.com": "192.0.2.80",
}
_BROWSER = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
_LOADER = "Mozilla/5.0 (compatible; Loader/2.1)"


class Office:
    """Packets with their times."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._certificates: dict[str, Path] = {}
        self._capture = Capture()
        self._times: list[datetime] = []
        self._number = 0

    def look_up(self, at: datetime, client: str, name: str, address: str) -> None:
        """Ask for a name and get an address."""
        self._number += 1
        query = dns_query(name, number=self._number)
        talk = self._capture.udp(query, client=client, server=_RESOLVER)
        talk.reply(dns_answer(name, [(name, address)], number=self._number))
        self._passed(at)

    def greet(self, at: datetime, client: str, name: str, address: str) -> None:
        """Begin a TLS session and let the server hang up."""
        self.look_up(at, client, name, address)
        talk = self._capture.tcp(client=client, server=address, port=443)
        for is_client, data in self._handshake(name):
            (talk.send if is_client else talk.reply)(data)
        talk.close()
        self._passed(at + timedelta(seconds=1))

    def load(
        self, at: datetime, client: str, url: tuple[str, str], address: str, agent: str
    ) -> None:
        """Load a page in the clear."""
        host, path = url
        self.look_up(at, client, host, address)
        request = f"GET {path} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: {agent}\r\n\r\n"
        talk = self._capture.tcp(client=client, server=address)
        talk.send(request.encode())
        talk.reply(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nServer: nginx\r\n\r\nhello").close()
        self._passed(at + timedelta(seconds=1))

    def hours(self) -> Iterator[bytes]:
        """Yield a capture for each hour in which something was said."""
        packets = zip(self._times, self._capture.packets, strict=True)
        ordered = sorted(packets, key=lambda one: one[0])
        for _, hour in groupby(ordered, key=lambda one: one[0].strftime("%d %H")):
            yield _pcap(hour)

    def _handshake(self, name: str) -> Iterator[tuple[bool, bytes]]:
        """Yield what client and server say, in turn; TLS 1.2, whose certificates can be seen."""
        if name not in self._certificates:
            self._certificates[name] = _certificate(self._directory, name)
        one, two = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        one.check_hostname, one.verify_mode = False, ssl.CERT_NONE
        one.maximum_version = ssl.TLSVersion.TLSv1_2
        two.load_cert_chain(self._certificates[name])
        up, down = ssl.MemoryBIO(), ssl.MemoryBIO()
        ends = (
            (True, one.wrap_bio(down, up, server_hostname=name), up),
            (False, two.wrap_bio(up, down, server_side=True), down),
        )
        for is_client, end, said in ends * 3:
            with suppress(ssl.SSLWantReadError):
                end.do_handshake()
            if data := said.read():
                (up if is_client else down).write(data)
                yield is_client, data

    def _passed(self, at: datetime) -> None:
        """Give the packets that are new their times, a millisecond apart."""
        while len(self._times) < len(self._capture.packets):
            self._times.append(at)
            at += timedelta(milliseconds=1)


def _pcap(packets: Iterable[tuple[datetime, bytes]]) -> bytes:
    chunks = [struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1)]
    for at, packet in packets:
        size = len(packet)
        chunks += [struct.pack("<4I", int(at.timestamp()), at.microsecond, size, size), packet]
    return b"".join(chunks)


def _certificate(directory: Path, name: str) -> Path:
    """Return key and certificate of a server, made for this once."""
    path = directory / f"{name}.pem"
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]
    command += ["-nodes", "-days", "90", "-subj", f"/CN={name}", "-keyout", str(path)]
    done = subprocess.run([*command, "-batch"], check=True, capture_output=True)  # noqa: S603
    with path.open("ab") as file:
        file.write(done.stdout)
    return path


def _hours() -> Iterator[tuple[int, datetime]]:
    for hour in range(_DAYS * 24):
        if hour not in _MAINTENANCE:
            yield hour, _START + timedelta(hours=hour)


def live(directory: Path) -> Office:
    """Let ten days pass."""
    office = Office(directory)
    for hour, at in _hours():
        office.look_up(at + timedelta(minutes=7), "10.20.0.5", "time.example.net", "192.0.2.123")
        if hour % 24 not in range(8, 18) or at.weekday() in _WEEKEND:
            continue
        for number, client in enumerate(_CLIENTS):
            name, address = list(_PAGES.items())[(hour + number) % len(_PAGES)]
            if (hour + number) % 3 == 0:
                office.greet(at + timedelta(minutes=10 + number), client, name, address)
    _campaign(office)
    return office


def _campaign(office: Office) -> None:
    """The infected client, what it does every day, and the second one."""
    at = _START + timedelta(days=3, hours=8, minutes=41)
    office.load(at, "10.20.0.23", ("www.update-cdn.example", "/update"), "192.0.2.66", _BROWSER)
    loader = ("files.update-cdn.example", "/stage2/loader.bin?id=7")
    office.load(at + timedelta(seconds=9), "10.20.0.23", loader, "192.0.2.66", _LOADER)
    for day in (3, 4, 5, 6, 7):
        beacon = _START + timedelta(days=day, hours=11, minutes=2)
        office.greet(beacon, "10.20.0.23", "panel.relay-node.example", "198.51.100.23")
    second = _START + timedelta(days=6, hours=9, minutes=30)
    office.load(second, "10.20.0.31", loader, "192.0.2.66", _LOADER)
    office.greet(
        second + timedelta(minutes=1), "10.20.0.31", "panel.relay-node.example", "198.51.100.23"
    )
    late = _START + timedelta(days=9, hours=13, minutes=26)
    office.greet(late, "10.20.0.44", "paste.quiet-bin.example", "203.0.113.77")


def main() -> None:
    """Write the file."""
    engine = find_engine("8")
    if engine is None:
        raise SystemExit("no Suricata 8 is unpacked (run: tools/engines.sh 8)")
    events = []
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        (directory / "vedette.rules").touch()
        pcap = directory / "office.pcap"
        # A run for each hour: an engine that reads a file writes flows late, by its packets' clock.
        for hour in live(directory).hours():
            pcap.write_bytes(hour)
            events += engine.run_pcap(pcap, directory, arguments=["--runmode", "single"])
    kept = [one for one in events if one["event_type"] in _KEPT]
    kept.sort(key=itemgetter("timestamp"))
    PLACE.write_bytes(
        gzip.compress(b"".join(msgspec.json.encode(e) + b"\n" for e in kept), mtime=0)
    )
    sys.stdout.write(f"{PLACE}: {len(kept):,} events\n")


if __name__ == "__main__":
    main()
