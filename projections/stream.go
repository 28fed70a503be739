package projections

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/tributary-ledger/tributary/ledger/eventlog"
)

// stream is a consumer of the partitions that its taps want. Its fields are the feed's to lock.
type stream struct {
	feed   *Feed
	number int
	taps   []*tap

	// at is where the reading goes on. Records are given out only as they follow it, so no tap misses one.
	at map[eventlog.TopicPartition]position
	// ends are where the partitions end, as far as is known.
	ends map[eventlog.TopicPartition]int64
	// reading ends when the consumer is to be made anew: what it reads, or from where, has changed.
	reading context.Context //nolint:containedctx // It is a reading's, not a call's.
	anew    context.CancelFunc
	// room is sent to when a tap was taken from, or has left.
	room chan struct{}
	// ended is closed when nothing is read any more.
	ended chan struct{}
}

// isNear tells whether one at these positions, and so many records, would do well to read with this stream's taps.
func (s *stream) isNear(from map[eventlog.TopicPartition]position, ahead int64) bool {
	shared, distance := 0, ahead
	for p, wanted := range from {
		if at, read := s.at[p]; read {
			shared++
			distance += max(at.offset-wanted.offset, wanted.offset-at.offset)
		}
	}
	return shared > 0 && distance <= min(max(near, s.behind()), farthest)
}

// behind is how far it is from the end of the log.
func (s *stream) behind() (records int64) {
	for p, at := range s.at {
		records += max(0, s.ends[p]-at.offset)
	}
	return records
}

// join adds a tap, and goes back to where it is.
func (s *stream) join(t *tap) {
	s.taps = append(s.taps, t)
	changed := false
	for p, from := range t.next {
		if at, read := s.at[p]; !read || from.offset < at.offset {
			s.at[p], changed = from, true
		}
	}
	if changed {
		s.renew()
	}
}

// leave closes a tap, and stops to read what nobody else wants.
func (s *stream) leave(t *tap) {
	t.stream, t.waiting = nil, nil
	s.taps = slices.DeleteFunc(s.taps, func(other *tap) bool { return other == t })
	changed := len(s.taps) == 0
	for p := range t.next {
		if !slices.ContainsFunc(s.taps, func(other *tap) bool { _, wants := other.next[p]; return wants }) {
			delete(s.at, p)
			delete(s.ends, p)
			changed = true
		}
	}
	if changed {
		s.renew()
	}
	signal(t.ready)
	signal(s.room)
}

// renew has the consumer made anew.
func (s *stream) renew() {
	if s.anew != nil {
		s.anew()
	}
	s.reading, s.anew = context.WithCancel(context.Background())
}

// run reads until nobody wants anything.
func (s *stream) run() {
	for {
		reading, from, wanted := s.next()
		if !wanted {
			return
		}
		s.read(reading, from)
	}
}

// next is what is to be read now; nothing ends the stream.
func (s *stream) next() (reading context.Context, from map[string]map[int32]kgo.Offset, wanted bool) {
	s.feed.mu.Lock()
	defer s.feed.mu.Unlock()
	if len(s.taps) == 0 {
		s.anew()
		s.feed.streams = slices.DeleteFunc(s.feed.streams, func(other *stream) bool { return other == s })
		close(s.ended)
		return nil, nil, false
	}
	from = map[string]map[int32]kgo.Offset{}
	for p, at := range s.at {
		if from[p.Topic] == nil {
			from[p.Topic] = map[int32]kgo.Offset{}
		}
		from[p.Topic][p.Partition] = kgo.NewOffset().At(at.offset).WithEpoch(at.epoch)
	}
	return s.reading, from, true
}

// read gives out what the log has, until the reading ends.
func (s *stream) read(reading context.Context, from map[string]map[int32]kgo.Offset) {
	config := s.feed.kafka
	config.ClientID = fmt.Sprintf("%s-log-%d", config.ClientID, s.number)
	client, err := eventlog.NewClient(config, s.options(from)...)
	if err != nil {
		s.give(reading, nil, []kgo.FetchError{{Partition: -1, Err: err}})
		<-reading.Done()
		return
	}
	defer client.Close()
	for s.awaitRoom(reading) {
		const most = 10_000
		fetches := client.PollRecords(reading, most)
		if reading.Err() != nil {
			return
		}
		s.give(reading, decoded(fetches), fetches.Errors())
	}
}

func (s *stream) options(from map[string]map[int32]kgo.Offset) []kgo.Opt {
	return []kgo.Opt{
		kgo.ConsumePartitions(from),
		// A consumer lives as long as nobody joins or leaves: brokers that ask for its metrics would keep it from ending.
		kgo.DisableClientMetrics(),
		// The defaults would deliver records of aborted transactions, and would start from the beginning, silently, where
		// the stored offset is not in the log.
		kgo.FetchIsolationLevel(kgo.ReadCommitted()),
		kgo.ConsumeResetOffset(kgo.NoResetOffset()),
		// Transaction markers take up offsets: with them the next offset comes to the end of the log, and lag to zero.
		kgo.KeepControlRecords(),
		// A fetch that waits for records keeps partitions that come later (their leader epoch is asked for first) waiting too.
		kgo.FetchMaxWait(fetchMaxWait),
		kgo.FetchMaxBytes(s.feed.fetchBytes),
		// One partition may fill a fetch: a batch from few partitions touches fewer rows than one from many. Without sessions the client
		// says where a fetch begins, each time with another partition, so that the tables of one who is far behind fill in about the order
		// of time, and ids that grow with time meet the same pages of an index. Some brokers with sessions give one partition to its end
		// before the next.
		kgo.FetchMaxPartitionBytes(s.feed.fetchBytes),
		kgo.DisableFetchSessions(),
	}
}

// decoded are the records as portions; from is where the first record is.
func decoded(fetches kgo.Fetches) []portion {
	var portions []portion
	fetches.EachPartition(func(fetched kgo.FetchTopicPartition) {
		if len(fetched.Records) == 0 {
			return
		}
		records := make([]eventlog.Record, len(fetched.Records))
		for i, record := range fetched.Records {
			records[i] = eventlog.Decode(record)
		}
		p := eventlog.TopicPartition{Topic: fetched.Topic, Partition: fetched.Partition}
		portions = append(portions, portion{p, records[0].Offset, records, fetched.HighWatermark})
	})
	return portions
}

// give hands to all taps what was read, unless meanwhile something else is to be.
func (s *stream) give(reading context.Context, portions []portion, errs []kgo.FetchError) {
	s.feed.mu.Lock()
	defer s.feed.mu.Unlock()
	if reading.Err() != nil {
		return
	}
	for _, p := range portions {
		last := &p.records[len(p.records)-1]
		s.at[p.TopicPartition], s.ends[p.TopicPartition] = position{last.Offset + 1, last.LeaderEpoch}, p.end
		for _, t := range s.taps {
			t.give(p)
		}
	}
	for _, failed := range errs {
		for _, t := range s.taps {
			if t.concerned(failed) {
				t.errs = append(t.errs, failed)
				signal(t.ready)
			}
		}
	}
}

// awaitRoom waits until there is room for more in every tap. It reports false when the reading has ended.
func (s *stream) awaitRoom(reading context.Context) bool {
	const look = 100 * time.Millisecond
	for reading.Err() == nil {
		if s.hasRoom() {
			return true
		}
		timer := time.NewTimer(look)
		select {
		case <-s.room:
		case <-timer.C:
		case <-reading.Done():
		}
		timer.Stop()
	}
	return false
}

// hasRoom tells whether all taps have, and evicts those that keep others waiting.
func (s *stream) hasRoom() bool {
	s.feed.mu.Lock()
	defer s.feed.mu.Unlock()
	var full, stuck []*tap
	for _, t := range s.taps {
		if t.bytes < s.feed.room {
			continue
		}
		full = append(full, t)
		if time.Since(t.taken) > s.feed.patience {
			stuck = append(stuck, t)
		}
	}
	if len(stuck) < len(s.taps) {
		for _, t := range stuck {
			t.evicted = true
			s.leave(t)
		}
		return len(full) == len(stuck)
	}
	return len(full) == 0
}
