package stacktest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"golang.org/x/sync/errgroup"

	"github.com/tributary-ledger/tributary/deploy/devstack"
)

// sharedBrokers is how many brokers the cluster has that a binary's tests share: the fewest with which one can be missed.
const sharedBrokers = 3

// sharedKafka is this binary's Apache Kafka, started by the first test that asks, stopped by Main.
var sharedKafka kafkaServer //nolint:gochecknoglobals // what a test binary shares can live nowhere else

type kafkaServer struct {
	turn sync.Mutex // held by the test whose turn it is

	mu      sync.Mutex
	cluster *devstack.ApacheKafka
	home    *home
	err     error
}

// SharedApacheKafka gives the test the three real brokers that all tests of its binary share, for itself alone until it ends, with no
// topic in them; what it killed or paused is brought back for the next. Tests take turns, so one that also runs elsewhere should ask in
// a subtest. The first call takes some 7 s, others a fraction of one. The package's TestMain must call Main. The test is skipped where
// Java or Maven is missing.
func SharedApacheKafka(t testing.TB) *devstack.ApacheKafka {
	t.Helper()
	NeedApacheKafka(t)
	sharedKafka.turn.Lock()
	t.Cleanup(sharedKafka.turn.Unlock)
	ctx, cancel := context.WithTimeout(t.Context(), startPatience)
	defer cancel()
	cluster, err := sharedKafka.start(ctx)
	require.NoError(t, err)
	require.NoError(t, mend(ctx, cluster))
	require.NoError(t, empty(ctx, cluster))
	return cluster
}

func (s *kafkaServer) start(ctx context.Context) (*devstack.ApacheKafka, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.cluster != nil || s.err != nil {
		return s.cluster, s.err
	}
	if s.home, s.err = newHome(); s.err != nil {
		return nil, s.err
	}
	s.cluster, s.err = devstack.StartApacheKafka(context.WithoutCancel(ctx), // it serves later tests as well
		devstack.ApacheKafkaConfig{Dir: s.home.dir, Brokers: sharedBrokers})
	return s.cluster, s.err
}

func (s *kafkaServer) stop(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	var err error
	if s.cluster != nil {
		// Nobody wants its data any more, so there is no need to stop in order.
		err = errors.Join(s.cluster.Kill(), s.cluster.Stop(ctx))
	}
	if s.home != nil {
		err = errors.Join(err, s.home.remove())
	}
	return err
}

// mend brings back, all at once, the brokers that a test left dead or paused.
func mend(ctx context.Context, cluster *devstack.ApacheKafka) error {
	group, ctx := errgroup.WithContext(ctx)
	for id := 1; id <= sharedBrokers; id++ {
		broker := cluster.Broker(id)
		group.Go(func() error {
			select {
			case <-broker.Done():
				return broker.Restart(ctx)
			default:
				return broker.Resume()
			}
		})
	}
	return group.Wait()
}

// empty deletes all topics, and returns when each broker knows of all others and of no topic.
func empty(ctx context.Context, cluster *devstack.ApacheKafka) error {
	const poll = 50 * time.Millisecond
	cleared := func(admin *kadm.Client) (string, error) {
		topics, err := admin.ListTopics(ctx)
		if err != nil {
			return "", err
		}
		brokers, err := admin.ListBrokers(ctx)
		if err != nil {
			return "", err
		}
		names := slices.DeleteFunc(topics.Names(), func(topic string) bool { return strings.HasPrefix(topic, "__") })
		if len(names) == 0 && len(brokers) == sharedBrokers {
			return "", nil
		}
		if len(names) > 0 {
			_, err = admin.DeleteTopics(ctx, names...) // one that another call deleted is no error of this one
		}
		return fmt.Sprintf("%d brokers and the topics %v are there", len(brokers), names), err
	}
	for _, address := range cluster.Brokers() {
		for {
			client, err := kgo.NewClient(kgo.SeedBrokers(address)) // a new one asks this broker first
			if err != nil {
				return fmt.Errorf("asking the broker at %s: %w", address, err)
			}
			left, err := cleared(kadm.NewClient(client))
			client.Close()
			if err == nil && left == "" {
				break
			}
			select {
			case <-ctx.Done():
				return fmt.Errorf("emptying the cluster at %s: %w: %s: %w", address, context.Cause(ctx), left, err)
			case <-time.After(poll):
			}
		}
	}
	return nil
}
