package projections

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/tributary-ledger/tributary/ledger/eventlog"
)

// Feed reads the log for the runners of a process. Those that are at about the same place share a reading: each record is fetched and
// decoded once for all of them, and nobody gets further ahead of the slowest than there is room in memory. One that is elsewhere, or does
// not take what it is given, is read for by itself until it is where the others are.
//
//	                ┌─▶ tap ─▶ balances
//	log ─▶ stream 1 ┼─▶ tap ─▶ receipts
//	                └─▶ tap ─▶ subjects
//	log ─▶ stream 2 ──▶ tap ─▶ revenue, which was away for an hour
//
// What is in memory here is a copy of the log alone: every tap is opened anew from where its store is.
type Feed struct {
	kafka      eventlog.Config
	fetchBytes int32
	// room is how many bytes may wait for a tap until the stream waits, too; patience how long a full tap that takes nothing keeps
	// others waiting.
	room     int
	patience time.Duration

	mu      sync.Mutex
	streams []*stream // In the order of their numbers.
}

const (
	// near is how many records a stream goes back at least for one that joins, and how far ahead that one may be. While it is behind
	// the end of the log nobody minds more, up to farthest.
	near, farthest = 20_000, 200_000
	// recordBytes is what a decoded record takes beside its bytes, about.
	recordBytes = 512
	// regroupEvery is how far apart a tap looks for others at its place.
	regroupEvery = time.Second
)

// NewFeed makes a feed. Of each stream a broker may send so many bytes ahead, as compressed; 0 means 4 MiB, which is about a batch of
// small events. With it memory is bounded, whatever the lag.
func NewFeed(kafka eventlog.Config, fetchBytes int32) *Feed {
	const (
		usual    = 4 << 20
		room     = 16 << 20
		patience = 3 * time.Second
	)
	setDefault(&fetchBytes, usual)
	return &Feed{kafka: kafka, fetchBytes: fetchBytes, room: room, patience: patience}
}

// position is the next offset of a partition, and the leader epoch of the record before it.
type position struct {
	offset int64
	epoch  int32
}

// open begins to read at these positions: with others that are about there, unless it is to be alone. Close the tap when done.
func (f *Feed) open(from map[eventlog.TopicPartition]position, alone bool) *tap {
	f.mu.Lock()
	defer f.mu.Unlock()
	t := &tap{feed: f, next: from, ready: make(chan struct{}, 1), taken: time.Now(), regrouped: time.Now()}
	at := slices.IndexFunc(f.streams, func(s *stream) bool { return !alone && s.isNear(from, 0) })
	if at < 0 {
		t.stream = f.begin()
	} else {
		t.stream = f.streams[at]
	}
	t.stream.join(t)
	return t
}

// begin starts a stream under the least number that is free.
func (f *Feed) begin() *stream {
	number := 1
	at := slices.IndexFunc(f.streams, func(s *stream) bool {
		if s.number != number {
			return true
		}
		number++
		return false
	})
	if at < 0 {
		at = len(f.streams)
	}
	s := &stream{
		feed: f, number: number, room: make(chan struct{}, 1), ended: make(chan struct{}),
		at: map[eventlog.TopicPartition]position{}, ends: map[eventlog.TopicPartition]int64{},
	}
	s.renew()
	f.streams = slices.Insert(f.streams, at, s)
	go s.run()
	return s
}

// settle waits until nothing is read any more that nobody wants.
func (f *Feed) settle() {
	f.mu.Lock()
	var ending []chan struct{}
	for _, s := range f.streams {
		if len(s.taps) == 0 {
			ending = append(ending, s.ended)
		}
	}
	f.mu.Unlock()
	for _, ended := range ending {
		<-ended
	}
}

// portion is a stretch of a partition: all records from an offset on.
type portion struct {
	eventlog.TopicPartition

	from    int64
	records []eventlog.Record
	// end is where the partition ended when it was read.
	end int64
}

// arrived is what a tap gives: records, and what went wrong.
type arrived struct {
	portions []portion
	records  int
	errs     []kgo.FetchError
}

func (a *arrived) add(more arrived) {
	a.portions = append(a.portions, more.portions...)
	a.records += more.records
	a.errs = append(a.errs, more.errs...)
}

// tap is where a session takes records. Its fields are the feed's to lock.
type tap struct {
	feed   *Feed
	stream *stream // nil once it is closed
	ready  chan struct{}

	// next is where what waits ends.
	next    map[eventlog.TopicPartition]position
	waiting []portion
	bytes   int
	errs    []kgo.FetchError
	// evicted is set where it kept others waiting.
	evicted bool
	// taken is when something was last taken, or waited for; regrouped when it was last compared with others.
	taken, regrouped time.Time
}

// take gives what has arrived, at most so many records, or nothing if nothing does until then. It reports false once the tap is closed.
func (t *tap) take(ctx context.Context, until time.Time, most int) (a arrived, open bool) {
	timer := time.NewTimer(time.Until(until))
	defer timer.Stop()
	for {
		if a, open = t.takeNow(most); !open || len(a.portions) > 0 || len(a.errs) > 0 {
			return a, open
		}
		select {
		case <-t.ready:
		case <-timer.C:
			return a, true
		case <-ctx.Done():
			return a, true
		}
	}
}

func (t *tap) takeNow(most int) (a arrived, open bool) {
	t.feed.mu.Lock()
	defer t.feed.mu.Unlock()
	t.taken = time.Now()
	if t.stream == nil || t.regroup() {
		return a, false
	}
	a.errs, t.errs = t.errs, nil
	for len(t.waiting) > 0 && a.records < most {
		p := t.waiting[0]
		if over := a.records + len(p.records) - most; over > 0 {
			rest := p
			p.records, rest.records = p.records[:len(p.records)-over], p.records[len(p.records)-over:]
			rest.from = p.records[len(p.records)-1].Offset + 1
			t.waiting[0] = rest
		} else {
			t.waiting[0] = portion{}
			t.waiting = t.waiting[1:]
		}
		t.bytes -= weight(p.records)
		a.portions, a.records = append(a.portions, p), a.records+len(p.records)
	}
	if len(t.waiting) == 0 {
		t.waiting = nil
	}
	if a.records > 0 {
		signal(t.stream.room)
	}
	return a, true
}

// regroup closes the tap where a stream before its own is at its place, so that it is opened anew there.
func (t *tap) regroup() bool {
	if t.taken.Sub(t.regrouped) < regroupEvery {
		return false
	}
	t.regrouped = t.taken
	waiting := int64(0)
	for _, p := range t.waiting {
		waiting += int64(len(p.records))
	}
	for _, s := range t.feed.streams {
		if s == t.stream {
			return false
		}
		if s.isNear(t.next, waiting) {
			t.stream.leave(t)
			return true
		}
	}
	return false
}

// close ends it. It may be called by anyone, and again.
func (t *tap) close() {
	t.feed.mu.Lock()
	defer t.feed.mu.Unlock()
	if t.stream != nil {
		t.stream.leave(t)
	}
}

// give adds what the stream has read, of what is the tap's and new to it.
func (t *tap) give(read portion) {
	from, ours := t.next[read.TopicPartition]
	if !ours {
		return
	}
	known, _ := slices.BinarySearchFunc(read.records, from.offset, func(r eventlog.Record, offset int64) int {
		return int(r.Offset - offset)
	})
	records := read.records[known:]
	if len(records) == 0 {
		return
	}
	last := &records[len(records)-1]
	t.waiting = append(t.waiting, portion{read.TopicPartition, from.offset, records, read.end})
	t.bytes += weight(records)
	t.next[read.TopicPartition] = position{last.Offset + 1, last.LeaderEpoch}
	signal(t.ready)
}

// concerned tells whether it is the tap's business that something could not be read.
func (t *tap) concerned(failed kgo.FetchError) bool {
	if failed.Topic == "" {
		return true
	}
	for p := range t.next {
		if p.Topic == failed.Topic && (failed.Partition < 0 || failed.Partition == p.Partition) {
			return true
		}
	}
	return false
}

// weight is about what records take in memory.
func weight(records []eventlog.Record) (bytes int) {
	for i := range records {
		bytes += records[i].Bytes
	}
	return bytes + recordBytes*len(records)
}

// signal wakes who waits, or will.
func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default: // It is awake.
	}
}
