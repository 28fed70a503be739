package projections

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"golang.org/x/sync/errgroup"
	"golang.org/x/time/rate"

	"github.com/tributary-ledger/tributary/ledger/eventlog"
)

// Rebuild feeds a store from the log up to given offsets, and no further, without a consumer group: it owns all partitions by
// itself. Several workers share them out, and each prepares a batch while the one before is committed. Memory is bounded by the
// workers, whatever the lag.
type Rebuild struct {
	*feeder

	limit *rate.Limiter // nil where there is none

	// owned is what the last To left behind, so that the next need not take over anew; nil after a failure.
	owned map[eventlog.TopicPartition]*Ownership
}

// NewRebuild makes a rebuild; To does it. Whoever else owns partitions of the store's generation is locked out of them by that.
func NewRebuild(store Store, kafka eventlog.Config, settings Settings) *Rebuild {
	r := &Rebuild{feeder: newFeeder(store, kafka, settings)}
	if perSecond := settings.EventsPerSecond; perSecond > 0 {
		r.limit = rate.NewLimiter(rate.Limit(perSecond), max(1, perSecond/ratePieces))
		r.settings.BatchEvents = min(r.settings.BatchEvents, perSecond)
	}
	return r
}

// ratePieces is into how many a second is cut that has a bound: so often at least work goes on.
const ratePieces = 5

// To brings the store up to these offsets, of all partitions; where it is past one already it stays there. What the brokers or
// the stores fail at is tried again for as long as it takes. It ends early with the context's error; with a *RefusedError, which
// is a bug and has the position; with a *FencedError when another has taken over; with eventlog.ErrRecreated or
// eventlog.ErrTruncated when the log is not the one that was read before. It may be called again with later offsets, by one at a
// time.
func (r *Rebuild) To(ctx context.Context, to map[eventlog.TopicPartition]int64) error {
	err := r.sessions(ctx, func(ctx context.Context) error {
		err := r.session(ctx, to)
		if err != nil {
			r.owned = nil // How far each partition is, who knows.
		}
		return err
	}, func(err error) bool {
		_, refused := errors.AsType[*RefusedError](err)
		_, fenced := errors.AsType[*FencedError](err)
		_, version := errors.AsType[*VersionError](err)
		return refused || fenced || version || eventlog.Classify(err) == eventlog.KindLogLost
	})
	if err != nil && ctx.Err() != nil {
		return fmt.Errorf("rebuild %s: %w", r.store.Definition().Name, context.Cause(ctx))
	}
	return err
}

func (r *Rebuild) session(ctx context.Context, to map[eventlog.TopicPartition]int64) error {
	if err := r.own(ctx, to); err != nil {
		return err
	}
	meter := newMeter(r.settings.Progress, r.owned, to)
	group, ctx := errgroup.WithContext(ctx)
	for _, share := range r.shares(to) {
		w := &worker{pipe: newPipe(r.feeder), limit: r.limit, meter: meter, owned: share.owned}
		group.Go(func() error { return w.run(ctx, share.part) })
	}
	return group.Wait()
}

// own takes over the partitions that are not owned from before.
func (r *Rebuild) own(ctx context.Context, to map[eventlog.TopicPartition]int64) error {
	missing := slices.ContainsFunc(eventlog.SortedPartitions(to), func(p eventlog.TopicPartition) bool { return r.owned[p] == nil })
	if !missing {
		return nil
	}
	admin, err := eventlog.NewAdmin(r.kafka)
	if err != nil {
		return err
	}
	defer admin.Close()
	owned, err := r.takeOver(ctx, admin, eventlog.SortedPartitions(to))
	if err != nil {
		return err
	}
	r.owned = make(map[eventlog.TopicPartition]*Ownership, len(owned))
	for p, o := range owned {
		r.owned[p] = &o
	}
	return nil
}

// share is a worker's: what it reads, and its partitions.
type share struct {
	part  eventlog.Range
	owned map[eventlog.TopicPartition]*Ownership
	left  int64
}

const (
	// rebuildBytes is how much all workers together may have read ahead, about, once it is uncompressed.
	rebuildBytes = 64 << 20
	// readAhead is how many pieces of a partition are in memory: one that waits, one that is ready and one that is fetched.
	readAhead       = 3
	leastPieceBytes = 128 << 10
	mostPieceBytes  = 1 << 20
)

// shares deals out the partitions that have something to read: the largest first, each to the worker that has least. All of a
// worker's are read at once, so that the tables fill in about the order of time: ids that grow with time then meet the same pages
// of an index.
func (r *Rebuild) shares(to map[eventlog.TopicPartition]int64) []*share {
	var behind []eventlog.TopicPartition
	for _, p := range eventlog.SortedPartitions(to) {
		if r.owned[p].NextOffset < to[p] {
			behind = append(behind, p)
		}
	}
	left := func(p eventlog.TopicPartition) int64 { return to[p] - r.owned[p].NextOffset }
	slices.SortStableFunc(behind, func(p, q eventlog.TopicPartition) int { return cmp.Compare(left(q), left(p)) })
	shares := make([]*share, min(r.settings.Workers, len(behind)))
	for i := range shares {
		shares[i] = &share{
			part: eventlog.Range{
				From: map[eventlog.TopicPartition]int64{}, To: map[eventlog.TopicPartition]int64{}, Expect: map[string]eventlog.TopicID{},
				PieceBytes: max(leastPieceBytes, min(mostPieceBytes, rebuildBytes/readAhead/len(behind))),
			},
			owned: map[eventlog.TopicPartition]*Ownership{},
		}
	}
	for _, p := range behind {
		s := slices.MinFunc(shares, func(a, b *share) int { return cmp.Compare(a.left, b.left) })
		s.owned[p], s.part.From[p], s.part.To[p] = r.owned[p], r.owned[p].NextOffset, to[p]
		s.part.Expect[p.Topic] = r.owned[p].TopicID
		s.part.AtOnce++
		s.left += left(p)
	}
	return shares
}

// meter adds up what all workers have done.
type meter struct {
	tell func(done, total int64)

	mu          sync.Mutex
	done, total int64
}

func newMeter(tell func(done, total int64), owned map[eventlog.TopicPartition]*Ownership, to map[eventlog.TopicPartition]int64) *meter {
	m := &meter{tell: tell}
	for p, offset := range to {
		m.total += offset
		m.done += min(owned[p].NextOffset, offset)
	}
	tell(m.done, m.total)
	return m
}

func (m *meter) add(batch Batch) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, r := range batch.Ranges {
		m.done += r.To - r.From
	}
	m.tell(m.done, m.total)
}

// Unbounded lifts the bound on the rate, from the next To on.
func (r *Rebuild) Unbounded() { r.limit = nil }
