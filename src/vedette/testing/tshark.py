"""What tshark sees in a capture, as indicators: a second opinion, without Suricata's code."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

from vedette.errors import UnusableValueError
from vedette.model import IndicatorType as T
from vedette.model import Key
from vedette.normalize import normalize

_NAME = (T.HOSTNAME,)
_FIELDS: dict[str, tuple[T, ...]] = {
    "dns.qry.name": _NAME,
    "dns.cname": _NAME,
    "tls.handshake.extensions_server_name": _NAME,
    "x509ce.dNSName": _NAME,
    "http.host": _NAME,
    "http2.headers.authority": _NAME,
    "http.request.full_uri": (T.URL,),
    "http2.request.full_uri": (T.URL,),
    "http.request.uri": (T.URI,),
    "http.user_agent": (T.USER_AGENT,),
    "http.referer": (T.REFERER,),
    "http.request.method": (T.HTTP_METHOD,),
    "tls.handshake.ja3": (T.JA3,),
    "tls.handshake.ja3s": (T.JA3S,),
    "ssh.protocol": (T.SSH_SOFTWARE,),
    "ssh.kex.hassh": (T.HASSH,),
    "ssh.kex.hasshserver": (T.HASSH_SERVER,),
    "imf.from": (T.EMAIL_SRC,),
    "imf.to": (T.EMAIL_DST,),
    "smtp.req.parameter": (T.EMAIL_SRC, T.EMAIL_DST),
    "tls.handshake.certificate": (T.CERT_SHA1, T.CERT_SHA256, T.CERT_MD5),
}
_CERTIFICATE = {T.CERT_SHA1: "sha1", T.CERT_SHA256: "sha256", T.CERT_MD5: "md5"}
_SYN = ("ip.src", "ip.dst", "ipv6.src", "ipv6.dst", "tcp.dstport", "tcp.srcport")
_EXPORTS = ("http", "smb", "ftp-data")
_AGGREGATOR = "\x1e"


def find_tshark() -> str | None:
    """Return where tshark is, or None."""
    return shutil.which("tshark")


def indicators_in(pcap: Path) -> set[Key]:
    """Return what tshark sees in a capture, each value under every type that it may be.

    Addresses and ports are those of TCP connections that begin in the capture.
    """
    fields = [*_FIELDS, *_SYN, "tcp.flags"]
    with tempfile.TemporaryDirectory(prefix="vedette-tshark-") as exported:
        done = subprocess.run(  # noqa: S603 - the command is ours
            [
                find_tshark() or "tshark",
                "-n",
                "-r",
                str(pcap),
                *(
                    part
                    for kind in _EXPORTS
                    for part in ("--export-objects", f"{kind},{exported}/{kind}")
                ),
                *("-T", "fields", "-E", "separator=/t", "-E", f"aggregator={_AGGREGATOR}"),
                *(part for field in fields for part in ("-e", field)),
            ],
            capture_output=True,
            timeout=120,
            check=False,  # a capture that is cut off is still read to its end
        )
        hashes = set(_hashes(Path(exported)))
    found: set[Key] = set()
    for line in done.stdout.decode(errors="replace").splitlines():
        row = dict(zip(fields, line.split("\t"), strict=False))
        found.update(_keys(row))
    return found | hashes


def _keys(row: dict[str, str]) -> Iterator[Key]:
    for field, kinds in _FIELDS.items():
        for text in filter(None, row.get(field, "").split(_AGGREGATOR)):
            for kind in kinds:
                yield from _spelt(kind, _digest(kind, text))
    if row.get("tcp.flags", "").removeprefix("0x").lstrip("0") == "2":  # SYN without ACK
        yield from _ends(row)


def _ends(row: dict[str, str]) -> Iterator[Key]:
    first = {name: row.get(name, "").partition(_AGGREGATOR)[0] for name in _SYN}
    source, target = (first[f"ip.{end}"] or first[f"ipv6.{end}"] for end in ("src", "dst"))
    yield from _spelt(T.IP_SRC, source)
    yield from _spelt(T.IP_DST, target)
    yield from _spelt(T.IP_DST_PORT, f"{target},{first['tcp.dstport']}")
    yield from _spelt(T.IP_SRC_PORT, f"{source},{first['tcp.srcport']}")


def _digest(kind: T, text: str) -> str:
    if (algorithm := _CERTIFICATE.get(kind)) is None:
        return text
    with suppress(ValueError):
        return hashlib.new(algorithm, bytes.fromhex(text.replace(":", ""))).hexdigest()
    return ""


def _spelt(kind: T, text: str) -> Iterable[Key]:
    with suppress(UnusableValueError):
        return (normalize(kind, text),)
    return ()


def _hashes(directory: Path) -> Iterator[Key]:
    for path in directory.rglob("*"):
        if path.is_file() and (data := path.read_bytes()):
            for kind in (T.MD5, T.SHA1, T.SHA256):
                yield Key(kind, hashlib.new(kind.value, data).hexdigest())
