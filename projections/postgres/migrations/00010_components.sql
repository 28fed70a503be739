-- +goose Up
-- Gateways tell of themselves as projectors do.
ALTER TABLE tributary.reports
    ADD COLUMN address    text NOT NULL DEFAULT '',
    ADD COLUMN version    text NOT NULL DEFAULT '',
    ADD COLUMN started_at timestamptz NOT NULL DEFAULT now();
COMMENT ON TABLE tributary.reports IS 'A row for each projector or gateway that runs, or was stopped by a bug; it writes it every few seconds.';
COMMENT ON COLUMN tributary.reports.projection IS 'The projection; gateway, of the process itself, for a gateway.';
COMMENT ON COLUMN tributary.reports.address IS 'Where a gateway serves.';
