-- +goose Up
CREATE VIEW books.orphans AS
SELECT m.ledger, (ARRAY['refund', 'dispute'])[m.kind - 1] AS kind, m.reference, 'payment ' || m.payment_id AS missing,
       m.event_id, l.label AS topic, i."partition", i.kafka_offset
FROM receipts.movements m
JOIN receipts.identity i ON i.generation = m.generation AND i.event_id = m.event_id
JOIN tributary.labels l ON l.id = i.topic
LEFT JOIN receipts.payments p
    ON p.generation = m.generation AND p.ledger = m.ledger AND p.payment_id = m.payment_id AND p.posted_at IS NOT NULL
WHERE m.kind > 1 AND p.payment_id IS NULL
  AND m.generation = (SELECT generation FROM tributary.live WHERE projection = 'receipts');
COMMENT ON VIEW books.orphans IS 'Events that name something which no event made known: they count all the same.';
