-- +goose Up
-- What every projection's store needs: which generation is live, how far each is, and short numbers for few names.
CREATE SCHEMA IF NOT EXISTS books;

CREATE TABLE tributary.generations (
    generation integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    projection text NOT NULL,
    version    integer NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE tributary.generations IS 'One row for each build of a projection''s tables.';

CREATE TABLE tributary.live (
    projection text PRIMARY KEY,
    generation integer NOT NULL REFERENCES tributary.generations,
    since      timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE tributary.live IS 'The generation that readers see. A swap updates one row of it.';

CREATE TABLE tributary.progress (
    generation   integer NOT NULL REFERENCES tributary.generations,
    topic        text NOT NULL,
    "partition"  integer NOT NULL,
    topic_id     uuid NOT NULL,
    epoch        bigint NOT NULL DEFAULT 0,
    next_offset  bigint NOT NULL DEFAULT 0,
    leader_epoch integer NOT NULL DEFAULT -1,
    recorded_at  timestamptz,
    PRIMARY KEY (generation, topic, "partition")
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 500);
COMMENT ON COLUMN tributary.progress.next_offset IS 'Everything below it is in the tables; nothing at or past it is.';
COMMENT ON COLUMN tributary.progress.epoch IS 'The owner''s; a commit under a lower one is refused.';

CREATE TABLE tributary.labels (
    id    smallint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    label text NOT NULL UNIQUE
);
COMMENT ON TABLE tributary.labels IS 'Topics and event types, each under a short number.';

CREATE VIEW books.progress AS
SELECT g.projection, p.generation, p.topic, p."partition", p.next_offset, p.recorded_at
FROM tributary.progress p
JOIN tributary.generations g USING (generation)
JOIN tributary.live l USING (generation);
COMMENT ON VIEW books.progress IS 'Up to where each live projection is.';
