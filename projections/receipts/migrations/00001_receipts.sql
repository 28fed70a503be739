-- +goose Up
CREATE SCHEMA receipts;

CREATE TABLE receipts.identity (
    event_id     uuid NOT NULL,
    kafka_offset bigint NOT NULL,
    "partition"  integer NOT NULL,
    generation   integer NOT NULL,
    topic        smallint NOT NULL,
    content_hash bytea NOT NULL
) PARTITION BY LIST (generation);

CREATE TABLE receipts.payments (
    started_at         timestamptz,
    posted_at          timestamptz,
    updated_at         timestamptz NOT NULL,
    receipt_updated_at timestamptz,
    generation         integer NOT NULL,
    version            integer NOT NULL,
    state              smallint NOT NULL,
    ledger             text NOT NULL,
    payment_id         text NOT NULL,
    merchant_id        text,
    user_id            text,
    provider           text,
    payment_type       text,
    asset_code         text,
    amount             numeric,
    fee                numeric,
    refunded           numeric NOT NULL,
    disputed           numeric NOT NULL,
    receipt_id         text,
    transaction_id     text,
    facts              bytea NOT NULL,
    lines              text STORAGE EXTERNAL
) PARTITION BY LIST (generation);
COMMENT ON COLUMN receipts.payments.facts IS 'What merging needs: for each type of event the last one, and sums.';
COMMENT ON COLUMN receipts.payments.lines IS
    'JSON, a line as [sku, description, quantity, value, asset_code, asset_scale]. As jsonb, parsed and compressed on the way
in, lines took most of the time of a rebuild.';
COMMENT ON COLUMN receipts.payments.state IS 'The place of the state in the array of books.payments, from 1.';

CREATE TABLE receipts.refunds (
    occurred_at  timestamptz NOT NULL,
    generation   integer NOT NULL,
    state        smallint NOT NULL,
    ledger       text NOT NULL,
    payment_id   text NOT NULL,
    refund_id    text NOT NULL,
    merchant_id  text,
    asset_code   text,
    amount       numeric,
    fee_returned numeric,
    reason       text,
    facts        bytea NOT NULL
) PARTITION BY LIST (generation);

CREATE TABLE receipts.movements (
    event_id   uuid NOT NULL,
    generation integer NOT NULL,
    kind       smallint NOT NULL,
    ledger     text NOT NULL,
    payment_id text NOT NULL,
    provider   text NOT NULL,
    reference  text NOT NULL
) PARTITION BY LIST (generation);
COMMENT ON TABLE receipts.movements IS 'A row an event that moved money: kind 1 posted, 2 refunded, 3 a dispute''s.';
COMMENT ON COLUMN receipts.movements.reference IS 'The transaction_id, refund_id or dispute_id.';

CREATE FUNCTION receipts.lines(packed text) RETURNS jsonb LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT coalesce(jsonb_agg(jsonb_strip_nulls(jsonb_build_object('sku', line -> 0, 'description', line -> 1,
        'quantity', line -> 2, 'unit_price', jsonb_build_object('value', line -> 3, 'asset_code', line -> 4,
        'asset_scale', line -> 5))) ORDER BY n), '[]')
    FROM jsonb_array_elements(packed::jsonb) WITH ORDINALITY l(line, n)
$$;
COMMENT ON FUNCTION receipts.lines IS 'Lines as they stood in the event.';

CREATE VIEW books.payments AS
SELECT ledger, payment_id,
       (ARRAY['started', 'prepared', 'post_requested', 'cancelled', 'failed', 'posted', 'disputed', 'partially_refunded',
              'refunded'])[state] AS state,
       merchant_id, user_id, provider, payment_type, asset_code, amount, refunded, disputed, receipt_id, transaction_id,
       started_at, posted_at, updated_at
FROM receipts.payments
WHERE generation = (SELECT generation FROM tributary.live WHERE projection = 'receipts');
COMMENT ON VIEW books.payments IS 'A row a payment that any event names: what is known of it, whatever the order in which events came.';

CREATE VIEW books.receipts AS
SELECT ledger, receipt_id, payment_id, user_id, merchant_id, provider, payment_type, asset_code, amount, fee, refunded,
       receipts.lines(lines) AS lines,
       posted_at AS issued_at, receipt_updated_at AS updated_at, version
FROM receipts.payments
WHERE posted_at IS NOT NULL
  AND generation = (SELECT generation FROM tributary.live WHERE projection = 'receipts');
COMMENT ON VIEW books.receipts IS 'A row a posted payment. receipt_id is payment_id where the posting named none.';

CREATE VIEW books.refunds AS
SELECT ledger, refund_id, payment_id, merchant_id, asset_code, amount, fee_returned, reason,
       (ARRAY['requested', 'failed', 'refunded'])[state] AS state, occurred_at
FROM receipts.refunds
WHERE generation = (SELECT generation FROM tributary.live WHERE projection = 'receipts');
COMMENT ON VIEW books.refunds IS 'A row a refund of a payment.';

CREATE VIEW books.repeated_transactions AS
SELECT ledger, provider, reference AS transaction_id, array_agg(payment_id ORDER BY payment_id) AS payment_ids
FROM receipts.movements
WHERE kind = 1 AND generation = (SELECT generation FROM tributary.live WHERE projection = 'receipts')
GROUP BY ledger, provider, reference
HAVING count(*) > 1;
COMMENT ON VIEW books.repeated_transactions IS
    'Transactions of a provider that more than one payment.posted names: all of them count. A payment stands once for each.';
