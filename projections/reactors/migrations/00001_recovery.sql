-- +goose Up
CREATE SCHEMA recovery;

CREATE TABLE recovery.tasks (
    due_at       timestamptz NOT NULL,
    kafka_offset bigint NOT NULL,
    "partition"  integer NOT NULL,
    tries        integer NOT NULL DEFAULT 0,
    generation   integer NOT NULL,
    ledger       text NOT NULL,
    payment_id   text NOT NULL,
    kind         text NOT NULL,
    refund_id    text NOT NULL
) PARTITION BY LIST (generation);
COMMENT ON TABLE recovery.tasks IS 'What is under way with payments: an intent in the log without its outcome.';
COMMENT ON COLUMN recovery.tasks.due_at IS 'When the recovery looks after it, if it is still here.';
COMMENT ON COLUMN recovery.tasks.kind IS 'create, charge or refund.';
