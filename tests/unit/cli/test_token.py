"""``vedette token``: shown once, listed without its secret, revoked by its id or by all of it."""

from __future__ import annotations

import time

import pytest

from vedette.testing.command import Cli


@pytest.fixture
def hub(cli: Cli) -> Cli:
    assert cli("init").code == 0
    assert cli("sensor", "enrol", "edge").code == 0
    return cli


def test_a_token_is_printed_alone_and_never_again(hub: Cli) -> None:
    made = hub("token", "add", "--scope", "fetch", "--scope", "metrics")
    text = made.out.strip()
    assert (made.code, len(text)) == (0, 56)
    for command in (("token", "list"), ("token", "list", "--json"), ("audit",)):
        listed = hub(*command)
        assert listed.code == 0
        assert text[13:] not in listed.out + listed.err
    assert text[4:12] in hub("token", "list").out


def test_a_token_of_a_sensor_needs_that_sensor(hub: Cli) -> None:
    lost = hub("token", "add", "--sensor", "nobody", "--scope", "fetch")
    assert lost.code == 2
    assert "no sensor 'nobody'" in lost.err
    made = hub("token", "add", "--sensor", "edge", "--scope", "fetch", "--expires", "90d", "--json")
    assert made.json["sensor"] == "edge"
    (record,) = [
        one
        for one in hub("token", "list", "--sensor", "edge", "--json").json
        if one["id"] == made.json["token"][4:12]
    ]
    assert abs(record["expires_at"] - time.time() - 90 * 86_400) < 60
    assert "valid until" in hub("token", "list").out


@pytest.mark.parametrize("whole", [False, True])
def test_a_token_is_revoked_by_its_id_or_by_all_of_it(hub: Cli, *, whole: bool) -> None:
    text = hub("token", "add", "--scope", "fetch").out.strip()
    revoked = hub("token", "revoke", text if whole else text[4:12])
    assert revoked.code == 0
    assert text[4:12] in revoked.out
    assert text[4:12] not in hub("token", "list").out
    assert "revoked" in hub("token", "list", "--revoked").out
    audited = hub("audit", "--json")
    assert text[13:] not in audited.out


def test_what_is_no_token_is_said(hub: Cli) -> None:
    lost = hub("token", "revoke", "12345678")
    assert (lost.code, "no token '12345678'" in lost.err) == (2, True)
    assert hub("token", "add").code == 2
    assert hub("token", "add", "--scope", "everything").code == 2
