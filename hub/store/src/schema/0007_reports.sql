-- When the partner took what it calls by this name: of a delivery that was sent once more, only the
-- names of the last time count. It is the delivery's `finished_at` of that time.
ALTER TABLE delivery_reference ADD COLUMN sent_at BIGINT;
UPDATE delivery_reference SET sent_at =
    (SELECT d.finished_at FROM delivery d WHERE d.id = delivery_reference.delivery_id);

-- When a delivery was last sent once more: 6 is "replayed". There are few of them.
CREATE INDEX trace_replayed ON trace (delivery_id, at) WHERE step = 6;

-- The thread of an order: its deliveries among all that a large message caused.
CREATE INDEX delivery_subject ON delivery (message_id, subject);
