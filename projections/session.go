package projections

import (
	"context"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"golang.org/x/sync/errgroup"

	"github.com/tributary-ledger/tributary/ledger/eventlog"
)

// session is one membership in the group. It ends at the first error that a retry of the same step cannot mend; the next
// session starts from what the store has, so nothing that a session held in memory matters.
type session struct {
	*pipe

	feed   *Feed
	admin  *eventlog.Admin
	client *kgo.Client
	// inFlight counts the changes between their poll and the end of their commit.
	inFlight flights

	// end ends the session with the error that a callback of the client met.
	end context.CancelCauseFunc

	// moved is sent to, and wakes the poller, when readers see another generation than the one that is written.
	moved chan struct{}
	// regrouped is sent to when partitions are assigned.
	regrouped chan struct{}
	// following is held while the poller takes over anew.
	following sync.Mutex

	mu    sync.Mutex
	owned map[eventlog.TopicPartition]*Ownership
	// term counts how often something has been taken over or lost. What was read in a term before is forgotten.
	term int
	// tap is what the poller reads from in a term. It is to be its stream's only one where the one before was evicted.
	tap     *tap
	evicted bool
}

func (r *Runner) session(ctx context.Context) error {
	ctx, end := context.WithCancelCause(ctx)
	defer end(nil)
	admin, err := eventlog.NewAdmin(r.kafka)
	if err != nil {
		return err
	}
	defer admin.Close()
	s := &session{
		pipe: newPipe(r.feeder), feed: r.feed, admin: admin, end: end,
		owned: map[eventlog.TopicPartition]*Ownership{},
		moved: make(chan struct{}, 1), regrouped: make(chan struct{}, 1),
	}
	// From here on the client calls back, so nothing that a callback uses may be set later.
	client, err := eventlog.NewClient(r.kafka, s.options()...)
	if err != nil {
		return err
	}
	s.client = client
	// It only deals out the partitions. The feed reads them.
	client.PauseFetchTopics(s.store.Definition().Topics...)
	group, groupCtx := errgroup.WithContext(ctx)
	group.Go(func() error { return s.poll(groupCtx) })
	group.Go(func() error { return s.listen(groupCtx) })
	group.Go(func() error { return s.commit(groupCtx, s.ended) })
	group.Go(func() error { return s.watch(groupCtx) })
	group.Go(func() error { return s.check(groupCtx) })
	err = group.Wait()
	client.Close()
	r.feed.settle()
	r.health.left()
	return err
}

const fetchMaxWait = 200 * time.Millisecond

func (s *session) options() []kgo.Opt {
	const heartbeats = 5 // In a session timeout.
	definition := s.store.Definition()
	return []kgo.Opt{
		kgo.ConsumerGroup(definition.Group()),
		kgo.ConsumeTopics(definition.Topics...),
		kgo.Balancers(kgo.CooperativeStickyBalancer()),
		kgo.DisableAutoCommit(),
		kgo.SessionTimeout(s.settings.SessionTimeout),
		// A rebalance waits no longer than this for a member that died meanwhile.
		kgo.RebalanceTimeout(s.settings.SessionTimeout),
		kgo.HeartbeatInterval(s.settings.SessionTimeout / heartbeats),
		kgo.OnPartitionsAssigned(s.assigned),
		kgo.AdjustFetchOffsetsFn(s.acquire),
		kgo.OnPartitionsRevoked(s.revoked),
		kgo.OnPartitionsLost(s.lost),
		kgo.ConsumeResetOffset(kgo.NoResetOffset()),
	}
}

// assigned is called at the end of every rebalance, with what is new. A member without partitions is as well as any: there
// may be more copies than partitions.
func (s *session) assigned(_ context.Context, _ *kgo.Client, added map[string][]int32) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(added) == 0 && len(s.owned) == 0 {
		s.health.spare()
	}
}

// acquire makes this session the owner of newly assigned partitions in the store, and says where to read on. Kafka's own
// offsets for the group are not used.
func (s *session) acquire(
	ctx context.Context, offsets map[string]map[int32]kgo.Offset,
) (map[string]map[int32]kgo.Offset, error) {
	var partitions []eventlog.TopicPartition
	for topic, numbers := range offsets {
		for number := range numbers {
			partitions = append(partitions, eventlog.TopicPartition{Topic: topic, Partition: number})
		}
	}
	owned, err := s.takeOver(ctx, s.admin, partitions)
	if err != nil {
		if ctx.Err() == nil {
			s.end(err)
		}
		return nil, err
	}
	s.own(owned)
	for p, o := range owned {
		offsets[p.Topic][p.Partition] = kgo.NewOffset().At(o.NextOffset).WithEpoch(o.LeaderEpoch)
	}
	s.log.Info("took over partitions", "partitions", len(owned))
	return offsets, nil
}

// own keeps the ownerships. All of a session's are to be of one generation: after a swap the others follow.
func (s *session) own(owned map[eventlog.TopicPartition]Ownership) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for p, o := range owned {
		for _, before := range s.owned {
			if before.Generation != o.Generation {
				s.wake()
			}
		}
		s.owned[p] = &o
		s.health.started(p, o.NextOffset)
	}
	s.health.assigned(len(s.owned))
	s.health.recovered()
	s.nextTerm()
}

// nextTerm has the poller read from where the partitions are that are owned now. The caller has locked.
func (s *session) nextTerm() {
	s.term++
	if s.tap != nil {
		s.tap.close()
		s.tap = nil
	}
	signal(s.regrouped)
}

// revoked reads no more of partitions, and waits for a while until what was read of them is committed, so that the next owner need
// not do it again. Not to wait would be as correct: the store decides.
func (s *session) revoked(ctx context.Context, _ *kgo.Client, partitions map[string][]int32) {
	s.disown(partitions)
	timer := time.NewTimer(s.settings.SessionTimeout / 2) //nolint:mnd // Half of what the others would wait.
	defer timer.Stop()
	select {
	case <-s.inFlight.landed():
	case <-timer.C:
	case <-ctx.Done():
	}
	s.forget(partitions)
}

// lost forgets partitions.
func (s *session) lost(_ context.Context, _ *kgo.Client, partitions map[string][]int32) {
	s.disown(partitions)
	s.forget(partitions)
}

// disown leaves partitions to whoever gets them.
func (s *session) disown(partitions map[string][]int32) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for topic, numbers := range partitions {
		for _, number := range numbers {
			delete(s.owned, eventlog.TopicPartition{Topic: topic, Partition: number})
		}
	}
	s.nextTerm()
}

// forget tells health and metrics of no partition that is not owned.
func (s *session) forget(partitions map[string][]int32) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for topic, numbers := range partitions {
		for _, number := range numbers {
			p := eventlog.TopicPartition{Topic: topic, Partition: number}
			if _, ours := s.owned[p]; !ours {
				s.metrics.forget(p)
				s.health.forget(p)
			}
		}
	}
	s.health.assigned(len(s.owned))
}
