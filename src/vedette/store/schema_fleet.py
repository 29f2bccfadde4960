"""The fourth migration: what is wanted on which sensor, what is known of it, who may ask."""

from __future__ import annotations

FLEET = """
-- Which generation is wanted, signed; never deleted, so that serials only rise.
CREATE TABLE announcement(
    serial INTEGER PRIMARY KEY,
    generation INTEGER NOT NULL,
    content_id TEXT NOT NULL,
    at INTEGER NOT NULL,               -- epoch seconds, like all below
    who TEXT NOT NULL,
    why TEXT NOT NULL,
    document TEXT NOT NULL,            -- the signed bytes
    signature TEXT NOT NULL
);
-- How the announced generation spreads; one row a roll-out, the last one is in force.
CREATE TABLE rollout(
    id INTEGER PRIMARY KEY,
    serial INTEGER NOT NULL REFERENCES announcement(serial),
    previous INTEGER NOT NULL,         -- serial that the others stay at; 0: none
    state TEXT NOT NULL,               -- canary, watch, done, paused, stopped, superseded
    was TEXT NOT NULL DEFAULT '',      -- state to go back to from paused
    started_at INTEGER NOT NULL,
    proved_at INTEGER NOT NULL DEFAULT 0, -- since when all canaries hold it
    spread_at INTEGER NOT NULL DEFAULT 0, -- when the others got it
    resumed_at INTEGER NOT NULL DEFAULT 0, -- when a person let it go on after a pause
    ended_at INTEGER NOT NULL DEFAULT 0,
    why TEXT NOT NULL DEFAULT ''
);
-- The last that is known of each sensor.
CREATE TABLE sensor_state(
    sensor TEXT PRIMARY KEY REFERENCES sensor(name) ON DELETE CASCADE,
    at INTEGER NOT NULL,               -- when it came, by our clock
    origin TEXT NOT NULL,              -- address that it came from; '' for the hub itself
    state TEXT NOT NULL,
    since INTEGER NOT NULL,            -- when this state began
    serial INTEGER NOT NULL,
    generation INTEGER NOT NULL,
    content_id TEXT NOT NULL,
    clock_s REAL NOT NULL DEFAULT 0,   -- its clock less ours
    report BLOB NOT NULL               -- vedette.sensor.wire.Report, without the proof
) WITHOUT ROWID;
-- Every change of a sensor's state.
CREATE TABLE sensor_event(
    id INTEGER PRIMARY KEY,
    sensor TEXT NOT NULL,
    at INTEGER NOT NULL,
    state TEXT NOT NULL,
    generation INTEGER NOT NULL,
    why TEXT NOT NULL
);
CREATE INDEX sensor_event_by_sensor ON sensor_event(sensor, id);
-- Alerts of our rules by minute.
CREATE TABLE alert_rate(
    sensor TEXT NOT NULL,
    minute INTEGER NOT NULL,           -- epoch seconds // 60
    alerts INTEGER NOT NULL,
    PRIMARY KEY(sensor, minute)
) WITHOUT ROWID;
-- Who may fetch and report. The token itself is kept nowhere.
CREATE TABLE token(
    id TEXT PRIMARY KEY,               -- first part of the token, not secret
    sensor TEXT NOT NULL,              -- '' for tools that are no sensor
    scopes TEXT NOT NULL,              -- fetch report metrics, with spaces between
    digest TEXT NOT NULL,              -- SHA-256 of the secret part (256 random bits)
    created_at INTEGER NOT NULL,
    created_by TEXT NOT NULL,
    expires_at INTEGER NOT NULL DEFAULT 0, -- 0: never
    revoked_at INTEGER NOT NULL DEFAULT 0,
    revoked_by TEXT NOT NULL DEFAULT '',
    used_at INTEGER NOT NULL DEFAULT 0,
    used_from TEXT NOT NULL DEFAULT ''
) WITHOUT ROWID;
CREATE INDEX token_by_sensor ON token(sensor);
-- A sensor of the same name that is added later is another one.
CREATE TRIGGER token_of_nobody AFTER DELETE ON sensor BEGIN
    UPDATE token SET revoked_at=CAST(strftime('%s', 'now') AS INTEGER), revoked_by='sensor removed'
    WHERE sensor=OLD.name AND revoked_at=0;
END;
-- What consumers without an agent fetched last.
CREATE TABLE fetched(
    token TEXT NOT NULL,
    what TEXT NOT NULL,                -- the kind of file: archive, rules, dataset
    generation INTEGER NOT NULL,
    at INTEGER NOT NULL,
    origin TEXT NOT NULL,
    agent TEXT NOT NULL,               -- its User-Agent, cut
    PRIMARY KEY(token, what)
) WITHOUT ROWID;
-- Every change: who, when, from where. Only appended. A command has two rows: one before it
-- changes anything (ok -1), one when it is over, which names the first.
CREATE TABLE audit(
    id INTEGER PRIMARY KEY,
    at INTEGER NOT NULL,
    who TEXT NOT NULL,
    origin TEXT NOT NULL,              -- terminal and host, or address
    action TEXT NOT NULL,              -- 'sensor add', 'bundle rollback', 'token refused'
    subject TEXT NOT NULL,
    ok INTEGER NOT NULL,               -- 1, 0: failed, -1: began
    detail TEXT NOT NULL,              -- JSON, without secrets
    began INTEGER NOT NULL DEFAULT 0   -- id of the row that this one ends; 0: it stands alone
);
CREATE INDEX audit_by_subject ON audit(subject);
CREATE INDEX audit_by_action ON audit(action, at, ok);
CREATE INDEX audit_by_began ON audit(began) WHERE began>0;
CREATE TRIGGER audit_unchanged BEFORE UPDATE ON audit
BEGIN SELECT raise(ABORT, 'the audit trail is only appended to'); END;
CREATE TRIGGER audit_kept BEFORE DELETE ON audit
BEGIN SELECT raise(ABORT, 'the audit trail is only appended to'); END;
CREATE TRIGGER audit_not_replaced BEFORE INSERT ON audit
WHEN EXISTS (SELECT 1 FROM audit WHERE id=NEW.id)
BEGIN SELECT raise(ABORT, 'the audit trail is only appended to'); END;
-- Hits are counted for every look of a monitor.
CREATE INDEX hit_counted ON hit(sensor, origin, status, count);
"""
