"""A MISP feed that means harm: rule syntax, control characters and paths wherever a text stands.

Everything in it holds the word of :data:`EVIL`, so that a test can look for it anywhere.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

EVIL = "PWNED"
RULE = f'x"; sid:9999999; rev:1;) alert tcp any any -> any any (msg:"{EVIL}"; sid:9999998;)'
TEXTS = (
    RULE,
    f"{EVIL}\n{RULE}\n",
    f"{EVIL}\r\nalert ip any any -> any any (sid:9999997;)",
    f"{EVIL}\x00\x1b[31m\x07\u202e\u2028",
    f"{EVIL};\\;|00 01|'\"`$(id){{}}",
    f"{EVIL},md5,1\n../../../etc/passwd",
)
_TYPES = (
    "domain",
    "hostname",
    "ip-dst",
    "ip-dst|port",
    "url",
    "uri",
    "user-agent",
    "cookie",
    "http-method",
    "md5",
    "sha256",
    "filename",
    "filename|sha256",
    "ja3-fingerprint-md5",
    "x509-fingerprint-sha1",
    "email-src",
    "email-subject",
    "email-message-id",
    "hassh-md5",
    f"type{EVIL}\nalert",
)
POISONED = "aaaaaaaa-0000-4000-8000-000000000000"
"""The uuid of the one event."""


def write_feed(folder: Path, events: Mapping[str, Sequence[str]], **fields: object) -> Path:
    """Write a feed whose events list domains.

    Args:
        folder: Where to; made if it is not there.
        events: Domains by the uuid of the event.
        **fields: More of every event.
    """
    folder.mkdir(exist_ok=True)
    for uuid, names in events.items():
        attributes = [{"type": "domain", "value": name} for name in names]
        event = {"uuid": uuid, "info": "event", "Attribute": attributes} | fields
        (folder / f"{uuid}.json").write_text(json.dumps({"Event": event}))
    manifest = {uuid: {"timestamp": "1"} for uuid in events}
    (folder / "manifest.json").write_text(json.dumps(manifest))
    return folder


def poisoned_feed(folder: Path) -> Path:
    """Write a feed of one event in which only a few values can be used."""
    tags = [{"name": text} for text in (*TEXTS, "tlp:red\x00", "t" * 100_000)]
    attributes: list[dict[str, object]] = [
        {"type": kind, "value": text, "comment": RULE, "uuid": f"{EVIL}{RULE}", "Tag": tags}
        for kind in _TYPES
        for text in TEXTS
    ]
    attributes += [
        {"type": "domain", "value": "good.example", "comment": RULE, "Tag": tags},
        {"type": "user-agent", "value": f"agent {EVIL}", "comment": f"{EVIL}\n", "Tag": tags},
        {"type": "ip-dst", "value": "198.51.100.7", "Tag": tags},
        {"type": "md5", "value": "d41d8cd98f00b204e9800998ecf8427e", "comment": RULE},
    ]
    return write_feed(
        folder,
        {POISONED: ()},
        info=f"{EVIL}\n{RULE}",
        Orgc={"name": RULE, "uuid": RULE},
        Tag=tags,
        date=RULE,
        threat_level_id=RULE,
        Attribute=attributes,
    )
