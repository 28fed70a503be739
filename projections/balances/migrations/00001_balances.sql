-- +goose Up
CREATE SCHEMA balances;

CREATE TABLE balances.accounts (
    id         integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    ledger     text NOT NULL,
    account    text NOT NULL,
    asset_code text NOT NULL,
    UNIQUE (account, ledger, asset_code)
);
COMMENT ON TABLE balances.accounts IS 'Short numbers for accounts; of no generation, because a number never changes.';

CREATE TABLE balances.identity (
    event_id     uuid NOT NULL,
    kafka_offset bigint NOT NULL,
    "partition"  integer NOT NULL,
    generation   integer NOT NULL,
    topic        smallint NOT NULL,
    content_hash bytea NOT NULL
) PARTITION BY LIST (generation);

CREATE TABLE balances.entries (
    event_id     uuid NOT NULL,
    occurred_at  timestamptz NOT NULL,
    recorded_at  timestamptz NOT NULL,
    kafka_offset bigint NOT NULL,
    account      integer NOT NULL,
    entry        integer NOT NULL,
    "partition"  integer NOT NULL,
    generation   integer NOT NULL,
    topic        smallint NOT NULL,
    event_type   smallint NOT NULL,
    credit       boolean NOT NULL,
    amount       numeric NOT NULL,
    reference    text NOT NULL
) PARTITION BY LIST (generation);

CREATE TABLE balances.totals (
    account     integer NOT NULL,
    "partition" integer NOT NULL,
    generation  integer NOT NULL,
    topic       smallint NOT NULL,
    debits      numeric NOT NULL,
    credits     numeric NOT NULL
) PARTITION BY LIST (generation);
COMMENT ON TABLE balances.totals IS 'A row for each source partition, so that owners never wait for each other on a busy account.';

CREATE TABLE balances.conflicts (
    event_id          uuid NOT NULL,
    topic             text NOT NULL,
    "partition"       integer NOT NULL,
    kafka_offset      bigint NOT NULL,
    kept_topic        text NOT NULL,
    kept_partition    integer NOT NULL,
    kept_kafka_offset bigint NOT NULL,
    kept              jsonb,
    refused           jsonb NOT NULL,
    generation        integer NOT NULL
) PARTITION BY LIST (generation);

CREATE VIEW books.account_balances AS
SELECT a.ledger, a.account, a.asset_code,
       trim_scale(sum(t.debits)) AS debits, trim_scale(sum(t.credits)) AS credits,
       trim_scale(CASE WHEN split_part(a.account, ':', 1) IN ('provider', 'chain', 'interledger', 'bank', 'expense')
                       THEN sum(t.debits) - sum(t.credits) ELSE sum(t.credits) - sum(t.debits) END) AS balance
FROM balances.totals t JOIN balances.accounts a ON a.id = t.account
WHERE t.generation = (SELECT generation FROM tributary.live WHERE projection = 'balances')
GROUP BY a.ledger, a.account, a.asset_code;
COMMENT ON VIEW books.account_balances IS 'A row an account and asset: totals that only grow, and their difference on the normal side.';

CREATE VIEW books.entries AS
SELECT a.ledger, e.event_id, e.entry, a.account, a.asset_code,
       CASE WHEN e.credit THEN 'credit' ELSE 'debit' END AS direction, e.amount, e.occurred_at, e.recorded_at,
       type.label AS event_type, e.reference, topic.label AS topic, e."partition", e.kafka_offset
FROM balances.entries e
JOIN balances.accounts a ON a.id = e.account
JOIN tributary.labels type ON type.id = e.event_type
JOIN tributary.labels topic ON topic.id = e.topic
WHERE e.generation = (SELECT generation FROM tributary.live WHERE projection = 'balances');
COMMENT ON VIEW books.entries IS 'A row a posting: what each event did to which account.';

CREATE VIEW books.conflicts AS
SELECT coalesce(refused ->> 'ledger', 'main') AS ledger, event_id, topic, "partition", kafka_offset,
       kept_topic, kept_partition, kept_kafka_offset, kept, refused
FROM balances.conflicts
WHERE generation = (SELECT generation FROM tributary.live WHERE projection = 'balances');
COMMENT ON VIEW books.conflicts IS 'Events that came under an id which has another content: where, what was kept, what was refused.';
