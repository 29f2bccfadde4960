from __future__ import annotations

from datetime import UTC, datetime

import pytest
from msgspec.structs import replace

from vedette.config import OpenSearchSettings, Settings
from vedette.errors import UsageError
from vedette.opensearch.answer import Answer, IndexWindow, Window
from vedette.opensearch.hunting import place
from vedette.opensearch.sentences import sentences
from vedette.pool.records import Gap


def day(number: int) -> datetime:
    return datetime(2026, 11, number, tzinfo=UTC)


WINDOW = Window(
    since=None,
    until=None,
    first_seen=day(1),
    last_seen=day(9),
    documents=12_000,
    events={"dns": 11_000, "tls": 1_000},
    indices=(IndexWindow(name="a", documents=12_000, first_seen=day(1), last_seen=day(9)),),
    gaps=(),
    gap_days=0,
)
ANSWER = Answer(
    engine="OpenSearch 2.19.1",
    layout="ecs",
    found=(),
    window=WINDOW,
    unanswered={},
    partly={},
    partial=(),
    skipped={},
    more_hosts=0,
    requests=12,
    seconds=1.234,
)


def test_a_whole_answer_says_what_it_covers() -> None:
    assert list(sentences(ANSWER)) == [
        (
            "OpenSearch 2.19.1 (ecs): 12,000 documents in 1 index, 2026-11-01 00:00:00 to"
            " 2026-11-09 00:00:00 UTC; 12 requests, 1.2 s."
        ),
        "Events: dns 11,000, tls 1,000.",
    ]
    assert ANSWER.complete


def test_everything_that_was_left_out_is_said() -> None:
    left_out = replace(
        ANSWER,
        window=replace(
            WINDOW,
            gaps=tuple(Gap(since=day(n), until=day(n + 1)) for n in range(2, 8)),
            gap_days=6,
            events={f"type {n}": n for n in range(12)},
        ),
        unanswered={"tls.sni": "no tls events in the window"},
        partly={"http.url": "3 documents whose value is too long for the index"},
        partial=("1 of 3 shards failed: disk broken",),
        skipped={"source ports are not remembered": 2},
        more_hosts=4,
    )
    said = "\n".join(sentences(left_out))
    for part in (
        "and 2 more types",
        "No document on 6 days in between: 2026-11-02 to 2026-11-02, 2026-11-03",
        "...",
        "PARTIAL: 1 of 3 shards failed: disk broken.",
        "Not looked for in tls.sni: no tls events",
        "Not found in http.url: 3 documents",
        "2 indicators (source ports",
        "Of 4 values the number of hosts is a minimum.",
    ):
        assert part in said
    assert not left_out.complete


def test_an_empty_window_says_what_was_asked_for() -> None:
    window = replace(WINDOW, first_seen=None, last_seen=None, documents=0, since=day(3))
    (first, _) = sentences(replace(ANSWER, window=window))
    assert "none in the time asked for (2026-11-03 00:00:00 to now)" in first
    (first, _) = sentences(replace(ANSWER, window=replace(WINDOW, until=day(9))))
    assert "(asked for: the beginning to 2026-11-09 00:00:00)" in first


def test_a_place_is_found_by_its_name() -> None:
    selks = OpenSearchSettings(url="https://search.example:9200")
    settings = Settings(opensearch={"selks": selks})
    assert place(settings, "selks") is selks
    with pytest.raises(UsageError, match=r"has no place 'sleks' .*selks") as failed:
        place(settings, "sleks")
    assert "[opensearch.sleks]" in failed.value.hint
    with pytest.raises(UsageError, match="it has: none"):
        place(Settings(), "selks")
