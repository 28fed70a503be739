-- +goose Up
CREATE SCHEMA quarantine;

CREATE TABLE quarantine.records (
    kafka_offset bigint NOT NULL,
    recorded_at  timestamptz NOT NULL,
    "partition"  integer NOT NULL,
    generation   integer NOT NULL,
    topic        text NOT NULL,
    ledger       text,
    reason       text NOT NULL,
    path         text NOT NULL,
    message      text NOT NULL,
    event_id     text,
    key          bytea,
    headers      jsonb NOT NULL,
    payload      bytea
) PARTITION BY LIST (generation);

CREATE VIEW books.quarantine AS
SELECT ledger, topic, "partition", kafka_offset, reason, path, message, event_id, key, headers, payload, recorded_at,
       NULL::timestamptz AS released_at
FROM quarantine.records
WHERE generation = (SELECT generation FROM tributary.live WHERE projection = 'quarantine');
COMMENT ON VIEW books.quarantine IS 'A row a record that holds no valid event: why, where, and all of it.';
COMMENT ON COLUMN books.quarantine.ledger IS 'Null where the record''s envelope cannot be read.';
COMMENT ON COLUMN books.quarantine.headers IS
    'An array of {key, key_bytes where key is not the whole truth, text where the value is text, value in base64}.';
COMMENT ON COLUMN books.quarantine.payload IS 'The record''s value byte for byte; null where it had none.';
