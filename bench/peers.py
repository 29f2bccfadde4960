"""What Vedette is compared with: rules as MISP exports them, and dataset rules written by hand."""

from __future__ import annotations

import re
from binascii import b2a_base64
from collections.abc import Sequence
from pathlib import Path

from vedette.ruleset.sizing import HASHSIZE_CAP

BUFFERS = {
    "dns.query": ("dns", "", "dns.query; to_lowercase;"),
    "http.host": ("http", "flow:established,to_server; ", "http.host;"),
    "tls.sni": ("tls", "flow:established,to_server; ", "tls.sni; to_lowercase;"),
    "quic.sni": ("quic", "", "quic.sni; to_lowercase;"),
    "dns.response.rrname": ("dns", "", "dns.response.rrname; to_lowercase;"),
    "tls.subjectaltname": (
        "tls",
        "flow:established,to_client; ",
        "tls.subjectaltname; to_lowercase;",
    ),
    "smtp.helo": ("smtp", "flow:established,to_server; ", "smtp.helo; to_lowercase;"),
}
"""Buffers that hold names, with protocol, flow and what is inspected; the last three only on 8."""
NAME_BUFFERS = {7: tuple(BUFFERS)[:4], 8: tuple(BUFFERS)}
"""All of them by major version of the engine."""

_MIB = 1 << 20
_FIRST_SID = 5_000_000


def write_dataset(path: Path, names: Sequence[str]) -> Path:
    """Write names as a dataset file."""
    path.write_bytes(b"".join(b2a_base64(name.encode()) for name in names))
    return path


def memcap_mib(names: Sequence[str], hashsize: int) -> int:
    """Enough for the names on every engine, and a quarter more."""
    need = 64 * hashsize + len(names) * 104 + sum(map(len, names))
    return -(-need * 5 // 4 // _MIB) + 1


def dataset_rules(
    directory: Path,
    names: Sequence[str],
    buffers: Sequence[str] = ("dns.query",),
    *,
    dotted: bool = False,
) -> Path:
    """Write the best dataset rule we know by hand, one for each buffer; all share one set.

    Args:
        directory: Where; it is created.
        names: The entries.
        buffers: Of :data:`BUFFERS`.
        dotted: With ``match subdomain`` (8.0.7) instead of exact.
    """
    directory.mkdir(parents=True)
    entries = [f".{name}" for name in names] if dotted else names
    write_dataset(directory / "names.lst", entries)
    hashsize = min(HASHSIZE_CAP, 1 << max(10, (len(names) - 1).bit_length()))
    options = "match subdomain," if dotted else ""
    keyword = (
        f"dataset:isset,hand,type string,load names.lst,{options}"
        f"memcap {memcap_mib(entries, hashsize)}mb,hashsize {hashsize};"
    )
    rules = []
    for number, name in enumerate(buffers):
        protocol, flow, inspect = BUFFERS[name]
        inspect += " dotprefix;" if dotted else ""
        rules.append(
            f'alert {protocol} any any -> any any (msg:"HAND ({name})"; {flow}{inspect} {keyword}'
            f" sid:{_FIRST_SID + number}; rev:1;)\n"
        )
    (directory / "bench.rules").write_text("".join(rules))
    return directory


def no_rules(directory: Path) -> Path:
    """One rule without any list: what the engine costs by itself."""
    directory.mkdir(parents=True)
    (directory / "bench.rules").write_text(
        'alert dns any any -> any any (msg:"HAND (dns.query)"; dns.query;'
        f' content:"no-such-name.invalid"; sid:{_FIRST_SID}; rev:1;)\n'
    )
    return directory


def misp_rules(directory: Path, names: Sequence[str]) -> Path:
    """Write two rules for each domain, in the shape of MISP's own Suricata export.

    That is ``domainRule`` in app/Lib/Export/NidsSuricataExport.php of MISP 2.4 and 2.5, in the
    frame of NidsExport.php; nothing of MISP's code is here, only the text that it makes.
    """
    directory.mkdir(parents=True)
    with (directory / "bench.rules").open("w") as rules:
        for number, name in enumerate(names):
            sid = _FIRST_SID + number * 10
            for text in _misp(name, sid + 1):
                rules.write(text)
    return directory


def _misp(name: str, sid: int) -> tuple[str, str]:
    quoted = re.sub(r"([.\\+*?\[^\]$(){}=!<>|:#-])", r"\\\1", name)  # PHP's preg_quote
    end = (
        "classtype:trojan-activity; sid:{}; rev:1; priority:2;"
        " reference:url,https://misp.example/events/view/1;) \n"
    )
    dns = (
        f'alert dns any any -> any any (msg: "MISP e1 [tlp:green] Domain {name}"; '
        f'dns.query; content:"{name}"; nocase; pcre: "/(^|[^A-Za-z0-9-]){quoted}$/i";  '
    )
    http = (
        "alert http $HOME_NET any -> $EXTERNAL_NET any "
        f'(msg: "MISP e1 [tlp:green] Outgoing HTTP Domain {name}"; flow:to_server,established; '
        f'http.header; content: "Host|3a|"; nocase; http.header; content:"{name}"; fast_pattern; '
        f'nocase; pcre: "/(^|[^A-Za-z0-9-]){quoted}[^A-Za-z0-9-\\.]/Hi"; '
        "tag:session,600,seconds; "
    )
    return dns + end.format(sid), http + end.format(sid + 1)
