package eventlog

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"strconv"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

const (
	// followWait is how long a broker may hold a fetch back when it has nothing; what comes ends the wait at once.
	followWait = time.Second
	// followCheck is how often it is looked up whether the log is the same, and whether it has more partitions.
	followCheck = 10 * time.Second
	// followBytes bound what is fetched and not yet given on.
	followBytes = 8 << 20
)

// Outage tells that a broker went away, or that it is back.
type Outage struct {
	// Broker is its address.
	Broker string
	// Err is why it cannot be reached; nil when it can be again.
	Err error
}

// Follow reads the committed records of the log from these offsets on as they come, without a consumer group, until its context
// ends; it then returns nil. Partitions that are added later are read from their start. fn gets what has come, in the order of
// offsets within a partition; its error ends the reading and is returned.
//
// It waits for brokers that are away, for as long as it takes; notice is told of it, from other goroutines, one call at a
// time. Errors: ErrRecreated and ErrTruncated where the log is not the one that the offsets belong to.
func Follow(
	ctx context.Context, config Config, from map[TopicPartition]int64, notice func(Outage), fn func([]Record) error,
) error {
	config.Metrics = nil
	config.Hooks = append(config.Hooks, &outages{notice: notice, away: map[string]bool{}})
	f := &follower{from: maps.Clone(from)}
	client, err := NewClient(config.named("follower"),
		kgo.ConsumePartitions(f.offsets(SortedPartitions(from))),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()),
		kgo.ConsumeResetOffset(kgo.NoResetOffset()),
		kgo.FetchMaxWait(followWait), kgo.FetchMaxBytes(followBytes), kgo.FetchMaxPartitionBytes(followBytes/4), //nolint:mnd // of it
	)
	if err != nil {
		return err
	}
	defer client.Close()
	f.client, f.admin = client, AdminOf(config, client)
	for ctx.Err() == nil {
		if err := f.look(ctx); err != nil {
			return err
		}
		if err := f.poll(ctx, fn); err != nil {
			return err
		}
	}
	return nil
}

// follower follows some partitions.
type follower struct {
	client *kgo.Client
	admin  *Admin
	from   map[TopicPartition]int64 // Where each partition's reading began.
	ids    map[string]TopicID
}

func (f *follower) offsets(partitions []TopicPartition) map[string]map[int32]kgo.Offset {
	all := map[string]map[int32]kgo.Offset{}
	for _, p := range partitions {
		if all[p.Topic] == nil {
			all[p.Topic] = map[int32]kgo.Offset{}
		}
		all[p.Topic][p.Partition] = kgo.NewOffset().At(f.from[p])
	}
	return all
}

// look compares the log with what is read of it. That the brokers do not answer is no error: the client tells, and tries.
func (f *follower) look(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, followWait)
	defer cancel()
	seen, err := f.admin.Identities(ctx)
	if err != nil {
		if Classify(err) == KindLogLost {
			return err
		}
		return nil
	}
	if f.ids == nil {
		f.ids = map[string]TopicID{}
	}
	var added []TopicPartition
	for _, p := range SortedPartitions(seen) {
		if id, known := f.ids[p.Topic]; known {
			if err := CheckIdentity(p, LogIdentity{TopicID: id, LeaderEpoch: -1}, seen[p]); err != nil {
				return err
			}
		}
		f.ids[p.Topic] = seen[p].TopicID
		if _, known := f.from[p]; !known {
			f.from[p] = 0
			added = append(added, p)
		}
	}
	if len(added) > 0 {
		f.client.AddConsumePartitions(f.offsets(added))
	}
	return nil
}

// poll gives on what comes, until it is time to look at the log again.
func (f *follower) poll(ctx context.Context, fn func([]Record) error) error {
	until, cancel := context.WithTimeout(ctx, followCheck)
	defer cancel()
	for until.Err() == nil {
		fetches := f.client.PollFetches(until)
		for _, e := range fetches.Errors() {
			if kind := Classify(e.Err); kind == KindLogLost || kind == KindFatal {
				return ExplainFetch(TopicPartition{Topic: e.Topic, Partition: e.Partition}, e.Err)
			}
		}
		records := make([]Record, 0, fetches.NumRecords())
		fetches.EachRecord(func(r *kgo.Record) { records = append(records, Decode(r)) })
		if len(records) == 0 {
			continue
		}
		if err := fn(records); err != nil {
			return err
		}
	}
	return nil
}

// outages tells of brokers that take no connections, once each, and of those that do so again.
type outages struct {
	notice func(Outage)
	mu     sync.Mutex
	away   map[string]bool
}

// OnBrokerConnect is called by the Kafka client when it has tried to connect.
func (o *outages) OnBrokerConnect(meta kgo.BrokerMetadata, _ time.Duration, _ net.Conn, err error) {
	if errors.Is(err, context.Canceled) {
		return
	}
	address := net.JoinHostPort(meta.Host, strconv.Itoa(int(meta.Port)))
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.away[address] == (err != nil) {
		return
	}
	o.away[address] = err != nil
	if err != nil {
		err = fmt.Errorf("connect to %s: %w", address, err)
	}
	o.notice(Outage{Broker: address, Err: err})
}
