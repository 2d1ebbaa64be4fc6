-- What endpoints remember beside their messages: see hub_core::StateStore.
CREATE TABLE endpoint_state (
    enterprise      TEXT NOT NULL,
    space           TEXT NOT NULL,
    name            TEXT NOT NULL,
    value           TEXT NOT NULL,
    PRIMARY KEY (enterprise, space, name)
) WITHOUT ROWID;

-- A partner's own names for what it took: see hub_core::Sent.
CREATE TABLE delivery_reference (
    enterprise      TEXT NOT NULL,
    reference       TEXT NOT NULL,
    delivery_id     BIGINT NOT NULL,
    PRIMARY KEY (enterprise, reference, delivery_id)
) WITHOUT ROWID;
CREATE INDEX delivery_reference_of ON delivery_reference (delivery_id);

-- What partners said later of what they took. It may come before the reference is written down.
CREATE TABLE delivery_report (
    enterprise      TEXT NOT NULL,
    reference       TEXT NOT NULL,
    -- The message that said it.
    message_id      BIGINT NOT NULL,
    at              BIGINT NOT NULL,
    -- 0 under way, 1 arrived, 2 failed
    outcome         INTEGER NOT NULL,
    note            TEXT NOT NULL,
    PRIMARY KEY (enterprise, reference, message_id)
) WITHOUT ROWID;

-- Headers of a delivery that is not the content of its message, one a line.
ALTER TABLE delivery ADD COLUMN headers TEXT;

-- The thread of a message: what else happened to the orders it changed.
CREATE INDEX work_order_step_message ON work_order_step (message_id);
CREATE INDEX delivery_report_message ON delivery_report (message_id);
