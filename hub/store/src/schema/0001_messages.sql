-- Messages, their content, trace and findings, and the deliveries they cause.
-- Times are microseconds since 1970 UTC. Types are those that SQLite and PostgreSQL share; only
-- `WITHOUT ROWID`, `BLOB` and `INTEGER PRIMARY KEY` are SQLite's own words (PostgreSQL: nothing,
-- BYTEA, and BIGINT PRIMARY KEY). States are numbered so that ranges of them can be asked for.

CREATE TABLE message (
    id              INTEGER PRIMARY KEY,
    enterprise      TEXT NOT NULL,
    source          TEXT NOT NULL,
    route           TEXT,
    name            TEXT NOT NULL,
    -- First 16 bytes of SHA-256 over enterprise, source and business key (or content): one per message.
    identity        BLOB NOT NULL,
    business_key    TEXT,
    content_hash    BLOB NOT NULL,
    size            BIGINT NOT NULL,
    media_type      TEXT,
    headers         TEXT,
    received_at     BIGINT NOT NULL,
    -- 0 received, 1 processing, 2 processed, 3 processed with findings, 4 invalid
    state           INTEGER NOT NULL,
    finished_at     BIGINT,
    -- Where decoding goes on after a restart: byte offset of the last applied part, and how many
    -- records and findings it and all before yielded.
    checkpoint      BIGINT NOT NULL DEFAULT 0,
    seen            BIGINT NOT NULL DEFAULT 0,
    records         BIGINT NOT NULL DEFAULT 0,
    applied         BIGINT NOT NULL DEFAULT 0,
    findings        BIGINT NOT NULL DEFAULT 0,
    rejected        BIGINT NOT NULL DEFAULT 0,
    -- Those of the rejected that the decoder could not read: what a route tolerates is about these.
    unreadable      BIGINT NOT NULL DEFAULT 0,
    -- Counts runs: 1, and one more for each replay.
    run             INTEGER NOT NULL DEFAULT 1
);
CREATE UNIQUE INDEX message_identity ON message (identity);
CREATE INDEX message_open ON message (source, id) WHERE state <= 1;

-- Bodies of small messages and deliveries, by their id; large ones are files named by their hash.
CREATE TABLE content (
    id              INTEGER PRIMARY KEY,
    bytes           BLOB NOT NULL
);

CREATE TABLE trace (
    message_id      BIGINT NOT NULL,
    id              BIGINT NOT NULL,
    delivery_id     BIGINT,
    at              BIGINT NOT NULL,
    step            INTEGER NOT NULL,
    note            TEXT,
    PRIMARY KEY (message_id, id)
) WITHOUT ROWID;

CREATE TABLE finding (
    message_id      BIGINT NOT NULL,
    run             INTEGER NOT NULL,
    number          BIGINT NOT NULL,
    severity        INTEGER NOT NULL,
    code            TEXT NOT NULL,
    byte_offset     BIGINT NOT NULL,
    line            BIGINT NOT NULL,
    sheet           TEXT,
    field           TEXT,
    reason          TEXT NOT NULL,
    rejects         BIGINT NOT NULL,
    PRIMARY KEY (message_id, run, number)
) WITHOUT ROWID;

CREATE TABLE delivery (
    id              INTEGER PRIMARY KEY,
    message_id      BIGINT NOT NULL,
    enterprise      TEXT NOT NULL,
    route           TEXT NOT NULL,
    endpoint        TEXT NOT NULL,
    lane            BIGINT NOT NULL,
    subject         TEXT NOT NULL,
    source_name     TEXT NOT NULL,
    media_type      TEXT NOT NULL,
    extension       TEXT NOT NULL,
    -- 0 its own row in content, 1 the content of its message, 2 the parts of its message and route
    body            INTEGER NOT NULL,
    -- The run of the message that made it.
    run             INTEGER NOT NULL,
    -- 0 pending, 1 sending, 2 parked, 3 delivered, 4 discarded
    state           INTEGER NOT NULL,
    attempts        INTEGER NOT NULL DEFAULT 0,
    due_at          BIGINT NOT NULL,
    created_at      BIGINT NOT NULL,
    finished_at     BIGINT,
    note            TEXT
);
CREATE INDEX delivery_message ON delivery (message_id);
CREATE INDEX delivery_open ON delivery (endpoint, id) WHERE state <= 1;
CREATE INDEX delivery_lane ON delivery (endpoint, lane, id) WHERE state <= 2;
CREATE INDEX delivery_parked ON delivery (id) WHERE state = 2;

-- Pieces of a document that is made while its message is still being applied.
CREATE TABLE part (
    message_id      BIGINT NOT NULL,
    run             INTEGER NOT NULL,
    route           TEXT NOT NULL,
    number          BIGINT NOT NULL,
    content_hash    BLOB,
    size            BIGINT NOT NULL,
    bytes           BLOB,
    PRIMARY KEY (message_id, run, route, number)
);

-- Facts about this store: node number, newest id ...
CREATE TABLE fact (
    name            TEXT NOT NULL PRIMARY KEY,
    value           TEXT NOT NULL
);
