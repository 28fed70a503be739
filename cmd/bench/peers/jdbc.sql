DROP SCHEMA IF EXISTS peer_jdbc CASCADE;
CREATE SCHEMA peer_jdbc;
CREATE TABLE peer_jdbc.entries (
    event_id    uuid NOT NULL,
    entry       integer NOT NULL,
    ledger      text NOT NULL,
    account     text NOT NULL,
    asset_code  text NOT NULL,
    direction   text NOT NULL,
    amount      numeric NOT NULL,
    occurred_at timestamptz NOT NULL,
    event_type  text NOT NULL,
    reference   text NOT NULL,
    PRIMARY KEY (event_id, entry)
);
