package eventlog

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync"

	"github.com/twmb/franz-go/pkg/kgo"
	"golang.org/x/sync/errgroup"
)

// ErrNoRecord means that the log holds no record at a position: nothing was ever written there, or what is there is a
// transaction's mark, or belongs to a transaction that was given up.
var ErrNoRecord = errors.New("the log has no record there")

// Lookup reads records whose positions are known. It may be used by many goroutines at once.
type Lookup struct{ reader *reader }

// NewLookup is a lookup; it dials nothing yet. Close it when done.
func NewLookup(config Config) (*Lookup, error) {
	r, err := newReader(config)
	if err != nil {
		return nil, err
	}
	return &Lookup{r}, nil
}

// Close ends the connections.
func (l *Lookup) Close() { l.reader.client.Close() }

// ReadAt reads the records at some positions, in their order; they share no memory with anything else. All of them are in
// memory at once: for many, make a Lookup and take them one by one. Errors are those of Lookup.Each, and ErrNoRecord with the
// first position where the log has none.
func ReadAt(ctx context.Context, config Config, positions []Position) ([]Record, error) {
	l, err := NewLookup(config)
	if err != nil {
		return nil, err
	}
	defer l.Close()
	return l.ReadAt(ctx, positions)
}

// ReadAt is the function of that name over the lookup's connections.
func (l *Lookup) ReadAt(ctx context.Context, positions []Position) ([]Record, error) {
	records := make([]Record, len(positions))
	missing := len(positions)
	err := l.Each(ctx, positions, func(i int, record *Record) error {
		if record == nil {
			missing = min(missing, i)
			return nil
		}
		records[i] = *record
		return nil
	})
	if err == nil && missing < len(positions) {
		err = fmt.Errorf("%s: %w", positions[missing], ErrNoRecord)
	}
	if err != nil {
		return nil, err
	}
	return records, nil
}

// Each calls fn once for each of the positions, by its number, in the order of offsets within a partition and in none between
// them, one call at a time. The record is nil where the log has none (ErrNoRecord says what may be there), and otherwise fn's to
// keep. Positions near each other are fetched together, partitions at the same time; the positions alone are held in memory.
//
// Errors: the first of fn; a LogLostError (ErrTruncated) with the position that the log no longer has; ErrUnreachable when
// brokers stay away for half a minute.
func (l *Lookup) Each(ctx context.Context, positions []Position, fn func(i int, record *Record) error) error {
	return l.each(ctx, positions, Decode, fn)
}

func (l *Lookup) each(
	ctx context.Context, positions []Position, decode func(*kgo.Record) Record, fn func(i int, record *Record) error,
) error {
	if len(positions) == 0 {
		return nil
	}
	order := make([]int, len(positions))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int {
		p, q := positions[a], positions[b]
		return cmp.Or(p.TopicPartition().Compare(q.TopicPartition()), cmp.Compare(p.Offset, q.Offset), cmp.Compare(a, b))
	})
	var mu sync.Mutex
	one := func(i int, record *Record) error {
		mu.Lock()
		defer mu.Unlock()
		return fn(i, record)
	}
	starts, ends, err := l.extents(ctx, positions, order)
	if err != nil {
		return err
	}
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(2 * runtime.GOMAXPROCS(0))
	for len(order) > 0 {
		p := positions[order[0]].TopicPartition()
		n := 1
		for n < len(order) && positions[order[n]].TopicPartition() == p {
			n++
		}
		part := wanted{positions: positions, order: order[:n], decode: decode}
		order = order[n:]
		group.Go(func() error { return l.partition(ctx, p, part, starts[p], ends[p], one) })
	}
	return group.Wait()
}

// extents are where the partitions begin and end; one that is not there has neither.
func (l *Lookup) extents(ctx context.Context, positions []Position, order []int) (starts, ends map[TopicPartition]int64, err error) {
	var topics []string
	for _, i := range order {
		if topic := positions[i].Topic; len(topics) == 0 || topics[len(topics)-1] != topic {
			topics = append(topics, topic)
		}
	}
	if err := l.reader.refresh(ctx, topics...); err != nil {
		return nil, nil, err
	}
	if starts, err = l.reader.admin.StartOffsets(ctx, topics...); err != nil {
		return nil, nil, err
	}
	ends, err = l.reader.admin.EndOffsets(ctx, topics...)
	return starts, ends, err
}

// wanted are positions of one partition, by number, in the order of offsets.
type wanted struct {
	positions []Position
	order     []int
	decode    func(*kgo.Record) Record
}

func (w *wanted) offset() int64 { return w.positions[w.order[0]].Offset }

// has tells whether an offset is wanted.
func (w *wanted) has(offset int64) bool {
	_, found := slices.BinarySearchFunc(w.order, offset, func(i int, offset int64) int {
		return cmp.Compare(w.positions[i].Offset, offset)
	})
	return found
}

// take gives what is wanted before an offset, to which the records hold all there is.
func (w *wanted) take(records []Record, before int64, fn func(int, *Record) error) error {
	for len(w.order) > 0 && w.offset() < before {
		for len(records) > 0 && records[0].Offset < w.offset() {
			records = records[1:]
		}
		var found *Record
		if len(records) > 0 && records[0].Offset == w.offset() {
			own := records[0] // positions may repeat
			found = &own
		}
		if err := fn(w.order[0], found); err != nil {
			return err
		}
		w.order = w.order[1:]
	}
	return nil
}

// partition reads what is wanted of a partition. A fetch begins at what is wanted next; it grows while the one before held more
// than that, and is small again behind a gap.
func (l *Lookup) partition(ctx context.Context, p TopicPartition, w wanted, start, end int64, fn func(int, *Record) error) error {
	last := w.positions[w.order[len(w.order)-1]].Offset
	fetchBytes := readFetchBytesLeast
	for len(w.order) > 0 && w.offset() < end {
		next := w.offset()
		if next < start {
			return &LogLostError{
				TopicPartition: p, Cause: ErrTruncated, Seen: fmt.Sprintf("%s is wanted, the log starts at %s", p.At(next), p.At(start)),
			}
		}
		batch, err := l.reader.fetch(ctx, span{TopicPartition: p, next: next, to: min(last+1, end), fetchBytes: fetchBytes, wanted: &w})
		if err != nil {
			return err
		}
		if err := w.take(batch.Records, batch.Next, fn); err != nil {
			return err
		}
		if len(w.order) > 0 && w.offset() == batch.Next {
			fetchBytes = min(2*fetchBytes, readFetchBytesMost)
		} else {
			fetchBytes = readFetchBytesLeast
		}
	}
	return w.take(nil, last+1, fn)
}
