-- Documents that are made in parts while their message is applied, each with all that is needed to
-- send it: what it is made by, and where it goes, may be configured otherwise by the time it is whole.
CREATE TABLE document (
    id              INTEGER PRIMARY KEY,
    message_id      BIGINT NOT NULL,
    run             INTEGER NOT NULL,
    route           TEXT NOT NULL,
    -- First 16 bytes of SHA-256 over all that its parts must have in common: route, encoder, head,
    -- tail and destinations. Parts that differ in any of it make another document.
    identity        BLOB NOT NULL
);
CREATE UNIQUE INDEX document_of_message ON document (message_id, run, identity);

-- The deliveries that are made of a document when it is whole.
CREATE TABLE document_delivery (
    document        BIGINT NOT NULL,
    endpoint        TEXT NOT NULL,
    -- The lane key; a delivery has it as a number.
    lane            TEXT NOT NULL,
    subject         TEXT NOT NULL,
    media_type      TEXT NOT NULL,
    extension       TEXT NOT NULL,
    PRIMARY KEY (document, endpoint)
) WITHOUT ROWID;

-- Its pieces in order: the head is number 0, the tail has the largest number there is.
CREATE TABLE document_part (
    document        BIGINT NOT NULL,
    number          BIGINT NOT NULL,
    size            BIGINT NOT NULL,
    bytes           BLOB NOT NULL,
    PRIMARY KEY (document, number)
);

-- With body 2: the document.
ALTER TABLE delivery ADD COLUMN document BIGINT;

-- What version 4 had closed keeps its parts. What it had only begun cannot be sent: it did not keep
-- where to. No such version was released.
INSERT INTO document (id, message_id, run, route, identity)
    SELECT MIN(id), message_id, run, route, CAST(route AS BLOB) FROM delivery WHERE body = 2
    GROUP BY message_id, run, route;
UPDATE delivery SET document = (SELECT d.id FROM document d WHERE d.message_id = delivery.message_id
    AND d.run = delivery.run AND d.route = delivery.route) WHERE body = 2;
INSERT INTO document_part (document, number, size, bytes)
    SELECT d.id, p.number, p.size, p.bytes FROM document d JOIN part p
    ON p.message_id = d.message_id AND p.run = d.run AND p.route = d.route;
DROP TABLE part;
