-- +goose Up
-- What was published again. A generation that is there already has none: the log had no such record until now.
CREATE TABLE quarantine.releases (
    kafka_offset bigint NOT NULL,
    of_offset    bigint NOT NULL,
    recorded_at  timestamptz NOT NULL,
    "partition"  integer NOT NULL,
    of_partition integer NOT NULL,
    generation   integer NOT NULL,
    topic        text NOT NULL,
    of_topic     text NOT NULL,
    released_by  text NOT NULL
) PARTITION BY LIST (generation);
COMMENT ON TABLE quarantine.releases IS 'A row an event that was published again, with the place of the record that had been refused.';

-- +goose StatementBegin
DO $$
DECLARE g integer;
BEGIN
    FOR g IN SELECT generation FROM tributary.generations
        WHERE projection = 'quarantine' AND to_regclass('quarantine.records_g' || generation) IS NOT NULL
    LOOP
        EXECUTE format('CREATE TABLE quarantine.releases_g%1$s (LIKE quarantine.releases INCLUDING ALL)', g);
        EXECUTE format('ALTER TABLE quarantine.releases_g%1$s ALTER generation SET DEFAULT %1$s', g);
        EXECUTE format('ALTER TABLE quarantine.releases_g%1$s ADD CONSTRAINT one_generation CHECK (generation = %1$s)', g);
        EXECUTE format('ALTER TABLE quarantine.releases_g%1$s ADD PRIMARY KEY (topic, "partition", kafka_offset)', g);
        EXECUTE format('CREATE INDEX ON quarantine.releases_g%1$s (of_topic, of_partition, of_offset)', g);
        EXECUTE format('ALTER TABLE quarantine.releases ATTACH PARTITION quarantine.releases_g%1$s FOR VALUES IN (%1$s)', g);
    END LOOP;
END $$;
-- +goose StatementEnd

-- A record may be released more than once: the first counts. Subqueries cost nothing where their column is not asked for.
CREATE OR REPLACE VIEW books.quarantine AS
SELECT r.ledger, r.topic, r."partition", r.kafka_offset, r.reason, r.path, r.message, r.event_id, r.key, r.headers, r.payload, r.recorded_at,
       (SELECT l.recorded_at FROM quarantine.releases l
        WHERE l.generation = r.generation AND l.of_topic = r.topic AND l.of_partition = r."partition" AND l.of_offset = r.kafka_offset
        ORDER BY l.recorded_at, l.topic, l."partition", l.kafka_offset LIMIT 1) AS released_at,
       (SELECT l.released_by FROM quarantine.releases l
        WHERE l.generation = r.generation AND l.of_topic = r.topic AND l.of_partition = r."partition" AND l.of_offset = r.kafka_offset
        ORDER BY l.recorded_at, l.topic, l."partition", l.kafka_offset LIMIT 1) AS released_by,
       (SELECT l.topic || '/' || l."partition" || '@' || l.kafka_offset FROM quarantine.releases l
        WHERE l.generation = r.generation AND l.of_topic = r.topic AND l.of_partition = r."partition" AND l.of_offset = r.kafka_offset
        ORDER BY l.recorded_at, l.topic, l."partition", l.kafka_offset LIMIT 1) AS released_as
FROM quarantine.records r
WHERE r.generation = (SELECT generation FROM tributary.live WHERE projection = 'quarantine');
COMMENT ON COLUMN books.quarantine.released_by IS 'who published it again';
COMMENT ON COLUMN books.quarantine.released_as IS 'where that event lies: topic/partition@offset';
