"""Every question has the same answer from the daemon as from the store itself."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ASK_BOTH = """
import json, sys
from datetime import UTC, datetime
from pathlib import Path
import structlog
structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
from vedette.config import load
from vedette.errors import UsageError
from vedette.files import open_decompressed
from vedette.model import IndicatorType, Key
from vedette.observe import new_fold
from vedette.pipeline.asking import RemoteMemory
from vedette.pipeline.hub import Hub
from vedette.pipeline.owning import LocalMemory
from vedette.pipeline.pooling import open_pool
from vedette.pipeline.service import PoolService, socket_path
from vedette.pool.records import Cursor, Place, Wanted

settings = load(Path(sys.argv[1]))
settings.pool_dir.mkdir(parents=True)
name = "www.google.com"
below = Place("dns.query", "google.com", True)
everywhere = [Place("dns.query", name), Place("tls.sni", name), below]
sni = ("tls.sni",)
keys = [Key(IndicatorType.DOMAIN, "google.com"), Key(IndicatorType.IP_DST, "192.168.0.0/16")]
keys += [Key(IndicatorType.DOMAIN, f"n{n}.example") for n in range(2_000)]
with Hub(settings), LocalMemory.open(settings) as local:
    fold = new_fold(settings.pool.skip, settings.pool.home)
    fold.add(open_decompressed(Path(sys.argv[2])).read())
    local.commit(fold.take(), sensor="edge", token="1")
    first = next(iter(local.new(Wanted(learning=True, limit=1))))
    after = Cursor(found_at=first.found_at, field=first.field, value=first.value)
    noon = datetime(2012, 1, 1, 12, tzinfo=UTC)
    questions = {
        "sightings": lambda m: list(m.sightings(Wanted(limit=0))),
        "sightings of a field": lambda m: list(m.sightings(Wanted(fields=sni, since=noon))),
        "sightings below": lambda m: list(m.sightings(Wanted(below="google.com", until=noon))),
        "seen": lambda m: m.seen(everywhere),
        "who": lambda m: m.who(everywhere),
        "who of few": lambda m: m.who(everywhere, limit=2),
        "days": lambda m: m.days(everywhere),
        "new": lambda m: list(m.new(Wanted(learning=True, limit=0))),
        "new after": lambda m: list(m.new(Wanted(learning=True, limit=7), after)),
        "latest": lambda m: list(m.new(Wanted(latest=True, limit=7))),
        "found": lambda m: list(m.found(iter(keys))),
        "prevalence": lambda m: list(m.prevalence(iter(keys), days=36_500)),
        "coverage": lambda m: m.coverage().sensors,
        "status": lambda m: (m.status().engine, m.status().known, m.status().inputs),
        **{
            table: lambda m, table=table: [r for batch in m.rows(table) for r in batch.to_pylist()]
            for table in ("sightings", "observations", "new_sightings", "coverage")
        },
    }
    answers = {}
    with PoolService(local, settings), RemoteMemory(socket_path(settings)) as remote:
        for question, ask in questions.items():
            here, there = ask(local), ask(remote)
            answers[question] = [here == there, len(here)]
        for memory in (local, remote):
            try:
                list(memory.rows("nonsense"))
            except UsageError as error:
                answers.setdefault("refused", []).append(str(error))
        with Hub(settings) as hub, open_pool(hub) as memory:
            answers["reached"] = type(memory).__name__
        answers["expired"] = remote.expire().rows
        answers["left"] = local.who(everywhere) == []
print(json.dumps(answers))
"""


@pytest.fixture(scope="module")
def answers(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[object]]:
    place = tmp_path_factory.mktemp("vd")
    config = place / "vedette.toml"
    config.write_text('state = "s"\n')
    eve = shared_data / "eve/suricata-8.0.7-shared-pcaps.jsonl.zst"
    done = subprocess.run(
        [sys.executable, "-c", ASK_BOTH, str(config), str(eve)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, list[object]] = json.loads(done.stdout.splitlines()[-1])
    return found


@pytest.mark.parametrize(
    "question",
    [
        "sightings",
        "sightings of a field",
        "sightings below",
        "seen",
        "who",
        "who of few",
        "days",
        "new",
        "new after",
        "latest",
        "found",
        "prevalence",
        "coverage",
        "status",
        "observations",
        "new_sightings",
    ],
)
def test_a_question_has_the_same_answer_here_and_there(
    answers: dict[str, list[object]], question: str
) -> None:
    same, length = answers[question]
    assert same
    assert length


def test_an_error_is_the_same_here_and_there(answers: dict[str, list[object]]) -> None:
    assert answers["refused"] == ["the memory has no table 'nonsense'"] * 2


def test_a_command_beside_the_daemon_asks_it(answers: dict[str, object]) -> None:
    assert answers["reached"] == "RemoteMemory"


def test_the_daemon_drops_what_the_retention_does_not_keep(answers: dict[str, object]) -> None:
    assert answers["expired"]
    assert answers["left"] is True
