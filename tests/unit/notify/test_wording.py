"""What people read: short, complete, harmless; of what is TLP:RED nothing but that it is."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from vedette.notify import wording
from vedette.notify.wording import Condition, Met
from vedette.store.news import HeldCount
from vedette.store.records import HitRecord

NOON = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
BASE = {"misp": "https://misp.internal"}


def context(**changes: Any) -> dict[str, Any]:
    fields = {
        "source": "misp",
        "info": "Campaign at evil.example",
        "tlp": "amber",
        "url": "https://misp.internal/events/view/5f5f0000-0000-4000-8000-000000000001",
    }
    return {**fields, **changes}


def hit(**changes: Any) -> HitRecord:
    fields: dict[str, Any] = {
        "id": 12,
        "type": "domain",
        "value": "evil.example",
        "observed": "www.evil.example",
        "buffer": "dns.query",
        "sensor": "gate",
        "client": "10.1.0.7",
        "server": "10.0.0.1",
        "origin": "live",
        "first_seen": NOON,
        "last_seen": NOON,
        "count": 3,
        "contexts": [context()],
    }
    return HitRecord(**{**fields, **changes})


def test_a_hit_says_what_where_in_which_context_and_where_to_look() -> None:
    message = wording.hits("hit", [Met(hit(), 2)], BASE)
    assert message.title == "Vedette: evil[.]example met the network"
    assert message.body == (
        "evil[.]example, seen as www[.]evil[.]example\n"
        "  domain in dns.query\n"
        "  by 10.1.0.7 on sensor gate, 3 times, last 2026-11-24 12:00:00Z; 2 new groups of hits\n"
        "  misp: Campaign at evil[.]example (TLP:AMBER)\n"
        "  https://misp.internal/events/view/5f5f0000-0000-4000-8000-000000000001\n"
        "  vedette hit show 12"
    )


def test_of_tlp_red_only_that_and_where_to_look() -> None:
    red = hit(contexts=[context(tlp="green"), context(tlp="red", info="Operation Secret")])
    message = wording.hits("hit", [Met(red, 1)], BASE)
    assert "TLP:RED: see vedette hit show 12" in message.body
    for secret in ("evil", "Secret", "Campaign", "misp.internal"):
        assert secret not in message.title + message.body


def test_only_our_own_server_is_linked() -> None:
    for url in ("https://evil.example/x", "https://misp.internal.evil.example/x", "javascript:x"):
        message = wording.hits("hit", [Met(hit(contexts=[context(url=url)]), 1)], BASE)
        assert url not in message.body
    assert "misp.internal" not in wording.hits("hit", [Met(hit(), 1)], {}).body


def test_a_stranger_is_defanged_and_an_unknown_value_is_said() -> None:
    odd = hit(client="1.2.3.4", value="", observed="", contexts=[])
    message = wording.hits("hit", [Met(odd, 1)], BASE)
    assert "by 1[.]2[.]3[.]4 on" in message.body
    assert "does not name" in message.title


def test_many_are_one_message_and_short() -> None:
    met = [Met(hit(id=n, value=f"evil{n}.example"), 1) for n in range(10_000)]
    message = wording.hits("retro", met, BASE)
    assert message.title == "Vedette: 10,000 indicators were here before they were watched for"
    assert "and 9,990 more: vedette hit list --retro" in message.body
    assert len(message.body) < 4_000


def test_what_is_held_is_counted_by_reason() -> None:
    message = wording.held(
        [HeldCount("prevalence", 3, "met by 34 hosts"), HeldCount("review", 1, "")]
    )
    assert message.title == "Vedette: 4 indicators are held for review"
    assert "3 by prevalence: met by 34 hosts" in message.body
    assert "vedette indicator list --held" in message.body


def test_a_condition_says_what_it_is_and_whether_it_is_bad() -> None:
    fields = {"kind": "source", "subject": "misp", "title": "source misp cannot be read"}
    bad = wording.condition(Condition(**fields, state="failed", text="no\nroute", command="look"))
    assert (bad.title, bad.body, bad.is_bad) == (
        "Vedette: source misp cannot be read",
        "no route\n\nlook",
        True,
    )
    assert not wording.condition(Condition(**fields, state="", text="", command="look")).is_bad
