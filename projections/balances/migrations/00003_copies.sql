-- +goose Up
-- Further copies of events, with the same content: an event is known from the first of its copies on, whichever of them counts. A
-- generation that is there already lacks those that came before; one that is built anew has them all.
CREATE TABLE balances.copies (
    event_id     uuid NOT NULL,
    recorded_at  timestamptz NOT NULL,
    kafka_offset bigint NOT NULL,
    "partition"  integer NOT NULL,
    generation   integer NOT NULL,
    topic        text NOT NULL
) PARTITION BY LIST (generation);
COMMENT ON TABLE balances.copies IS 'A row a further copy of an event: where it lies in the log, and when it was recorded.';

-- +goose StatementBegin
DO $$
DECLARE g integer;
BEGIN
    FOR g IN SELECT generation FROM tributary.generations
        WHERE projection = 'balances' AND to_regclass('balances.entries_g' || generation) IS NOT NULL
    LOOP
        EXECUTE format('CREATE TABLE balances.copies_g%1$s (LIKE balances.copies INCLUDING ALL)', g);
        EXECUTE format('ALTER TABLE balances.copies_g%1$s ALTER generation SET DEFAULT %1$s', g);
        EXECUTE format('ALTER TABLE balances.copies_g%1$s ADD CONSTRAINT one_generation CHECK (generation = %1$s)', g);
        EXECUTE format('CREATE INDEX ON balances.copies_g%1$s (event_id)', g);
        EXECUTE format('ALTER TABLE balances.copies ATTACH PARTITION balances.copies_g%1$s FOR VALUES IN (%1$s)', g);
    END LOOP;
END $$;
-- +goose StatementEnd
