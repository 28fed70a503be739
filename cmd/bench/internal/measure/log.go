package measure

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"iter"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/tributary-ledger/tributary/ledger"
	"github.com/tributary-ledger/tributary/ledger/eventlog"
	"github.com/tributary-ledger/tributary/ledger/simulation"
)

// Fill names what is in a log: equal fills, equal events.
type Fill struct {
	Events int64
	// Accounts is how many merchants and sites there are together; a few take most of the events.
	Accounts int
	// Partitions is of each of the three topics.
	Partitions int
	Seed       uint64
	// RandomIDs replaces the ids, which grow with time (UUIDv7), by random ones (UUIDv4).
	RandomIDs bool
	// Hot makes all events posted payments to one merchant: an account takes half of all postings. Payments, without Hot, does the same
	// with merchants as uneven as Zipf's law says.
	Payments, Hot bool
}

// Log is a Kafka cluster of its own with a log that nobody writes to any more.
type Log struct {
	Fill

	Kafka eventlog.Config
	// Ends are the offsets after the last record of each partition that has one.
	Ends map[eventlog.TopicPartition]int64
}

// Records is how many the log has on these topics.
func (l *Log) Records(topics []string) int64 {
	var records int64
	for _, end := range l.EndsOf(topics) {
		records += end
	}
	return records
}

// EndsOf are the ends of these topics' partitions.
func (l *Log) EndsOf(topics []string) map[eventlog.TopicPartition]int64 {
	ends := maps.Clone(l.Ends)
	maps.DeleteFunc(ends, func(place eventlog.TopicPartition, _ int64) bool {
		return !slices.Contains(topics, place.Topic)
	})
	return ends
}

// Log is the run's log, filled by the first who asks.
func (b *Bed) Log(ctx context.Context) (*Log, error) { return b.LogOf(ctx, b.Fill) }

// LogOf is a log with this in it, filled by the first who asks.
func (b *Bed) LogOf(ctx context.Context, fill Fill) (*Log, error) {
	b.mu.Lock()
	known := b.logs[fill]
	b.mu.Unlock()
	if known != nil {
		return known, nil
	}
	kafka, _, err := b.EmptyLog(ctx, fill.Partitions)
	if err != nil {
		return nil, err
	}
	b.Say("filling a log with %s", fill)
	began := time.Now()
	ends, err := Publish(ctx, kafka, fill.All())
	if err != nil {
		return nil, fmt.Errorf("fill the log: %w", err)
	}
	b.Say("filled in %.1f s", time.Since(began).Seconds())
	log := &Log{fill, kafka, ends}
	b.mu.Lock()
	b.logs[fill] = log
	b.mu.Unlock()
	return log, nil
}

// EmptyLog is a cluster of its own, with the topics and nothing in them. It goes with drop, or with the bed.
func (b *Bed) EmptyLog(
	ctx context.Context, partitions int,
) (kafka eventlog.Config, drop func(context.Context) error, err error) {
	server, err := b.startKafka(ctx)
	if err != nil {
		return kafka, nil, err
	}
	kafka = eventlog.Config{Brokers: server.Brokers(), Logger: quiet()}
	admin, err := eventlog.NewAdmin(kafka)
	if err != nil {
		return kafka, nil, fmt.Errorf("reach Kafka: %w", err)
	}
	defer admin.Close()
	if _, err := admin.Ensure(ctx, eventlog.TopicSettings{Partitions: partitions}); err != nil {
		return kafka, nil, fmt.Errorf("make the topics: %w", err)
	}
	return kafka, server.end, nil
}

// Publish appends all events and returns the offsets after the last of each partition, once all are acknowledged.
func Publish(ctx context.Context, kafka eventlog.Config, events iter.Seq[*ledger.Event]) (map[eventlog.TopicPartition]int64, error) {
	writer, err := eventlog.NewWriter(kafka)
	if err != nil {
		return nil, fmt.Errorf("write to Kafka: %w", err)
	}
	defer writer.Close()
	var mu sync.Mutex
	var failed error
	ends := map[eventlog.TopicPartition]int64{}
	done := func(at eventlog.Position, err error) {
		mu.Lock()
		defer mu.Unlock()
		if err != nil {
			failed = errors.Join(failed, err)
			return
		}
		place := at.TopicPartition()
		ends[place] = max(ends[place], at.Offset+1)
	}
	for event := range events {
		writer.Publish(ctx, event, done)
		if ctx.Err() != nil {
			break
		}
	}
	err = writer.Flush(ctx)
	mu.Lock()
	defer mu.Unlock()
	return ends, errors.Join(failed, err)
}

// String is such as "1000000 events (seed 1, 100000 accounts, 12 partitions)".
func (f Fill) String() string {
	kind := "events"
	switch {
	case f.Hot:
		kind = "payments to one merchant"
	case f.Payments:
		kind = "payments"
	}
	if f.RandomIDs {
		kind += " with random ids"
	}
	return fmt.Sprintf("%d %s (seed %d, %d accounts, 3 × %d partitions)", f.Events, kind, f.Seed, f.Accounts, f.Partitions)
}

// All makes the fill's events, one after the other.
func (f Fill) All() iter.Seq[*ledger.Event] {
	if f.Payments || f.Hot {
		return f.payments()
	}
	return func(yield func(*ledger.Event) bool) {
		events, err := simulation.New(simulation.Options{Seed: f.Seed, Events: f.Events, Accounts: f.Accounts})
		if err != nil {
			panic(err) // a fill is a constant, or was checked
		}
		ids := f.ids()
		for event, ok := events.Next(); ok; event, ok = events.Next() {
			if f.RandomIDs {
				randomID(ids, event)
			}
			if !yield(event) {
				return
			}
		}
	}
}

func (f Fill) ids() *rand.Rand { return rand.New(rand.NewPCG(f.Seed, 4)) }

// randomID gives the event a UUIDv4.
func randomID(ids *rand.Rand, event *ledger.Event) {
	const version, variant = 0x40, 0x80
	binary.BigEndian.PutUint64(event.ID[:8], ids.Uint64())
	binary.BigEndian.PutUint64(event.ID[8:], ids.Uint64())
	event.ID[6] = event.ID[6]&0x0f | version
	event.ID[8] = event.ID[8]&0x3f | variant
}
