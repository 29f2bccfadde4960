"""Nothing secret is kept, whichever way it was typed; what is no secret stays readable."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vedette.cli.masking import masked, masked_text
from vedette.model import IndicatorType

KEY = "4aB9xYz0QrStUvWxYz0123456789aBcDeFgHiJkL"
TOKEN = "vdt_1a2b3c4d_" + "x_Yz-" * 8 + "abc"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("password", "hush"),
        ("key", "hush"),
        ("client_key", "hush"),
        ("header", ("X-Key: hush",)),
        ("changes", ("password=hush", "auth_key=hush")),
        ("changes", ("url=https://ada:hush@misp.example/",)),
        ("url", "https://ada:hush@misp.example/"),
        ("url", "https://hush@misp.example/"),
        ("location", "https://feeds.example/list?format=txt&apikey=hush"),
        ("location", "https://feeds.example/list?token=hush#part"),
        ("proxy", "socks5://ada:hush@proxy.example:1080"),
    ],
)
def test_a_secret_is_masked_and_that_it_was_there_is_seen(name: str, value: object) -> None:
    kept = masked(name, value)
    assert "hush" not in str(kept)
    assert "***" in str(kept)


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        (f"why {KEY}", "why ***"),
        (TOKEN, "vdt_1a2b3c4d_***"),
        (f"Authorization: Bearer {TOKEN}", "Authorization: Bearer ***"),
        ("https://feeds.example/0123456789abcdefABCDEF0123/list", "https://feeds.example/***/list"),
        ("see https://a:b@c.example/x and y", "see https://***@c.example/x and y"),
    ],
)
def test_secrets_in_texts(text: str, kept: str) -> None:
    assert masked_text(text) == kept


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("key_file", "/etc/vedette/misp.key"),
        ("password_env", "VEDETTE_PASSWORD"),
        ("values", "da39a3ee5e6b4b0d3255bfef95601890afd80709"),
        ("values", "D41D8CD98F00B204E9800998ECF8427E"),
        ("url", "https://misp.example/taxii/8d9c3e4a-1111-4222-8333-444455556666/"),
        ("name", "edge-1"),
        ("why", "a partner's server: mail.example.org"),
        ("changes", "interval=15m"),
    ],
)
def test_what_is_no_secret_stays(name: str, value: str) -> None:
    assert masked(name, value) == value


def test_values_of_all_kinds_become_plain(tmp_path: Path) -> None:
    assert masked("n", 7) == 7
    assert masked("yes", value=True) is True
    assert masked("none", None) is None
    assert masked("kind", IndicatorType.DOMAIN) == "domain"
    assert masked("directory", tmp_path) == str(tmp_path)
    assert masked("values", tuple(f"v{n}" for n in range(25)))[-1] == "and 5 more"
    file = tmp_path / "file"
    file.write_text("hush")
    with file.open() as opened:
        assert masked("file", opened) == str(file)
    assert masked("stream", io.BytesIO(b"hush")) == "BytesIO"


@given(st.from_regex(r"[A-Za-z0-9!$%^*()_+.-]{6,30}", fullmatch=True))
def test_no_password_of_a_url_survives(password: str) -> None:
    kept = masked("location", f"https://ada:{password}@feeds.example/list")
    assert kept == "https://***@feeds.example/list"
