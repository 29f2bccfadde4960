"""Sightings over real HTTP to the fake MISP: what it took is known, whatever it answers."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from vedette.errors import SourceError
from vedette.misp.client import Key
from vedette.misp.http import Connection
from vedette.misp.sightings import ATTRIBUTE_GONE, EVENT_GONE, ForbiddenError, SightingsClient
from vedette.model import MispSighting
from vedette.testing.fake_misp import FakeMisp
from vedette.testing.faults import Fault, FaultKind
from vedette.testing.told import listed

SAVE = "bulkSaveSightings"


@pytest.fixture
def misp() -> Iterator[FakeMisp]:
    with FakeMisp() as running:
        yield running


@pytest.fixture
def client(misp: FakeMisp) -> Iterator[SightingsClient]:
    with SightingsClient(misp.url, Key(misp.key), once()) as opened:
        yield opened


def once() -> Connection:
    return Connection(retries=1, timeout_s=5)


def sightings(misp: FakeMisp, count: int, *, events: int = 1) -> list[MispSighting]:
    return [
        MispSighting(
            "misp", event.uuid, attribute.uuid, str(uuid.uuid4()), 1_700_000_000, 0, "soc/servers"
        )
        for event, attribute in listed(misp, count, events=events)
    ]


def saved(misp: FakeMisp) -> list[str]:
    return sorted(one.uuid for one in misp.state.sightings.values())


def uuids(batch: list[MispSighting]) -> list[str]:
    return sorted(one.uuid for one in batch)


def test_a_batch_over_several_events_is_one_request(
    misp: FakeMisp, client: SightingsClient
) -> None:
    batch = sightings(misp, 50, events=3)
    delivered = client.deliver(batch)
    assert (sorted(delivered.sent), delivered.refused) == (uuids(batch), {})
    assert saved(misp) == uuids(batch)
    assert len(misp.requests) == 1
    one = next(iter(misp.state.sightings.values()))
    assert (one.type, one.date, one.source) == ("0", 1_700_000_000, "soc/servers")


def test_a_repeat_is_success_and_adds_nothing(misp: FakeMisp, client: SightingsClient) -> None:
    batch = sightings(misp, 20)
    client.deliver(batch[:10])
    for _ in range(2):
        delivered = client.deliver(batch)
        assert (sorted(delivered.sent), delivered.refused) == (uuids(batch), {})
    assert saved(misp) == uuids(batch)


def test_a_deleted_attribute_costs_only_its_own_sighting(
    misp: FakeMisp, client: SightingsClient
) -> None:
    batch = sightings(misp, 5)
    found = misp.state.attribute(batch[2].attribute)
    assert found is not None
    misp.state.delete_attribute(*found, hard=True)
    delivered = client.deliver(batch)
    assert delivered.refused == {batch[2].uuid: ATTRIBUTE_GONE}
    assert len(delivered.sent) == len(saved(misp)) == 4


def test_a_deleted_event_costs_only_its_own_sightings(
    misp: FakeMisp, client: SightingsClient
) -> None:
    batch = sightings(misp, 5, events=2)
    event = misp.state.event(batch[0].event)
    assert event is not None
    misp.state.delete_event(event)
    delivered = client.deliver(batch)
    gone = {one.uuid for one in batch if one.event == event.uuid}
    assert (delivered.sent, delivered.refused) == ([], dict.fromkeys(gone, EVENT_GONE))
    again = client.deliver([one for one in batch if one.uuid not in gone])
    assert len(again.sent) == len(saved(misp)) == 2


def test_a_key_that_may_not_add_sightings_is_told_apart(misp: FakeMisp) -> None:
    batch = sightings(misp, 1)
    for secret, said in ((misp.read_only_key, "permission"), ("x" * 40, "Authentication")):
        with (
            SightingsClient(misp.url, Key(secret), once()) as client,
            pytest.raises(ForbiddenError, match=said) as refused,
        ):
            client.deliver(batch)
        assert "Sighting Creator" in refused.value.hint
        assert secret not in str(refused.value)
    assert saved(misp) == []


def test_a_message_alone_is_no_success_and_the_culprit_is_found(
    misp: FakeMisp, client: SightingsClient
) -> None:
    batch = sightings(misp, 8)
    body = b'{"message":"Could not add the Sighting. Reason: Invalid type"}'
    # Of 8, 4, 2 and 1: the first of them is not taken, all others are.
    misp.faults.add(Fault(FaultKind.BODY, path=SAVE, body=body, times=4))
    delivered = client.deliver(batch)
    assert list(delivered.refused) == [batch[0].uuid]
    assert "Invalid type" in delivered.refused[batch[0].uuid]
    assert saved(misp) == uuids(batch[1:])


@pytest.mark.parametrize(
    "fault",
    [
        Fault(FaultKind.BODY, path=SAVE, body=b"<html>Log in</html>", content_type="text/html"),
        Fault(FaultKind.STATUS, path=SAVE, status=500, body=b"<html>oops</html>"),
        Fault(FaultKind.STATUS, path=SAVE, status=404, body=b"<html>nginx</html>"),
        Fault(FaultKind.STATUS, path=SAVE, status=405, body=b'{"message":"Not here."}'),
        Fault(FaultKind.STATUS, path=SAVE, status=302, headers={"Location": "https://x.example"}),
        Fault(FaultKind.CLOSE, path=SAVE),
        Fault(FaultKind.CUT, path=SAVE),
    ],
    ids=lambda fault: f"{fault.kind}-{fault.status}",
)
def test_an_answer_that_says_nothing_loses_nothing(
    misp: FakeMisp, client: SightingsClient, fault: Fault
) -> None:
    batch = sightings(misp, 3)
    misp.faults.add(fault)
    with pytest.raises(SourceError) as failed:
        client.deliver(batch)
    assert failed.value.hint
    assert not isinstance(failed.value, ForbiddenError)
    misp.faults.clear()
    assert sorted(client.deliver(batch).sent) == uuids(batch) == saved(misp)


def test_an_answer_about_other_attributes_is_not_believed(
    misp: FakeMisp, client: SightingsClient
) -> None:
    batch = sightings(misp, 3)
    client.deliver(batch)
    other = b'{"response":{"Attribute":[{"uuid":"5f5f0000-0000-4000-8000-000000000001"}]}}'
    misp.faults.add(Fault(FaultKind.BODY, path="attributes/restSearch", body=other))
    with pytest.raises(SourceError, match="not asked for"):
        client.deliver(batch)


def test_an_old_misp_without_the_event_is_not_taken_for_success(
    misp: FakeMisp, client: SightingsClient, tmp_path: Path
) -> None:
    """Before 2.4.150 a missing event is answered as if all were repeats."""
    batch = sightings(misp, 4, events=2)
    event = misp.state.event(batch[0].event)
    assert event is not None
    misp.state.delete_event(event)
    body = b'{"saved":false,"success":"No sightings added."}'
    misp.faults.add(Fault(FaultKind.BODY, path=SAVE, body=body, times=1))
    delivered = client.deliver(batch)
    assert delivered.sent == []
    assert set(delivered.refused.values()) == {ATTRIBUTE_GONE}
    assert len(delivered.refused) == 2
