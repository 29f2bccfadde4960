"""Who asked, by event type, version and ports."""

from __future__ import annotations

import json
from typing import Any

import pytest

from vedette.observe.decoding import decode
from vedette.observe.ends import Home, is_turned

OURS, THEIRS = "10.0.0.5", "203.0.113.9"


def turned(kind: str, src: tuple[str, int], dest: tuple[str, int], **members: Any) -> bool:
    event = decode(
        json.dumps(
            {
                "event_type": kind,
                "src_ip": src[0],
                "src_port": src[1],
                "dest_ip": dest[0],
                "dest_port": dest[1],
                **members,
            }
        ).encode()
    )
    assert event is not None
    return is_turned(event, Home(["10.0.0.0/8", "fd00::/8"]))


@pytest.mark.parametrize("kind", ["flow", "http", "tls", "ssh", "smtp", "smb"])
def test_the_source_asked_even_from_a_low_port(kind: str) -> None:
    assert not turned(kind, (THEIRS, 80), (OURS, 40_000))


@pytest.mark.parametrize(
    ("dns", "src_port", "dest_port", "server_first"),
    [
        ({"type": "query"}, 40_000, 53, False),
        ({"type": "query"}, 53, 53, False),
        ({"type": "request", "version": 3}, 40_000, 53, False),
        ({"type": "answer"}, 53, 40_000, True),  # 4.x
        ({"type": "answer", "version": 2}, 40_000, 53, False),  # 5 to 7
        ({"type": "answer", "version": 2}, 53, 53, False),
        ({"type": "response", "version": 3}, 53, 40_000, True),  # 8.x
        ({"type": "response", "version": 3}, 53, 53, True),
        ({"type": "response", "version": 3}, 5353, 40_000, True),
        ({"type": "response", "version": 3}, 40_000, 53, False),
    ],
)
def test_answers_by_version(
    dns: dict[str, Any], src_port: int, dest_port: int, server_first: bool
) -> None:
    assert turned("dns", (OURS, src_port), (THEIRS, dest_port), dns=dns) is server_first


def test_dns_over_https_has_the_client_first() -> None:
    dns = {"type": "response", "version": 3}
    assert not turned("dns", (OURS, 40_000), (THEIRS, 443), dns=dns)
    assert not turned("dns", (OURS, 40_000), (THEIRS, 8443), dns=dns)


@pytest.mark.parametrize(("kind", "port"), [("krb5", 88), ("quic", 443), ("quic", 8443)])
def test_events_with_the_direction_of_a_packet(kind: str, port: int) -> None:
    assert turned(kind, (THEIRS, port), (OURS, 50_000))
    assert not turned(kind, (OURS, 50_000), (THEIRS, port))
    assert not turned(kind, (OURS, 50_000), (THEIRS, 50_001))


@pytest.mark.parametrize(
    ("app_proto", "server"),
    [
        *(("http", 80), ("http", 8080), ("http2", 443), ("smb", 445), ("smtp", 25), ("nfs", 2049)),
        *(("ftp-data", 20), ("unknown", 1000), ("http", 5985), ("ftp-data", 21_008)),
    ],
)
def test_a_file_by_its_ports(app_proto: str, server: int) -> None:
    assert turned("fileinfo", (OURS, server), (THEIRS, 50_000), app_proto=app_proto)
    assert not turned("fileinfo", (THEIRS, 50_000), (OURS, server), app_proto=app_proto)


def test_a_file_by_the_port_that_the_request_names() -> None:
    http = {"http_port": 40_001}
    ends = (THEIRS, 40_001), (OURS, 40_002)
    assert turned("fileinfo", *ends, app_proto="http", http=http)
    assert not turned("fileinfo", *reversed(ends), app_proto="http", http=http)


def test_a_file_by_the_command_of_ftp() -> None:
    ends = (THEIRS, 20), (OURS, 50_000)
    assert turned("fileinfo", *ends, ftp_data={"command": "RETR"})
    assert not turned("fileinfo", *ends, ftp_data={"command": "STOR"})


@pytest.mark.parametrize("port", [0, 50_000])
def test_a_file_by_our_own_networks_if_ports_do_not_tell(port: int) -> None:
    assert turned("fileinfo", (THEIRS, port), (OURS, port))
    assert not turned("fileinfo", (OURS, port), (THEIRS, port))
    assert turned("fileinfo", (OURS, port), ("10.9.9.9", port))
    assert turned("fileinfo", (THEIRS, port), ("198.51.100.1", port))


def test_our_own_networks_in_any_spelling() -> None:
    home = Home(["10.0.0.0/8", "fd00::/8"])
    assert home.has("10.255.0.1")
    assert home.has("fd00:0000:0000:0000:0000:0000:0000:0001")
    assert home.has("::ffff:10.0.0.1")
    assert not home.has("11.0.0.1")
    assert not home.has("")
    with pytest.raises(ValueError, match="host bits"):
        Home(["10.0.0.1/8"])
