package quarantine

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/tributary-ledger/tributary/ledger/eventlog"
	"github.com/tributary-ledger/tributary/projections/postgres"
)

// ErrNotFound says that no quarantined record is at that position.
var ErrNotFound = fmt.Errorf("no quarantined record there: %w", postgres.ErrNotFound)

// Summary is a quarantined record without its content.
type Summary struct {
	// Ledger is null where the record's cannot be read.
	Ledger      *string `json:"ledger"`
	Topic       string  `json:"topic"`
	Partition   int32   `json:"partition"`
	KafkaOffset int64   `json:"kafka_offset"`
	// Reason is a ledger.Code; Path and Message say where and what.
	Reason  string `json:"reason"`
	Path    string `json:"path"`
	Message string `json:"message"`
	// EventID is the id that the record claims, where it can be read.
	EventID *string `json:"event_id"`
	// RecordedAt is Kafka's timestamp, in UTC; ReleasedAt is when it was published again, null when it was not.
	RecordedAt time.Time  `json:"recorded_at"`
	ReleasedAt *time.Time `json:"released_at"`
	// ReleasedBy is who did that, ReleasedAs where it lies now, such as "tributary.payments/3@1042".
	ReleasedBy *string `json:"released_by"`
	ReleasedAs *string `json:"released_as"`
	// PayloadBytes is the size of the record's value.
	PayloadBytes int64 `json:"payload_bytes"`
}

// Position is where the record lies in the log.
func (s *Summary) Position() eventlog.Position {
	return eventlog.Position{Topic: s.Topic, Partition: s.Partition, Offset: s.KafkaOffset}
}

// Record is a quarantined record with all of its content; bytes are base64 in JSON.
type Record struct {
	Summary

	// Key and Payload are null where the record has none.
	Key     []byte   `json:"key"`
	Headers []Header `json:"headers"`
	Payload []byte   `json:"payload"`
}

// Filter picks records; its zero value picks the first page of all.
type Filter struct {
	// Ledger, Reason and Topic (its full name) narrow the list where they are not empty.
	Ledger, Reason, Topic string
	// After goes on behind the last record of the page before.
	After *Summary
	// Limit is the most records; 0 means 100.
	Limit int
}

const summaryColumns = `ledger, topic, "partition", kafka_offset, reason, path, message, event_id,
	recorded_at, released_at, released_by, released_as, coalesce(octet_length(payload), 0)`

func (s *Summary) fields() []any {
	return []any{
		&s.Ledger, &s.Topic, &s.Partition, &s.KafkaOffset, &s.Reason, &s.Path, &s.Message, &s.EventID,
		&s.RecordedAt, &s.ReleasedAt, &s.ReleasedBy, &s.ReleasedAs, &s.PayloadBytes,
	}
}

func (s *Summary) inUTC() {
	s.RecordedAt = s.RecordedAt.UTC()
	if s.ReleasedAt != nil {
		*s.ReleasedAt = s.ReleasedAt.UTC()
	}
}

const defaultLimit = 100

// List gives records, the latest first.
func List(ctx context.Context, db postgres.Querier, filter Filter) ([]Summary, error) {
	if filter.Limit == 0 {
		filter.Limit = defaultLimit
	}
	sql := `SELECT ` + summaryColumns + ` FROM books.quarantine
		WHERE ($1 = '' OR ledger = $1) AND ($2 = '' OR reason = $2) AND ($3 = '' OR topic = $3)`
	arguments := []any{filter.Ledger, filter.Reason, filter.Topic, filter.Limit}
	if after := filter.After; after != nil {
		sql += ` AND (recorded_at, topic, "partition", kafka_offset) < ($5, $6, $7, $8)`
		arguments = append(arguments, after.RecordedAt, after.Topic, after.Partition, after.KafkaOffset)
	}
	sql += ` ORDER BY recorded_at DESC, topic DESC, "partition" DESC, kafka_offset DESC LIMIT $4`
	rows, err := db.Query(ctx, sql, arguments...)
	if err != nil {
		return nil, fmt.Errorf("list the quarantine: %w", err)
	}
	list, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (Summary, error) {
		var s Summary
		err := row.Scan(s.fields()...)
		s.inUTC()
		return s, err //nolint:wrapcheck // List says what it was doing.
	})
	if err != nil {
		return nil, fmt.Errorf("list the quarantine: %w", err)
	}
	return list, nil
}

// Get gives the record at a position, or ErrNotFound.
func Get(ctx context.Context, db postgres.Querier, at eventlog.Position) (Record, error) {
	var r Record
	err := db.QueryRow(ctx, `SELECT `+summaryColumns+`, key, headers, payload FROM books.quarantine
		WHERE topic = $1 AND "partition" = $2 AND kafka_offset = $3`, at.Topic, at.Partition, at.Offset).
		Scan(append(r.fields(), &r.Key, &r.Headers, &r.Payload)...)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return Record{}, fmt.Errorf("%s: %w", at, ErrNotFound)
	case err != nil:
		return Record{}, fmt.Errorf("read the quarantined record at %s: %w", at, err)
	}
	r.inUTC()
	return r, nil
}

// Unreleased gives the records that were not published again, of a reason where it is not empty, with their content, the earliest
// first; after goes on behind the last record of the page before.
func Unreleased(ctx context.Context, db postgres.Querier, reason string, after *Summary, limit int) ([]Record, error) {
	sql := `SELECT ` + summaryColumns + `, key, headers, payload FROM books.quarantine WHERE ($1 = '' OR reason = $1) AND released_at IS NULL`
	arguments := []any{reason, limit}
	if after != nil {
		sql += ` AND (recorded_at, topic, "partition", kafka_offset) > ($3, $4, $5, $6)`
		arguments = append(arguments, after.RecordedAt, after.Topic, after.Partition, after.KafkaOffset)
	}
	sql += ` ORDER BY recorded_at, topic, "partition", kafka_offset LIMIT $2`
	rows, err := db.Query(ctx, sql, arguments...)
	if err != nil {
		return nil, fmt.Errorf("read the quarantine: %w", err)
	}
	records, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (Record, error) {
		var r Record
		err := row.Scan(append(r.fields(), &r.Key, &r.Headers, &r.Payload)...)
		r.inUTC()
		return r, err //nolint:wrapcheck // Unreleased says what it was doing.
	})
	if err != nil {
		return nil, fmt.Errorf("read the quarantine: %w", err)
	}
	return records, nil
}

// Again decodes the record once more: to a newer version it may be a valid event.
func (r *Record) Again() eventlog.Record {
	rejected := eventlog.Rejection{Key: r.Key, Payload: r.Payload}
	for _, h := range r.Headers {
		key := h.Key
		if h.KeyBytes != nil {
			key = string(h.KeyBytes)
		}
		rejected.Headers = append(rejected.Headers, eventlog.Header{Key: key, Value: h.Value})
	}
	return eventlog.DecodeRejected(r.Position(), &rejected)
}

// Count is how many records are in the quarantine for a reason, and how many of them were released.
type Count struct {
	Reason   string `json:"reason"`
	Records  int64  `json:"records"`
	Released int64  `json:"released"`
}

// Counts gives the number of records for each reason that occurs, most first.
func Counts(ctx context.Context, db postgres.Querier) ([]Count, error) {
	rows, err := db.Query(ctx, `SELECT reason, count(*), count(released_at) FROM books.quarantine
		GROUP BY reason ORDER BY count(*) DESC, reason`)
	if err != nil {
		return nil, fmt.Errorf("count the quarantine: %w", err)
	}
	counts, err := pgx.CollectRows(rows, pgx.RowToStructByPos[Count])
	if err != nil {
		return nil, fmt.Errorf("count the quarantine: %w", err)
	}
	return counts, nil
}
