-- +goose Up
-- For projections whose rows are in another server: those cannot move in one transaction with the offsets.
ALTER TABLE tributary.progress ADD COLUMN accepted bigint NOT NULL DEFAULT 0;
COMMENT ON COLUMN tributary.progress.accepted IS
    'How many rows another server must have below next_offset; 0 where the rows are in Postgres.';

CREATE TABLE tributary.awaited (
    generation   integer NOT NULL REFERENCES tributary.generations,
    topic        text NOT NULL,
    "partition"  integer NOT NULL,
    kafka_offset bigint NOT NULL,
    on_topic     text NOT NULL,
    on_partition integer NOT NULL,
    on_offset    bigint NOT NULL,
    PRIMARY KEY (generation, topic, "partition", kafka_offset, on_topic, on_partition)
);
COMMENT ON TABLE tributary.awaited IS
    'Duplicates whose counted copy is on another partition and was not surely in the tables when they were passed over.';

CREATE VIEW tributary.visible AS
SELECT p.*, least(p.next_offset, (
    SELECT min(a.kafka_offset) FROM tributary.awaited a
    JOIN tributary.progress w ON w.generation = a.generation AND w.topic = a.on_topic AND w."partition" = a.on_partition
    WHERE a.generation = p.generation AND a.topic = p.topic AND a."partition" = p."partition" AND w.next_offset <= a.on_offset
)) AS visible_offset
FROM tributary.progress p;
COMMENT ON VIEW tributary.visible IS 'The progress, and up to where all that was read can be seen.';

CREATE OR REPLACE VIEW books.progress AS
SELECT g.projection, p.generation, p.topic, p."partition", p.visible_offset AS next_offset, p.recorded_at
FROM tributary.visible p
JOIN tributary.generations g USING (generation)
JOIN tributary.live l USING (generation);
COMMENT ON VIEW books.progress IS 'Up to where each live projection is.';

CREATE TABLE tributary.clickhouse_views (
    projection text NOT NULL,
    name       text NOT NULL,
    made_of    text NOT NULL,
    reads_as   text NOT NULL,
    PRIMARY KEY (projection, name)
);
COMMENT ON TABLE tributary.clickhouse_views IS
    'What each view was made of, and how ClickHouse gave it back: with both the same, it need not be made again.';
