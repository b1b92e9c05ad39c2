-- The store remembers what both sides last agreed on. It holds names and keyed digests. Values are in `flight` alone, and
-- in `pair.detail` what the steps of a half-made record have answered; both encrypted.

CREATE TABLE meta (name TEXT PRIMARY KEY, value) WITHOUT ROWID;

CREATE TABLE sync (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    rev TEXT NOT NULL DEFAULT '',           -- of the mapping that the digests were taken with
    fingerprint TEXT NOT NULL DEFAULT '',   -- of match keys, direction and scope at the last run
    adopted INTEGER NOT NULL DEFAULT 0,     -- its first plan was approved
    left_cursor TEXT, right_cursor TEXT,
    left_count INTEGER, right_count INTEGER, -- records in the last complete listing
    last_full REAL NOT NULL DEFAULT 0,
    salt TEXT NOT NULL DEFAULT '',          -- day and tables that `seen` was taken with
    left_tenant TEXT, right_tenant TEXT,    -- whose system answered, and which life of its data: NULL where it
    left_epoch TEXT, right_epoch TEXT,      -- does not say
    remapped TEXT NOT NULL DEFAULT '',      -- what changed in the mapping since some pairs were last settled
    restored INTEGER NOT NULL DEFAULT 0     -- what is agreed may be older than what was done since: see core/caution.py
);

-- The names of the fields in the order of the `agreed` blobs: 8 bytes a field, zeros where nothing was agreed.
CREATE TABLE layout (id INTEGER PRIMARY KEY, names TEXT NOT NULL UNIQUE);

CREATE TABLE pair (
    key INTEGER PRIMARY KEY,
    sync INTEGER NOT NULL REFERENCES sync (id),
    parent INTEGER REFERENCES pair (key),   -- of a child record: the pair of its parents
    state TEXT NOT NULL,                    -- active | single | held | retired
    reason TEXT NOT NULL DEFAULT '',
    detail BLOB,                            -- field names, candidates, a system's words; encrypted
    born TEXT NOT NULL DEFAULT 'matched',   -- created | matched | confirmed | imported
    since REAL NOT NULL DEFAULT 0,
    next_try REAL NOT NULL DEFAULT 0,
    attempts INTEGER NOT NULL DEFAULT 0,
    line BLOB,
    awaits TEXT,                            -- [[sync, side, id], ...]: whom its references name and who has no partner
    layout INTEGER NOT NULL REFERENCES layout (id),
    left_id TEXT, left_version TEXT, left_seen BLOB, left_agreed BLOB, left_sent BLOB, left_keys BLOB,
    right_id TEXT, right_version TEXT, right_seen BLOB, right_agreed BLOB, right_sent BLOB, right_keys BLOB,
    rev BLOB,                               -- stands for the mapping with which it was last settled
    members BLOB                            -- 8 bytes a member of each set: agreed, and sent but not seen, per side
);
-- Retired pairs keep claiming their ids: at most one pair per record and sync, ever.
CREATE UNIQUE INDEX pair_left ON pair (sync, left_id) WHERE left_id IS NOT NULL;
CREATE UNIQUE INDEX pair_right ON pair (sync, right_id) WHERE right_id IS NOT NULL;
CREATE INDEX pair_awaits ON pair (sync) WHERE awaits IS NOT NULL;
CREATE INDEX pair_family ON pair (parent) WHERE parent IS NOT NULL;
CREATE INDEX pair_open ON pair (sync, state) WHERE state IN ('held', 'single');

-- Match keys of every half, so that a newcomer finds its partner, or the record that stands in its way.
CREATE TABLE match_key (
    sync INTEGER NOT NULL, side TEXT NOT NULL, digest BLOB NOT NULL, key INTEGER NOT NULL,
    PRIMARY KEY (sync, side, digest, key)
) WITHOUT ROWID;

-- Writes on their way: planned, sent, then settled until the audit log holds the outcomes. Also the outbox.
CREATE TABLE flight (
    id INTEGER PRIMARY KEY,
    sync INTEGER NOT NULL,
    run TEXT NOT NULL,
    first INTEGER NOT NULL,                 -- intent ids first .. first + size - 1; monotone, never reused
    size INTEGER NOT NULL,
    state TEXT NOT NULL,                    -- planned | sent | settled
    audit_size INTEGER NOT NULL DEFAULT 0,  -- entries in the audit log when it settled: where to look for its outcomes
    not_before REAL NOT NULL DEFAULT 0,
    payload BLOB NOT NULL,                  -- the writes, encrypted
    outcome BLOB                            -- what became of them, encrypted
);
-- Each pair has at most one write on its way to a side: a second one has to wait until the first has come to its end.
CREATE TABLE aloft (
    pair INTEGER NOT NULL, side TEXT NOT NULL, flight INTEGER NOT NULL REFERENCES flight (id) ON DELETE CASCADE,
    PRIMARY KEY (pair, side)
) WITHOUT ROWID;
CREATE INDEX aloft_of ON aloft (flight);

-- Names that were generated for new records, and for which of them: none is ever given to another.
CREATE TABLE given (name BLOB PRIMARY KEY, owner BLOB NOT NULL) WITHOUT ROWID;

-- What was written of each daily budget, minute by minute; older than a day it is forgotten. See core/daily.py.
CREATE TABLE spent (
    sync INTEGER NOT NULL, kind TEXT NOT NULL, field TEXT NOT NULL, minute REAL NOT NULL, count INTEGER NOT NULL,
    PRIMARY KEY (sync, kind, field, minute)
) WITHOUT ROWID;

-- The last write of each field that was written within two days, and how often it was made: two sides that never agree
-- are seen by it. `move` is 8 keyed bytes over the values before and after.
CREATE TABLE turn (
    pair INTEGER NOT NULL, field TEXT NOT NULL, side TEXT NOT NULL, move BLOB NOT NULL, count INTEGER NOT NULL,
    at REAL NOT NULL,
    PRIMARY KEY (pair, field)
) WITHOUT ROWID;
CREATE INDEX turn_worn ON turn (count) WHERE count >= 3;

CREATE TABLE approval (
    sync INTEGER NOT NULL, line BLOB NOT NULL, kind TEXT NOT NULL, actor TEXT NOT NULL, expires REAL NOT NULL,
    PRIMARY KEY (sync, line)
) WITHOUT ROWID;

-- A person's answers to conflicts; each holds for the two values that were seen.
CREATE TABLE ruling (
    pair INTEGER NOT NULL, field TEXT NOT NULL, take TEXT NOT NULL, left_seen BLOB NOT NULL, right_seen BLOB NOT NULL,
    actor TEXT NOT NULL, at REAL NOT NULL,
    PRIMARY KEY (pair, field)
) WITHOUT ROWID;

CREATE TABLE run (
    id TEXT PRIMARY KEY, sync TEXT NOT NULL, started REAL NOT NULL, ended REAL, state TEXT NOT NULL,
    actor TEXT NOT NULL, report TEXT NOT NULL DEFAULT '{}'
) WITHOUT ROWID;
CREATE INDEX run_of ON run (sync, started);
