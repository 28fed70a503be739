-- +goose Up
-- The views of another server cannot change together with tributary.live.
ALTER TABLE tributary.live ADD COLUMN elsewhere integer REFERENCES tributary.generations;
COMMENT ON COLUMN tributary.live.elsewhere IS
    'The generation that the views of another server may still show, after a swap; null where they show the live one.';

-- Until those views are known to show the live generation, only what is in both is promised to whoever reads them.
CREATE OR REPLACE VIEW books.progress AS
SELECT g.projection, p.generation, p.topic, p."partition",
       CASE WHEN l.elsewhere IS NULL OR g.generation <> l.generation THEN p.visible_offset
            ELSE least(p.visible_offset, coalesce((SELECT e.visible_offset FROM tributary.visible e
                WHERE e.generation = l.elsewhere AND e.topic = p.topic AND e."partition" = p."partition"), 0)) END AS next_offset,
       p.recorded_at
FROM tributary.live l
JOIN tributary.generations g ON g.generation = tributary.shown(l.projection)
JOIN tributary.visible p ON p.generation = g.generation;
