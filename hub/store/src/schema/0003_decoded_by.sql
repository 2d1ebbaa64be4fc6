-- Fingerprint of what decoded the message so far: its checkpoint and the number of records seen mean
-- something only to the same. Null before anything was decoded, and for what version 2 had begun.
ALTER TABLE message ADD COLUMN decoded_by BIGINT;
