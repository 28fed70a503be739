-- +goose Up
CREATE SCHEMA outcomes;

-- The store keeps one row an event id here: it is what makes an event count once.
CREATE TABLE outcomes.identity (
    event_id     uuid NOT NULL,
    kafka_offset bigint NOT NULL,
    "partition"  integer NOT NULL,
    generation   integer NOT NULL,
    topic        smallint NOT NULL,
    content_hash bytea NOT NULL
) PARTITION BY LIST (generation);

CREATE TABLE outcomes.counts (
    ledger      text NOT NULL,
    provider    text NOT NULL,
    day         date NOT NULL,
    "partition" integer NOT NULL,
    generation  integer NOT NULL,
    posted      bigint NOT NULL,
    failed      bigint NOT NULL
) PARTITION BY LIST (generation);
COMMENT ON TABLE outcomes.counts IS 'A row for each source partition, so that owners never wait for each other.';

CREATE VIEW books.outcomes AS
SELECT ledger, provider, day, sum(posted) AS posted, sum(failed) AS failed
FROM outcomes.counts
WHERE generation = (SELECT tributary.shown('outcomes'))
GROUP BY ledger, provider, day;
COMMENT ON VIEW books.outcomes IS 'How many payments a provider took and refused, by day (UTC).';
