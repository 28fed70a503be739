-- +goose Up
-- The views show the generation that the session asks for.
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
WHERE r.generation = (SELECT tributary.shown('quarantine'));
