-- +goose Up
CREATE SCHEMA subjects;

CREATE TABLE subjects.places (
    name_hash    bigint NOT NULL,
    kafka_offset bigint NOT NULL,
    "partition"  integer NOT NULL,
    generation   integer NOT NULL,
    topic        smallint NOT NULL
) PARTITION BY LIST (generation);
COMMENT ON TABLE subjects.places IS 'Where the log speaks of what: a row a record and name.';
COMMENT ON COLUMN subjects.places.name_hash IS 'FNV-1a of the name, 64 bits.';
COMMENT ON COLUMN subjects.places.topic IS '1 tributary.payments, 2 tributary.receivers, 3 tributary.monetization.';
