-- +goose Up
-- The views show the generation that the session asks for.
CREATE OR REPLACE VIEW books.account_balances AS
SELECT a.ledger, a.account, a.asset_code,
       trim_scale(sum(t.debits)) AS debits, trim_scale(sum(t.credits)) AS credits,
       trim_scale(CASE WHEN split_part(a.account, ':', 1) IN ('provider', 'chain', 'interledger', 'bank', 'expense')
                       THEN sum(t.debits) - sum(t.credits) ELSE sum(t.credits) - sum(t.debits) END) AS balance
FROM balances.totals t JOIN balances.accounts a ON a.id = t.account
WHERE t.generation = (SELECT tributary.shown('balances'))
GROUP BY a.ledger, a.account, a.asset_code;

CREATE OR REPLACE VIEW books.entries AS
SELECT a.ledger, e.event_id, e.entry, a.account, a.asset_code,
       CASE WHEN e.credit THEN 'credit' ELSE 'debit' END AS direction, e.amount, e.occurred_at, e.recorded_at,
       type.label AS event_type, e.reference, topic.label AS topic, e."partition", e.kafka_offset
FROM balances.entries e
JOIN balances.accounts a ON a.id = e.account
JOIN tributary.labels type ON type.id = e.event_type
JOIN tributary.labels topic ON topic.id = e.topic
WHERE e.generation = (SELECT tributary.shown('balances'));

CREATE OR REPLACE VIEW books.conflicts AS
SELECT coalesce(refused ->> 'ledger', 'main') AS ledger, event_id, topic, "partition", kafka_offset,
       kept_topic, kept_partition, kept_kafka_offset, kept, refused
FROM balances.conflicts
WHERE generation = (SELECT tributary.shown('balances'));
