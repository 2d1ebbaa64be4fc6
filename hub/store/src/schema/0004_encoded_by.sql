-- Fingerprint of what encoded the part: those of different ones do not make one document. Null for
-- head and tail, and for what version 3 had begun.
ALTER TABLE part ADD COLUMN encoded_by BIGINT;
