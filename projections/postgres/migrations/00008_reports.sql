-- +goose Up
-- What projectors say of themselves: a state that only its process knows is seen from elsewhere, and so is silence.
CREATE TABLE tributary.reports (
    projection  text NOT NULL,
    process     uuid NOT NULL,
    host        text NOT NULL,
    pid         integer NOT NULL,
    partitions  integer NOT NULL,
    state       text NOT NULL,
    reason      text NOT NULL,
    since       timestamptz NOT NULL,
    reported_at timestamptz NOT NULL,
    PRIMARY KEY (projection, process)
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 500);
COMMENT ON TABLE tributary.reports IS 'A row for each projector that runs, or was stopped by a bug; it writes it every few seconds.';
COMMENT ON COLUMN tributary.reports.since IS 'Since when it has been in this state.';
