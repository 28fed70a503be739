package subjects

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/tributary-ledger/tributary/ledger/eventlog"
)

// ErrBehind means that the index is too far behind the log to bridge the rest by reading.
var ErrBehind = errors.New(`the index of subjects is too far behind the log: does "tributary project subjects" run?`)

const (
	// historyTail is how many records of a partition are read at most beyond what the index has: some 10 MiB.
	historyTail = 20_000
	// historyPause is between looks for a record that the log has and does not show yet, behind an open transaction.
	historyPause = 20 * time.Millisecond
)

// History finds a payment's own events: by the index as far as that goes, and beyond by reading the end of the partition that the
// payment's key belongs to. It is complete for all that the gateway writes, up to the moment, however far behind the index is.
//
// What clients with another partitioner wrote, or what was written before partitions were added, is on other partitions. That is found as
// far as the index goes, and comes first.
type History struct {
	pool   *pgxpool.Pool
	admin  *eventlog.Admin
	lookup *eventlog.Lookup
}

// NewHistory dials nothing yet. Close it when done.
func NewHistory(pool *pgxpool.Pool, kafka eventlog.Config) (*History, error) {
	kafka.Metrics = nil // another client of the process has them
	admin, err := eventlog.NewAdmin(kafka)
	if err != nil {
		return nil, err
	}
	lookup, err := eventlog.NewLookup(kafka)
	if err != nil {
		admin.Close()
		return nil, err
	}
	return &History{pool, admin, lookup}, nil
}

// Close ends the connections to Kafka.
func (h *History) Close() {
	h.admin.Close()
	h.lookup.Close()
}

// Payment are all events of a payment in the log's order, at least through a position; a zero position means all that the log has now.
// ErrBehind where the index is too far behind.
func (h *History) Payment(ctx context.Context, books, paymentID string, through eventlog.Position) ([]eventlog.Record, error) {
	home, end, err := h.end(ctx, paymentID, through)
	if err != nil {
		return nil, err
	}
	places, next, err := h.places(ctx, paymentID, home)
	if err != nil {
		return nil, err
	}
	if end-next > historyTail {
		return nil, fmt.Errorf("%w: %d records of %s are not in it", ErrBehind, end-next, home)
	}
	for offset := next; offset < end; offset++ {
		places = append(places, home.At(offset))
	}
	var found []eventlog.Record
	err = h.lookup.Each(ctx, places, func(_ int, record *eventlog.Record) error {
		if record != nil && record.Event != nil && record.Event.Subject == paymentID && record.Event.Ledger == books {
			found = append(found, *record)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read the events of payment %s: %w", paymentID, err)
	}
	slices.SortFunc(found, func(a, b eventlog.Record) int { return compareHome(home, &a, &b) })
	return found, nil
}

// compareHome orders by the home partition's offsets, all others' records before those.
func compareHome(home eventlog.TopicPartition, a, b *eventlog.Record) int {
	inA, inB := a.TopicPartition() == home, b.TopicPartition() == home
	switch {
	case inA && inB:
		return int(a.Offset - b.Offset)
	case inA:
		return 1
	case inB:
		return -1
	default:
		return eventlog.CompareRecorded(a, b)
	}
}

// end is where the payment's own events are, and the offset up to which they are to be read. It waits until the log shows all that is
// acknowledged there: what is behind a transaction that is open is not shown yet, and may be what decides.
func (h *History) end(ctx context.Context, paymentID string, through eventlog.Position) (eventlog.TopicPartition, int64, error) {
	if through.Topic == "" {
		written, err := h.admin.WrittenOffsets(ctx, eventlog.TopicPayments)
		if err != nil {
			return eventlog.TopicPartition{}, 0, fmt.Errorf("find the end of the log: %w", err)
		}
		if len(written) == 0 {
			return eventlog.TopicPartition{}, 0, fmt.Errorf("topic %s is not there; `tributary migrate` creates the topics", eventlog.TopicPayments)
		}
		home := eventlog.PartitionOf(eventlog.TopicPayments, paymentID, len(written))
		through = home.At(written[home] - 1)
	}
	home := through.TopicPartition()
	for {
		ends, err := h.admin.EndOffsets(ctx, eventlog.TopicPayments)
		if err != nil {
			return home, 0, fmt.Errorf("find the end of the log: %w", err)
		}
		if ends[home] > through.Offset {
			return home, ends[home], nil
		}
		if err := pause(ctx); err != nil {
			return home, 0, fmt.Errorf("wait until the log shows %s: %w", through, err)
		}
	}
}

func pause(ctx context.Context) error {
	timer := time.NewTimer(historyPause)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// places are where the index has the payment, and up to where it is in the home partition.
func (h *History) places(
	ctx context.Context, paymentID string, home eventlog.TopicPartition,
) (places []eventlog.Position, next int64, err error) {
	logs, err := h.admin.Identities(ctx, eventlog.TopicPayments)
	if err != nil {
		return nil, 0, fmt.Errorf("find out which log it is: %w", err)
	}
	options := pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}
	err = pgx.BeginTxFunc(ctx, h.pool, options, func(tx pgx.Tx) error {
		reached, err := Progress(ctx, tx)
		if err != nil {
			return err
		}
		for p, kept := range reached {
			if eventlog.CheckIdentity(p, kept.LogIdentity, logs[p]) != nil { // the index is of another log
				delete(reached, p)
			}
		}
		next = reached[home].Next
		return Places(ctx, tx, paymentID, func(at eventlog.Position) {
			if at.Topic == eventlog.TopicPayments && at.Offset < reached[at.TopicPartition()].Next {
				places = append(places, at)
			}
		})
	})
	if err != nil {
		return nil, 0, fmt.Errorf("ask the index of subjects: %w", err)
	}
	return places, next, nil
}
