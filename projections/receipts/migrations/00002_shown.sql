-- +goose Up
-- The views show the generation that the session asks for.
CREATE OR REPLACE VIEW books.payments AS
SELECT ledger, payment_id,
       (ARRAY['started', 'prepared', 'post_requested', 'cancelled', 'failed', 'posted', 'disputed', 'partially_refunded',
              'refunded'])[state] AS state,
       merchant_id, user_id, provider, payment_type, asset_code, amount, refunded, disputed, receipt_id, transaction_id,
       started_at, posted_at, updated_at
FROM receipts.payments
WHERE generation = (SELECT tributary.shown('receipts'));

CREATE OR REPLACE VIEW books.receipts AS
SELECT ledger, receipt_id, payment_id, user_id, merchant_id, provider, payment_type, asset_code, amount, fee, refunded,
       receipts.lines(lines) AS lines,
       posted_at AS issued_at, receipt_updated_at AS updated_at, version
FROM receipts.payments
WHERE posted_at IS NOT NULL
  AND generation = (SELECT tributary.shown('receipts'));

CREATE OR REPLACE VIEW books.refunds AS
SELECT ledger, refund_id, payment_id, merchant_id, asset_code, amount, fee_returned, reason,
       (ARRAY['requested', 'failed', 'refunded'])[state] AS state, occurred_at
FROM receipts.refunds
WHERE generation = (SELECT tributary.shown('receipts'));

CREATE OR REPLACE VIEW books.repeated_transactions AS
SELECT ledger, provider, reference AS transaction_id, array_agg(payment_id ORDER BY payment_id) AS payment_ids
FROM receipts.movements
WHERE kind = 1 AND generation = (SELECT tributary.shown('receipts'))
GROUP BY ledger, provider, reference
HAVING count(*) > 1;
