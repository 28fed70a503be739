DROP SCHEMA IF EXISTS peer_transactions CASCADE;
CREATE SCHEMA peer_transactions;
CREATE TABLE peer_transactions.entries (
    event_id     uuid NOT NULL,
    entry        integer NOT NULL,
    ledger       text NOT NULL,
    account      text NOT NULL,
    asset_code   text NOT NULL,
    credit       boolean NOT NULL,
    amount       numeric NOT NULL,
    occurred_at  timestamptz NOT NULL,
    event_type   text NOT NULL,
    reference    text NOT NULL,
    topic        text NOT NULL,
    "partition"  integer NOT NULL,
    kafka_offset bigint NOT NULL,
    PRIMARY KEY (event_id, entry)
);
CREATE TABLE peer_transactions.balances (
    ledger     text NOT NULL,
    account    text NOT NULL,
    asset_code text NOT NULL,
    debits     numeric NOT NULL,
    credits    numeric NOT NULL,
    PRIMARY KEY (account, asset_code, ledger)
) WITH (fillfactor = 50); -- room for updates in place
CREATE TABLE peer_transactions.offsets (
    topic       text NOT NULL,
    "partition" integer NOT NULL,
    next        bigint NOT NULL,
    PRIMARY KEY (topic, "partition")
) WITH (fillfactor = 10);
