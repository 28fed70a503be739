-- +goose Up
CREATE SCHEMA receivers;

CREATE TABLE receivers.identity (
    event_id     uuid NOT NULL,
    kafka_offset bigint NOT NULL,
    "partition"  integer NOT NULL,
    generation   integer NOT NULL,
    topic        smallint NOT NULL,
    content_hash bytea NOT NULL
) PARTITION BY LIST (generation);

CREATE TABLE receivers.receivers (
    expires_at   timestamptz,
    expired_at   timestamptz,
    created_at   timestamptz,
    updated_at   timestamptz NOT NULL,
    generation   integer NOT NULL,
    ledger       text NOT NULL,
    receiver_id  text NOT NULL,
    merchant_id  text,
    chain        text,
    address      text,
    asset_code   text,
    amount_due   numeric,
    amount_fiat  numeric,
    fiat_code    text,
    base_fiat    numeric,
    callback_url text,
    facts        bytea NOT NULL
) PARTITION BY LIST (generation);
COMMENT ON COLUMN receivers.receivers.facts IS 'What merging needs: the events that set the fields, with their ranks, times and ids.';
COMMENT ON COLUMN receivers.receivers.expired_at IS 'Of the first event that says so; expires_at is what was announced.';

CREATE TABLE receivers.payments (
    vout           bigint NOT NULL,
    event_id       uuid NOT NULL,
    seen_at        timestamptz NOT NULL,
    detected_at    timestamptz,
    confirmed_at   timestamptz,
    generation     integer NOT NULL,
    state          smallint NOT NULL,
    instant_locked boolean,
    ledger         text NOT NULL,
    receiver_id    text NOT NULL,
    txid           text NOT NULL,
    asset_code     text NOT NULL,
    amount         numeric NOT NULL,
    facts          bytea NOT NULL
) PARTITION BY LIST (generation);
COMMENT ON COLUMN receivers.payments.facts IS 'What merging needs: the events that set the fields, with their ranks, times and ids.';
COMMENT ON COLUMN receivers.payments.state IS '1 detected, 2 confirmed, 3 reversed.';
COMMENT ON COLUMN receivers.payments.event_id IS 'The event that decided the state; receivers.identity tells where it lies in the log.';
COMMENT ON COLUMN receivers.payments.seen_at IS 'detected_at or, where no detection is known, the earliest of the other events: what late goes by.';
COMMENT ON COLUMN receivers.payments.vout IS 'Up to 2^32 - 1.';

CREATE VIEW books.receivers AS
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
    WHERE p.generation = (SELECT generation FROM tributary.live WHERE projection = 'receivers')
      AND p.ledger = r.ledger AND p.receiver_id = r.receiver_id AND p.asset_code = r.asset_code
) s
WHERE r.generation = (SELECT generation FROM tributary.live WHERE projection = 'receivers');
COMMENT ON VIEW books.receivers IS 'A row a receiver that any event names: what is known of it, whatever the order in which events came.';

CREATE VIEW books.receiver_payments AS
SELECT p.ledger, p.receiver_id, p.txid, p.vout, (ARRAY['detected', 'confirmed', 'reversed'])[p.state] AS state,
       p.asset_code, p.amount, p.instant_locked, p.detected_at, p.confirmed_at,
       coalesce(p.seen_at > least(r.expires_at, r.expired_at), false) AS late
FROM receivers.payments p
LEFT JOIN receivers.receivers r
    ON r.ledger = p.ledger AND r.receiver_id = p.receiver_id
   AND r.generation = (SELECT generation FROM tributary.live WHERE projection = 'receivers')
WHERE p.generation = (SELECT generation FROM tributary.live WHERE projection = 'receivers');
COMMENT ON VIEW books.receiver_payments IS 'A row an output that pays a receiver; late ones came when it had expired.';
