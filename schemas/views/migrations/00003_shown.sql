-- +goose Up
-- The views show the generation that the session asks for.
CREATE OR REPLACE VIEW books.orphans AS
SELECT m.ledger, (ARRAY['refund', 'dispute'])[m.kind - 1] AS kind, m.reference, 'payment ' || m.payment_id AS missing,
       m.event_id, l.label AS topic, i."partition", i.kafka_offset
FROM receipts.movements m
JOIN receipts.identity i ON i.generation = m.generation AND i.event_id = m.event_id
JOIN tributary.labels l ON l.id = i.topic
LEFT JOIN receipts.payments p
    ON p.generation = m.generation AND p.ledger = m.ledger AND p.payment_id = m.payment_id AND p.posted_at IS NOT NULL
WHERE m.kind > 1 AND p.payment_id IS NULL
  AND m.generation = (SELECT tributary.shown('receipts'))
UNION ALL
SELECT p.ledger, 'receiver_payment', p.txid || ':' || p.vout, 'receiver ' || p.receiver_id,
       p.event_id, l.label, i."partition", i.kafka_offset
FROM receivers.receivers r
JOIN receivers.payments p ON p.generation = r.generation AND p.ledger = r.ledger AND p.receiver_id = r.receiver_id
JOIN receivers.identity i ON i.generation = p.generation AND i.event_id = p.event_id
JOIN tributary.labels l ON l.id = i.topic
WHERE r.created_at IS NULL
  AND r.generation = (SELECT tributary.shown('receivers'));
