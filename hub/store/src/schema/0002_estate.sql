-- The estate: see the estate module. Types are those that SQLite and PostgreSQL share.
-- Times are microseconds since 1970 UTC, days are days since 1970-01-01 in the enterprise's zone.
-- Every row belongs to an enterprise: by its own column, or by the series it is a part of.

CREATE TABLE enterprise (
    id              INTEGER PRIMARY KEY,
    name            TEXT NOT NULL,
    -- IANA name. Readings are kept by its local days.
    zone            TEXT NOT NULL
);
CREATE UNIQUE INDEX enterprise_name ON enterprise (name);

-- Where the next ids come from.
CREATE TABLE counter (
    name            TEXT NOT NULL PRIMARY KEY,
    next            BIGINT NOT NULL
);
INSERT INTO counter (name, next) VALUES ('enterprise', 1), ('object', 1), ('series', 1), ('reading_type', 1);

-- How much an enterprise has: kept as it grows, because counting 15 million rows takes a while.
CREATE TABLE estate_total (
    enterprise_id   BIGINT NOT NULL,
    name            TEXT NOT NULL,
    value           BIGINT NOT NULL,
    PRIMARY KEY (enterprise_id, name)
) WITHOUT ROWID;

CREATE TABLE usage_point (
    enterprise_id   BIGINT NOT NULL,
    -- The partner's id by which it became known.
    name            TEXT NOT NULL,
    id              BIGINT NOT NULL,
    -- All names, JSON.
    names           TEXT NOT NULL,
    service         TEXT,
    street          TEXT,
    postal_code     TEXT,
    town            TEXT,
    country         TEXT,
    latitude        TEXT,
    longitude       TEXT,
    access          TEXT,
    updated_by      BIGINT NOT NULL,
    byte_offset     BIGINT NOT NULL,
    line            BIGINT NOT NULL,
    sheet           TEXT,
    PRIMARY KEY (enterprise_id, name)
) WITHOUT ROWID;
CREATE UNIQUE INDEX usage_point_id ON usage_point (enterprise_id, id);

CREATE TABLE end_device (
    enterprise_id   BIGINT NOT NULL,
    name            TEXT NOT NULL,
    id              BIGINT NOT NULL,
    usage_point_id  BIGINT,
    names           TEXT NOT NULL,
    serial_number   TEXT,
    device_type     TEXT,
    manufacturer    TEXT,
    service         TEXT,
    -- in_stock, installed, removed, scrapped
    status          TEXT,
    installed_at    BIGINT,
    -- JSON, [name, value] pairs.
    attributes      TEXT,
    updated_by      BIGINT NOT NULL,
    byte_offset     BIGINT NOT NULL,
    line            BIGINT NOT NULL,
    sheet           TEXT,
    PRIMARY KEY (enterprise_id, name)
) WITHOUT ROWID;
CREATE UNIQUE INDEX end_device_id ON end_device (enterprise_id, id);
CREATE INDEX end_device_usage_point ON end_device (enterprise_id, usage_point_id)
    WHERE usage_point_id IS NOT NULL;

-- Other ids of a device or usage point: what another partner calls it, the serial number.
CREATE TABLE object_name (
    enterprise_id   BIGINT NOT NULL,
    -- 0 device, 1 usage point
    kind            INTEGER NOT NULL,
    name            TEXT NOT NULL,
    object_id       BIGINT NOT NULL,
    PRIMARY KEY (enterprise_id, kind, name, object_id)
) WITHOUT ROWID;

CREATE TABLE work_order (
    enterprise_id   BIGINT NOT NULL,
    number          TEXT NOT NULL,
    revision        BIGINT,
    status          TEXT NOT NULL,
    kind            TEXT,
    priority        INTEGER,
    -- Ids as the partner wrote them, for searching; all names are in the refs.
    usage_point     TEXT,
    device          TEXT,
    new_device      TEXT,
    refs            TEXT NOT NULL,
    address         TEXT,
    window_start    BIGINT,
    window_end      BIGINT,
    performed_at    BIGINT,
    customer_name   TEXT,
    customer_phone  TEXT,
    comment         TEXT,
    deviation       TEXT,
    attributes      TEXT,
    -- Fingerprint of what the client last said.
    content         BIGINT,
    updated_by      BIGINT NOT NULL,
    byte_offset     BIGINT NOT NULL,
    line            BIGINT NOT NULL,
    sheet           TEXT,
    PRIMARY KEY (enterprise_id, number)
) WITHOUT ROWID;
CREATE INDEX work_order_usage_point ON work_order (enterprise_id, usage_point)
    WHERE usage_point IS NOT NULL;
CREATE INDEX work_order_device ON work_order (enterprise_id, device) WHERE device IS NOT NULL;
CREATE INDEX work_order_status ON work_order (enterprise_id, status, number);

CREATE TABLE work_order_step (
    enterprise_id   BIGINT NOT NULL,
    number          TEXT NOT NULL,
    seq             INTEGER NOT NULL,
    at              BIGINT NOT NULL,
    from_status     TEXT,
    to_status       TEXT NOT NULL,
    message_id      BIGINT NOT NULL,
    PRIMARY KEY (enterprise_id, number, seq)
) WITHOUT ROWID;

CREATE TABLE end_device_event (
    enterprise_id   BIGINT NOT NULL,
    device_id       BIGINT NOT NULL,
    at              BIGINT NOT NULL,
    event_type      TEXT NOT NULL,
    -- The partner's id of the event, empty if it has none.
    mrid            TEXT NOT NULL,
    usage_point     TEXT,
    reason          TEXT,
    severity        TEXT,
    -- JSON, [name, value] pairs.
    details         TEXT,
    message_id      BIGINT NOT NULL,
    byte_offset     BIGINT NOT NULL,
    line            BIGINT NOT NULL,
    sheet           TEXT,
    PRIMARY KEY (enterprise_id, device_id, at, event_type, mrid)
) WITHOUT ROWID;

-- Reading types in use, shared by all: a standard's words, nothing of a client.
CREATE TABLE reading_type (
    code            TEXT NOT NULL PRIMARY KEY,
    id              INTEGER NOT NULL
);
CREATE UNIQUE INDEX reading_type_id ON reading_type (id);

-- One quantity at one device or usage point.
CREATE TABLE series (
    enterprise_id   BIGINT NOT NULL,
    -- 0 device, 1 usage point
    subject_kind    INTEGER NOT NULL,
    subject_id      BIGINT NOT NULL,
    reading_type    INTEGER NOT NULL,
    -- 0 intervals, 1 register readings
    kind            INTEGER NOT NULL,
    id              BIGINT NOT NULL,
    PRIMARY KEY (enterprise_id, subject_kind, subject_id, reading_type, kind)
) WITHOUT ROWID;

-- The readings of a series in a local day, see estate::readings::codec.
CREATE TABLE reading_block (
    series_id       BIGINT NOT NULL,
    day             INTEGER NOT NULL,
    version         INTEGER NOT NULL,
    -- When this version became known.
    known_since     BIGINT NOT NULL,
    data            BLOB NOT NULL,
    PRIMARY KEY (series_id, day)
) WITHOUT ROWID;

-- What was known before a correction.
CREATE TABLE reading_block_version (
    series_id       BIGINT NOT NULL,
    day             INTEGER NOT NULL,
    version         INTEGER NOT NULL,
    known_since     BIGINT NOT NULL,
    known_until     BIGINT NOT NULL,
    -- The message that corrected it.
    corrected_by    BIGINT NOT NULL,
    data            BLOB NOT NULL,
    PRIMARY KEY (series_id, day, version)
) WITHOUT ROWID;
