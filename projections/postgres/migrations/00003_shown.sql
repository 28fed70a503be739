-- +goose Up
ALTER TABLE tributary.generations
    ADD COLUMN state text NOT NULL DEFAULT 'building' CHECK (state IN ('building', 'ready', 'side', 'dropping')),
    ADD COLUMN until text,
    ADD COLUMN updated_at timestamptz NOT NULL DEFAULT now();
COMMENT ON COLUMN tributary.generations.state IS
    'building: it is being filled; ready: it was live, or may become it; side: as of a moment, never live; dropping: it goes. tributary.live says which is live.';
COMMENT ON COLUMN tributary.generations.until IS 'What a side generation was asked to stop at; null for others.';
UPDATE tributary.generations g SET state = 'ready' FROM tributary.live l WHERE l.generation = g.generation;

CREATE TABLE tributary.targets (
    generation  integer NOT NULL REFERENCES tributary.generations,
    topic       text NOT NULL,
    "partition" integer NOT NULL,
    next_offset bigint NOT NULL,
    PRIMARY KEY (generation, topic, "partition")
);
COMMENT ON TABLE tributary.targets IS 'Where a side generation ends.';

-- +goose StatementBegin
-- Whoever may read a view may call this, though its tables are nobody's to read. An empty setting is one that SET LOCAL left behind.
CREATE FUNCTION tributary.shown(projection text) RETURNS integer
LANGUAGE plpgsql STABLE PARALLEL SAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    asked text := nullif(current_setting('tributary.' || shown.projection, true), '');
    number integer;
BEGIN
    IF asked IS NULL THEN
        RETURN (SELECT l.generation FROM tributary.live l WHERE l.projection = shown.projection);
    END IF;
    SELECT g.generation INTO number FROM tributary.generations g
    WHERE g.projection = shown.projection AND g.generation::text = asked AND g.state <> 'dropping';
    IF NOT FOUND THEN
        RAISE EXCEPTION 'there is no generation % of %, which tributary.% asks for', asked, shown.projection, shown.projection
            USING ERRCODE = 'invalid_parameter_value',
                  HINT = format('`tributary replay status` lists them; RESET tributary.%s shows the live one.', shown.projection);
    END IF;
    RETURN number;
END $$;
-- +goose StatementEnd
COMMENT ON FUNCTION tributary.shown IS
    'The generation of a projection that this session reads: the one that its setting tributary.<projection> names, else the live one.';

CREATE OR REPLACE VIEW books.progress AS
SELECT g.projection, p.generation, p.topic, p."partition", p.visible_offset AS next_offset, p.recorded_at
FROM tributary.live l
JOIN tributary.generations g ON g.generation = tributary.shown(l.projection)
JOIN tributary.visible p ON p.generation = g.generation;
COMMENT ON VIEW books.progress IS 'Up to where each projection is, in the generation that is shown.';
