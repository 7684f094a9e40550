-- The embedded store, version 2. Wall-clock times are whole milliseconds since 1970; `ends` and `heartbeat`
-- are seconds on the machine's monotonic clock, which all processes share and nobody can set.
-- All of it is run whenever a store is opened, so what is added here comes into older stores too; columns that a
-- table gained later stand in store_schema.py as well.

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
    properties TEXT,
    session_id TEXT,
    due_at INTEGER,                        -- of one that waits behind others of its session: its own `visible_at`
    priority INTEGER NOT NULL DEFAULT 4,
    dedup_id TEXT
);
-- The row's id is part of every index, after what is named. There is none by owner: that is asked for only
-- when a host has died, and would cost every message a tenth more.
CREATE INDEX IF NOT EXISTS messages_next ON messages (queue, priority, visible_at);

-- Of a session only the first message has a `visible_at` that ever comes: the others get theirs when it is their
-- turn, so that any number of them is in nobody's way. Whoever adds or removes messages, this holds.
CREATE INDEX IF NOT EXISTS messages_of_session ON messages (queue, session_id) WHERE session_id IS NOT NULL;
CREATE TRIGGER IF NOT EXISTS message_waits AFTER INSERT ON messages
    WHEN NEW.session_id IS NOT NULL AND NEW.due_at IS NULL AND EXISTS (
        SELECT 1 FROM messages WHERE queue = NEW.queue AND session_id = NEW.session_id AND id < NEW.id)
    BEGIN
        UPDATE messages SET due_at = visible_at, visible_at = 253402300799000 WHERE id = NEW.id;
    END;
CREATE TRIGGER IF NOT EXISTS message_follows AFTER DELETE ON messages
    WHEN OLD.session_id IS NOT NULL AND OLD.due_at IS NULL
    BEGIN
        UPDATE messages SET visible_at = due_at, due_at = NULL WHERE due_at IS NOT NULL AND id = (
            SELECT id FROM messages WHERE queue = OLD.queue AND session_id = OLD.session_id ORDER BY id LIMIT 1);
        INSERT INTO signals VALUES ('queue:' || OLD.queue, 1) ON CONFLICT (topic) DO UPDATE SET count = count + 1;
    END;

-- Until when an id keeps further messages with it out of a queue.
CREATE TABLE IF NOT EXISTS dedup_ids (
    queue TEXT NOT NULL,
    dedup_id TEXT NOT NULL,
    ends INTEGER NOT NULL,
    PRIMARY KEY (queue, dedup_id)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS dedup_ids_ends ON dedup_ids (ends);

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

-- The runs. A row is never changed: what is told of a run anew is a row with a new number in the place of the old
-- one, so that the numbers up to `indexed` in `history` are those whose texts the full-text index holds.
CREATE TABLE IF NOT EXISTS runs (
    number INTEGER PRIMARY KEY,            -- grows, and is never given twice
    id TEXT NOT NULL UNIQUE,               -- ids sort by when the runs began
    function TEXT NOT NULL COLLATE NOCASE,
    state TEXT NOT NULL,
    running_on TEXT,                       -- the host, while it runs
    parent TEXT,
    replay_of TEXT,
    message TEXT,
    trace_id TEXT,
    size INTEGER NOT NULL,                 -- bytes of the row
    summary BLOB NOT NULL,                 -- JSON: the rest of what a list shows
    contents BLOB NOT NULL                 -- MessagePack: input, output, log and steps. Last: a list stops short of it
);
-- One index for lists by function, by state, and by both: the few pairs that there are, are asked for one by one.
CREATE INDEX IF NOT EXISTS runs_kind ON runs (function, state, id);
-- What only some runs have costs the others nothing. Messages and traces are looked for seldom, and to keep an index
-- of such ids would cost each run as much as all the rest: the full-text index, made in quiet times, has them.
CREATE INDEX IF NOT EXISTS runs_running_on ON runs (running_on) WHERE running_on IS NOT NULL;
CREATE INDEX IF NOT EXISTS runs_parent ON runs (parent, id) WHERE parent IS NOT NULL;
CREATE INDEX IF NOT EXISTS runs_replay_of ON runs (replay_of, id) WHERE replay_of IS NOT NULL;

-- Runs that are not rows yet: those of one commit together, as MessagePack.
CREATE TABLE IF NOT EXISTS run_journal (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    count INTEGER NOT NULL,
    runs BLOB NOT NULL
);

-- One row: the bytes of all runs, the last number given, and up to which one the full-text index goes.
CREATE TABLE IF NOT EXISTS history (
    one INTEGER PRIMARY KEY,
    bytes INTEGER NOT NULL,
    last INTEGER NOT NULL,
    indexed INTEGER NOT NULL
);
INSERT OR IGNORE INTO history VALUES (1, 0, 0, 0);
