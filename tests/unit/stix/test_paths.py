"""Which object paths name values that a sensor can see."""

from __future__ import annotations

import pytest

from vedette.model import IndicatorType as T
from vedette.stix.paths import Part, Role, role_of


@pytest.mark.parametrize(
    ("path", "role"),
    [
        (("domain-name", "value"), T.DOMAIN),
        (("Domain-Name", "VALUE"), T.DOMAIN),
        (("file", "hashes", "MD5"), T.MD5),
        (("file", "hashes", "SHA-256"), T.SHA256),
        (("file", "hashes", "sha256"), T.SHA256),
        (("file", "hashes", "SHA-512"), None),
        (("file", "hashes", "SSDEEP"), None),
        (("x509-certificate", "hashes", "SHA-1"), T.CERT_SHA1),
        (("x509-certificate", "issuer"), None),
        (("file", "extensions", "windows-pebinary-ext", "sections", "hashes", "MD5"), None),
        (("email-message", "from_ref", "value"), T.EMAIL_SRC),
        (("email-message", "body_multipart", "body_raw_ref", "hashes", "MD5"), T.MD5),
        (
            ("network-traffic", "extensions", "http-request-ext", "request_header", "User-Agent"),
            T.USER_AGENT,
        ),
        (("network-traffic", "dst_port"), Part.DST_PORT),
        (("network-traffic", "protocols"), Part.ASIDE),
        (("network-traffic", "extensions", "tls-ext", "ja3_hash"), T.JA3),
        (("network-traffic", "x_ja3s"), T.JA3S),
        (("x-tls", "ja3-fingerprint-md5"), T.JA3),
        (("x-ssh", "hassh_server"), T.HASSH_SERVER),
        (("x-tls", "ja3_string"), None),
        (("windows-registry-key", "key"), None),
    ],
)
def test_a_path_names_its_type(path: tuple[str, ...], role: Role) -> None:
    assert role_of(path[0], path[1:]) == role
