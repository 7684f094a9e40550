-- The embedded store, version 1. Wall-clock times are whole milliseconds since 1970; `ends` and `heartbeat`
-- are seconds on the machine's monotonic clock, which all processes share and nobody can set.
-- All of it is run whenever a store is opened, so what is added here comes into older stores too.

CREATE TABLE IF NOT EXISTS messages (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    queue TEXT NOT NULL,
    message_id TEXT NOT NULL,
    body BLOB NOT NULL,
    inserted_at INTEGER NOT NULL,
    visible_at INTEGER NOT NULL,
    expires_at INTEGER,
    dequeue_count INTEGER NOT NULL DEFAULT 0,
    fence INTEGER NOT NULL DEFAULT 0,      -- grows with each delivery: the receipt
    owner TEXT,                            -- the host that has it in flight
    crashes INTEGER NOT NULL DEFAULT 0,    -- hosts that died while they had it
    first_received_at INTEGER,
    properties TEXT
);
-- The row's id is part of every index, after what is named. There is none by owner: that is asked for only
-- when a host has died, and would cost every message a tenth more.
CREATE INDEX IF NOT EXISTS messages_due ON messages (queue, visible_at);

-- What other processes look at to learn that there is something for them.
CREATE TABLE IF NOT EXISTS signals (topic TEXT PRIMARY KEY, count INTEGER NOT NULL) WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS leases (
    name TEXT PRIMARY KEY,
    owner TEXT NOT NULL,
    fence INTEGER NOT NULL,
    ends REAL NOT NULL
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS leases_owned ON leases (owner);

CREATE TABLE IF NOT EXISTS counters (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
INSERT OR IGNORE INTO counters VALUES ('fence', 0);

CREATE TABLE IF NOT EXISTS hosts (
    owner TEXT PRIMARY KEY,
    pid INTEGER NOT NULL,
    heartbeat REAL NOT NULL
) WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS state (
    scope TEXT NOT NULL,
    key TEXT NOT NULL,
    value TEXT NOT NULL,
    PRIMARY KEY (scope, key)
) WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS versions (
    scope TEXT NOT NULL,
    path TEXT NOT NULL,
    version TEXT NOT NULL,
    PRIMARY KEY (scope, path)
) WITHOUT ROWID;

-- The entities of all tables. `changed_at` is in whole microseconds: the ETag is made of it.
CREATE TABLE IF NOT EXISTS entities (
    table_name TEXT NOT NULL,              -- in lower case
    partition_key TEXT NOT NULL,
    row_key TEXT NOT NULL,
    changed_at INTEGER NOT NULL,
    properties TEXT NOT NULL,
    PRIMARY KEY (table_name, partition_key, row_key)
) WITHOUT ROWID;

-- What people and tools did that changes something: who, when, what to, and how it ended.
CREATE TABLE IF NOT EXISTS audit (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    at INTEGER NOT NULL,
    who TEXT NOT NULL,
    action TEXT NOT NULL,                  -- such as queues.clear
    target TEXT NOT NULL,
    detail TEXT NOT NULL                   -- a JSON object
);
