-- +goose Up
-- The views show the generation that the session asks for.
CREATE OR REPLACE VIEW books.receivers AS
SELECT r.ledger, r.receiver_id,
       CASE
           WHEN s.confirmed > r.amount_due AND r.amount_due > 0 THEN 'overpaid'
           WHEN s.confirmed >= r.amount_due AND s.confirmed > 0 THEN 'paid'
           WHEN s.confirmed > 0 AND r.expired_at IS NOT NULL THEN 'underpaid_expired'
           WHEN s.confirmed > 0 THEN 'partial'
           WHEN s.pending > 0 THEN 'detected'
           WHEN r.expired_at IS NOT NULL THEN 'expired'
           ELSE 'waiting'
       END AS state,
       r.merchant_id, r.chain, r.address, r.asset_code, r.amount_due, s.pending, s.confirmed,
       r.amount_fiat, r.fiat_code, r.base_fiat, r.callback_url, r.expires_at, r.created_at, r.updated_at
FROM receivers.receivers r
CROSS JOIN LATERAL (
    SELECT coalesce(trim_scale(sum(p.amount) FILTER (WHERE p.state = 1)), 0) AS pending,
           coalesce(trim_scale(sum(p.amount) FILTER (WHERE p.state = 2)), 0) AS confirmed
    FROM receivers.payments p
    WHERE p.generation = (SELECT tributary.shown('receivers'))
      AND p.ledger = r.ledger AND p.receiver_id = r.receiver_id AND p.asset_code = r.asset_code
) s
WHERE r.generation = (SELECT tributary.shown('receivers'));

CREATE OR REPLACE VIEW books.receiver_payments AS
SELECT p.ledger, p.receiver_id, p.txid, p.vout, (ARRAY['detected', 'confirmed', 'reversed'])[p.state] AS state,
       p.asset_code, p.amount, p.instant_locked, p.detected_at, p.confirmed_at,
       coalesce(p.seen_at > least(r.expires_at, r.expired_at), false) AS late
FROM receivers.payments p
LEFT JOIN receivers.receivers r
    ON r.ledger = p.ledger AND r.receiver_id = p.receiver_id
   AND r.generation = (SELECT tributary.shown('receivers'))
WHERE p.generation = (SELECT tributary.shown('receivers'));
