"""The control database's schema, as numbered migrations that are never edited once released.

``PRAGMA user_version`` holds the number of the last migration that ran.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator

from vedette.errors import StoreError
from vedette.store.schema_fleet import FLEET

MIGRATIONS: tuple[str, ...] = (
    """
    CREATE TABLE source(
        id INTEGER PRIMARY KEY,
        name TEXT NOT NULL UNIQUE,
        kind TEXT NOT NULL,
        settings TEXT NOT NULL,            -- JSON of the source's struct
        interval_s INTEGER NOT NULL,
        created_at TEXT NOT NULL,
        complete INTEGER NOT NULL DEFAULT 0, -- 1 once a pull has been applied whole
        entries INTEGER NOT NULL DEFAULT 0
    );
    CREATE TABLE pull(
        id INTEGER PRIMARY KEY,
        source_id INTEGER NOT NULL REFERENCES source(id) ON DELETE CASCADE,
        started_at TEXT NOT NULL,
        finished_at TEXT NOT NULL,
        outcome TEXT NOT NULL,             -- changed, unchanged, held, failed
        body TEXT NOT NULL                 -- JSON of PullSummary
    );
    CREATE INDEX pull_by_source ON pull(source_id, id);
    CREATE TABLE context(
        id INTEGER PRIMARY KEY,
        source_id INTEGER NOT NULL REFERENCES source(id) ON DELETE CASCADE,
        key TEXT NOT NULL,
        group_key TEXT NOT NULL,
        body TEXT NOT NULL,                -- JSON of model.Context
        UNIQUE(source_id, key)
    );
    CREATE TABLE source_group(
        source_id INTEGER NOT NULL REFERENCES source(id) ON DELETE CASCADE,
        key TEXT NOT NULL,
        version TEXT NOT NULL,
        PRIMARY KEY(source_id, key)
    ) WITHOUT ROWID;
    -- Clustered by (type, skey): datasets come out sorted, one value's claims stand together.
    -- skey of names is the reversed name ('!' for '.'), so that a parent precedes its children.
    CREATE TABLE entry(
        type TEXT NOT NULL,
        skey TEXT NOT NULL,
        source_id INTEGER NOT NULL,
        ref TEXT NOT NULL,
        context_id INTEGER NOT NULL,
        comment TEXT NOT NULL,
        tags TEXT NOT NULL,                -- tab separated, '' for none
        PRIMARY KEY(type, skey, source_id, ref)
    ) WITHOUT ROWID;
    CREATE INDEX entry_by_context ON entry(context_id);
    -- A pull in progress; survives a kill, so that finished groups are not fetched again.
    CREATE TABLE staged(
        source_id INTEGER NOT NULL,
        type TEXT NOT NULL,
        skey TEXT NOT NULL,
        ref TEXT NOT NULL,
        context_id INTEGER NOT NULL,
        comment TEXT NOT NULL,
        tags TEXT NOT NULL
    );
    CREATE TABLE staged_context(
        context_id INTEGER PRIMARY KEY,    -- of context, whose body is old until the pull ends
        source_id INTEGER NOT NULL,
        group_key TEXT NOT NULL,
        body TEXT NOT NULL
    );
    CREATE TABLE staged_group(
        source_id INTEGER NOT NULL,
        key TEXT NOT NULL,
        version TEXT NOT NULL,
        first_row INTEGER NOT NULL,        -- rowids of staged: first_row < rowid <= last_row
        last_row INTEGER NOT NULL,
        PRIMARY KEY(source_id, key)
    ) WITHOUT ROWID;
    -- What was not used, exact counts by reason, and samples to look at.
    CREATE TABLE tally(
        source_id INTEGER NOT NULL REFERENCES source(id) ON DELETE CASCADE,
        group_key TEXT NOT NULL,
        outcome TEXT NOT NULL,             -- rejected, skipped, broken
        reason TEXT NOT NULL,
        n INTEGER NOT NULL,
        PRIMARY KEY(source_id, group_key, outcome, reason)
    ) WITHOUT ROWID;
    CREATE TABLE rejected(
        source_id INTEGER NOT NULL REFERENCES source(id) ON DELETE CASCADE,
        group_key TEXT NOT NULL,
        value TEXT NOT NULL,
        ref TEXT NOT NULL,
        reason TEXT NOT NULL
    );
    CREATE INDEX rejected_by_group ON rejected(source_id, group_key);
    CREATE TABLE change(
        seq INTEGER PRIMARY KEY AUTOINCREMENT,
        at TEXT NOT NULL,
        source_id INTEGER NOT NULL,
        source TEXT NOT NULL,
        group_key TEXT NOT NULL,
        added INTEGER NOT NULL,
        type TEXT NOT NULL,                -- '' : too many to name, build from all entries
        skey TEXT NOT NULL,
        reason TEXT NOT NULL
    );
    -- Distinct indicators by type as of a change, so that a build need not count a million.
    CREATE TABLE type_count(
        type TEXT PRIMARY KEY,
        n INTEGER NOT NULL,
        seq INTEGER NOT NULL
    ) WITHOUT ROWID;
    CREATE TABLE generation(
        number INTEGER PRIMARY KEY,
        content_id TEXT NOT NULL,
        parent INTEGER,
        created_at TEXT NOT NULL,
        change_seq INTEGER NOT NULL        -- last change that is in it
    );
    CREATE TABLE sensor(
        name TEXT PRIMARY KEY,
        settings TEXT NOT NULL,            -- JSON of sensor.SensorSettings
        created_at TEXT NOT NULL
    ) WITHOUT ROWID;
    CREATE TABLE proof(
        id INTEGER PRIMARY KEY,
        sensor TEXT NOT NULL REFERENCES sensor(name) ON DELETE CASCADE,
        at TEXT NOT NULL,
        generation INTEGER NOT NULL,
        ok INTEGER NOT NULL,
        body TEXT NOT NULL                 -- JSON of sensor.Proof
    );
    CREATE INDEX proof_by_sensor ON proof(sensor, id);
    CREATE TABLE hit(
        id INTEGER PRIMARY KEY,
        type TEXT NOT NULL,
        value TEXT NOT NULL,
        observed TEXT NOT NULL,
        buffer TEXT NOT NULL,
        sensor TEXT NOT NULL,
        client TEXT NOT NULL,
        server TEXT NOT NULL,
        origin TEXT NOT NULL,
        first_seen TEXT NOT NULL,
        last_seen TEXT NOT NULL,
        count INTEGER NOT NULL,
        contexts TEXT NOT NULL,            -- JSON: what the sources said at the time
        UNIQUE(type, value, observed, buffer, sensor, client, origin)
    );
    CREATE INDEX hit_by_time ON hit(last_seen);
    CREATE TABLE bookmark(
        sensor TEXT PRIMARY KEY,
        body TEXT NOT NULL                 -- JSON of eve.Bookmark
    ) WITHOUT ROWID;
    CREATE TABLE counter(
        sensor TEXT NOT NULL,
        name TEXT NOT NULL,                -- eve.skipped.<reason>, hits.unconfirmed, ...
        n INTEGER NOT NULL,
        PRIMARY KEY(sensor, name)
    ) WITHOUT ROWID;
    """,
    """
    -- live hits: ''; retro hits: 'yes', or why a live alert would not have caught it.
    ALTER TABLE hit ADD COLUMN live TEXT NOT NULL DEFAULT '';
    -- retro hits: distinct hosts on our end that showed the value, within the retention.
    ALTER TABLE hit ADD COLUMN hosts INTEGER NOT NULL DEFAULT 0;
    -- Where the pool's reading of an input stands; rises with each committed batch.
    CREATE TABLE pool_input(
        id INTEGER PRIMARY KEY,
        kind TEXT NOT NULL,                -- follow, file, unix, redis
        place TEXT NOT NULL,               -- path or URL, without secrets
        sensor TEXT NOT NULL,
        seq INTEGER NOT NULL DEFAULT 0,    -- last committed batch
        position TEXT NOT NULL DEFAULT '', -- JSON, the input's own
        updated_at TEXT NOT NULL,
        UNIQUE(kind, place, sensor)
    );
    -- Every file of which something is in the pool, known by its content: the same file under
    -- another name (rotated, compressed, copied) is not counted again.
    CREATE TABLE pool_file(
        id INTEGER PRIMARY KEY,
        input_id INTEGER NOT NULL REFERENCES pool_input(id) ON DELETE CASCADE,
        head TEXT NOT NULL,                -- eve.Bookmark.head
        device INTEGER NOT NULL,
        inode INTEGER NOT NULL,
        bookmark TEXT NOT NULL             -- JSON of eve.Bookmark
    );
    CREATE INDEX pool_file_by_head ON pool_file(head);
    CREATE TABLE pool_counter(
        input_id INTEGER NOT NULL REFERENCES pool_input(id) ON DELETE CASCADE,
        name TEXT NOT NULL,                -- lines, events, malformed, torn, gap, ...
        n INTEGER NOT NULL,
        PRIMARY KEY(input_id, name)
    ) WITHOUT ROWID;
    -- Up to which change (table change, seq) new indicators have been hunted, and up to which new
    -- sighting the indicators that were listed before.
    CREATE TABLE hunted(
        one INTEGER PRIMARY KEY CHECK(one=1),
        change_seq INTEGER NOT NULL,
        at TEXT NOT NULL,
        cursor TEXT NOT NULL DEFAULT ''    -- JSON of pipeline.hunting.Reached
    );
    CREATE TABLE hunt(
        id INTEGER PRIMARY KEY,
        name TEXT NOT NULL UNIQUE,
        created_at TEXT NOT NULL,
        body TEXT NOT NULL                 -- JSON: where its indicators come from
    );
    -- hunt_id NULL: a hunt nobody gave a name, or of a source's new indicators.
    CREATE TABLE hunt_run(
        id INTEGER PRIMARY KEY,
        hunt_id INTEGER REFERENCES hunt(id) ON DELETE CASCADE,
        label TEXT NOT NULL,
        started_at TEXT NOT NULL,
        finished_at TEXT NOT NULL,
        body TEXT NOT NULL                 -- JSON: indicators, rejected, coverage, counts
    );
    CREATE INDEX hunt_run_by_hunt ON hunt_run(hunt_id, id);
    CREATE TABLE hunt_found(
        run_id INTEGER NOT NULL REFERENCES hunt_run(id) ON DELETE CASCADE,
        type TEXT NOT NULL,
        value TEXT NOT NULL,
        field TEXT NOT NULL,
        observed TEXT NOT NULL,
        body TEXT NOT NULL,                -- JSON of pool.Found
        PRIMARY KEY(run_id, type, value, field, observed)
    ) WITHOUT ROWID;
    """,
    """
    -- Of a claim: after which change (seq) and when it came, and what its source says of its worth.
    ALTER TABLE entry ADD COLUMN seq INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE entry ADD COLUMN added_at INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE entry ADD COLUMN changed INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE entry ADD COLUMN expires INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE entry ADD COLUMN confidence INTEGER NOT NULL DEFAULT -1;
    ALTER TABLE entry ADD COLUMN level INTEGER NOT NULL DEFAULT 0; -- 1 high, 2 medium, 3 low, 0 ?
    CREATE INDEX entry_by_expiry ON entry(expires) WHERE expires>0;
    ALTER TABLE staged ADD COLUMN changed INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE staged ADD COLUMN expires INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE staged ADD COLUMN confidence INTEGER NOT NULL DEFAULT -1;
    ALTER TABLE staged ADD COLUMN level INTEGER NOT NULL DEFAULT 0;
    -- 0: not a claim that came or went, but a verdict (or a threat level) that changed.
    ALTER TABLE change ADD COLUMN claim INTEGER NOT NULL DEFAULT 1;
    -- What an operator says about all indicators of a source; JSON of model.SourceRules.
    ALTER TABLE source ADD COLUMN rules TEXT NOT NULL DEFAULT '{}';
    -- The guard's verdicts; an indicator without a row is published as it is.
    CREATE TABLE verdict(
        type TEXT NOT NULL,
        skey TEXT NOT NULL,
        outcome TEXT NOT NULL,             -- publish, exact, hold, drop
        test TEXT NOT NULL,
        reason TEXT NOT NULL,
        labels TEXT NOT NULL,              -- tab separated, '' for none
        due INTEGER NOT NULL,              -- epoch seconds, 0: never
        at INTEGER NOT NULL,               -- since when it has this outcome by this test
        is_new INTEGER NOT NULL DEFAULT 0, -- 1: withheld, and was never published
        PRIMARY KEY(type, skey)
    ) WITHOUT ROWID;
    CREATE INDEX verdict_withheld ON verdict(outcome, type, skey) WHERE outcome<>'publish';
    CREATE INDEX verdict_by_due ON verdict(due) WHERE due>0;
    -- Up to which change everything has been judged, and with what.
    CREATE TABLE guarded(
        one INTEGER PRIMARY KEY CHECK(one=1),
        change_seq INTEGER NOT NULL,
        at INTEGER NOT NULL,
        basis TEXT NOT NULL,               -- digest of policy, lists and suffixes
        rulings INTEGER NOT NULL,          -- up to which mark of the rulings
        aged_at INTEGER NOT NULL,          -- when ages were last looked at
        asked_seq INTEGER NOT NULL,        -- up to which change the memory was asked
        unasked_at INTEGER NOT NULL        -- since when it does not answer, 0: it does
    );
    -- How many of our hosts met an indicator when it was judged first.
    CREATE TABLE prevalence(
        type TEXT NOT NULL,
        skey TEXT NOT NULL,
        hosts INTEGER NOT NULL,
        count INTEGER NOT NULL,
        days INTEGER NOT NULL,
        at INTEGER NOT NULL,
        PRIMARY KEY(type, skey)
    ) WITHOUT ROWID;
    -- What people decided; never deleted, so that who decided what and why stays known.
    CREATE TABLE ruling(
        id INTEGER PRIMARY KEY,
        kind TEXT NOT NULL,                -- allow, deny, release, hold
        type TEXT NOT NULL,                -- indicator type; '' for a name or network of any type
        value TEXT NOT NULL,               -- canonical
        below INTEGER NOT NULL,            -- 1: also names below, addresses within
        who TEXT NOT NULL,
        why TEXT NOT NULL,
        at INTEGER NOT NULL,
        until INTEGER NOT NULL,            -- epoch seconds, 0: for good
        seq INTEGER NOT NULL,              -- rises with each ruling that is made or ended
        ended_at INTEGER NOT NULL DEFAULT 0,
        ended_by TEXT NOT NULL DEFAULT '',
        ended_why TEXT NOT NULL DEFAULT ''
    );
    CREATE INDEX ruling_by_value ON ruling(value);
    CREATE INDEX ruling_by_seq ON ruling(seq);
    -- What a hit is judged to be, and who said so.
    ALTER TABLE hit ADD COLUMN status TEXT NOT NULL DEFAULT 'new';
    CREATE TABLE hit_mark(
        id INTEGER PRIMARY KEY,
        hit_id INTEGER NOT NULL REFERENCES hit(id) ON DELETE CASCADE,
        at TEXT NOT NULL,
        who TEXT NOT NULL,
        status TEXT NOT NULL,              -- new, investigating, confirmed, false-positive
        note TEXT NOT NULL
    );
    CREATE INDEX hit_mark_by_hit ON hit_mark(hit_id);
    -- Who we are to others: random, tells nothing.
    CREATE TABLE instance(
        one INTEGER PRIMARY KEY CHECK(one=1),
        id TEXT NOT NULL
    );
    -- MISP sightings that wait or have left; written in the transaction that records their hit.
    CREATE TABLE outbox(
        source TEXT NOT NULL,
        uuid TEXT NOT NULL,                -- made of what it says: the same thing is said once
        event TEXT NOT NULL,
        attribute TEXT NOT NULL,
        type INTEGER NOT NULL,             -- 0 seen, 1 false positive
        at INTEGER NOT NULL,               -- epoch seconds, like all below
        says TEXT NOT NULL,                -- MISP's field 'source'
        state TEXT NOT NULL DEFAULT 'waiting', -- waiting, sent, refused
        reason TEXT NOT NULL DEFAULT '',
        queued_at INTEGER NOT NULL,
        left_at INTEGER NOT NULL DEFAULT 0, -- first attempt; 0: it has never left
        done_at INTEGER NOT NULL DEFAULT 0,
        PRIMARY KEY(source, uuid)
    ) WITHOUT ROWID;
    CREATE INDEX outbox_waiting ON outbox(source, at, uuid) WHERE state='waiting';
    CREATE INDEX outbox_by_leaving ON outbox(source, left_at) WHERE left_at>0;
    CREATE INDEX outbox_by_attribute ON outbox(attribute);
    -- How sending to a MISP goes.
    CREATE TABLE addressee(
        source TEXT PRIMARY KEY,
        sent INTEGER NOT NULL DEFAULT 0,
        refused INTEGER NOT NULL DEFAULT 0,
        failures INTEGER NOT NULL DEFAULT 0, -- in a row
        failing_since INTEGER NOT NULL DEFAULT 0,
        forbidden INTEGER NOT NULL DEFAULT 0, -- 1: the key may not add sightings
        retry_at INTEGER NOT NULL DEFAULT 0,
        error TEXT NOT NULL DEFAULT '',
        hint TEXT NOT NULL DEFAULT '',
        error_at INTEGER NOT NULL DEFAULT 0
    ) WITHOUT ROWID;
    -- Indicators with news since the last message; written with the hits.
    CREATE TABLE news(
        kind TEXT NOT NULL,                -- hit, retro
        type TEXT NOT NULL,
        value TEXT NOT NULL,
        hit_id INTEGER NOT NULL,           -- the newest
        n INTEGER NOT NULL,                -- groups of hits
        PRIMARY KEY(kind, type, value)
    ) WITHOUT ROWID;
    -- What cannot be seen in a table of its own: a sensor that cannot be asked.
    CREATE TABLE trouble(
        kind TEXT NOT NULL,
        subject TEXT NOT NULL,
        text TEXT NOT NULL,
        at INTEGER NOT NULL,
        PRIMARY KEY(kind, subject)
    ) WITHOUT ROWID;
    -- What people were told last about a subject, so that they are not told again too soon.
    CREATE TABLE notified(
        kind TEXT NOT NULL,
        subject TEXT NOT NULL,
        state TEXT NOT NULL,
        at INTEGER NOT NULL,
        PRIMARY KEY(kind, subject)
    ) WITHOUT ROWID;
    CREATE TABLE message(
        id INTEGER PRIMARY KEY,
        at INTEGER NOT NULL,
        kind TEXT NOT NULL,
        is_bad INTEGER NOT NULL,           -- 0: something is well again
        title TEXT NOT NULL,
        body TEXT NOT NULL
    );
    CREATE TABLE delivery(
        message_id INTEGER NOT NULL REFERENCES message(id) ON DELETE CASCADE,
        target TEXT NOT NULL,              -- digest of its URL, which holds secrets
        state TEXT NOT NULL DEFAULT 'waiting', -- waiting, delivered, given up
        attempts INTEGER NOT NULL DEFAULT 0,
        due INTEGER NOT NULL DEFAULT 0,
        error TEXT NOT NULL DEFAULT '',
        done_at INTEGER NOT NULL DEFAULT 0,
        PRIMARY KEY(message_id, target)
    ) WITHOUT ROWID;
    CREATE INDEX delivery_waiting ON delivery(due) WHERE state='waiting';
    """,
    FLEET,
)


def migrate(connection: sqlite3.Connection) -> None:
    """Bring the database to the newest schema, in one transaction.

    Several processes may do it at once, as services that start after an upgrade do: one migrates,
    the others wait and find it done.

    Raises:
        StoreError: The database was written by a newer Vedette.
    """
    if _version(connection) == len(MIGRATIONS):
        return
    connection.execute("BEGIN IMMEDIATE")
    try:
        for script in MIGRATIONS[_version(connection) :]:
            for statement in _statements(script):
                connection.execute(statement)
        connection.execute(f"PRAGMA user_version={len(MIGRATIONS)}")
    except BaseException:
        connection.rollback()
        raise
    connection.commit()


def _version(connection: sqlite3.Connection) -> int:
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version > len(MIGRATIONS):
        raise StoreError(
            f"the database has schema {version}, this Vedette knows {len(MIGRATIONS)}",
            hint="Upgrade Vedette, or restore the backup that was made before the upgrade.",
        )
    return int(version)


def _statements(script: str) -> Iterator[str]:
    """Yield the statements of a script: a trigger has semicolons of its own."""
    statement = ""
    for part in script.split(";"):
        statement += f"{part};"
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""
