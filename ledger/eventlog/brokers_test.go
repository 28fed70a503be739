package eventlog

import (
	"context"
	"errors"
	"net"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/tributary-ledger/tributary/deploy/devstack"
	"github.com/tributary-ledger/tributary/deploy/devstack/stacktest"
	"github.com/tributary-ledger/tributary/ledger"
)

// While the leader of some partitions is dead, questions that only it can answer are asked until there is another.
func TestTheLogsEndIsKnownWhenALeaderDies(t *testing.T) {
	t.Parallel()
	config := Config{Brokers: stacktest.Cluster(t, devstack.KafkaConfig{Brokers: 3}).Brokers()}
	testTopics(t, config)
	_, err := testWriter(t, config).PublishAll(t.Context(), samples(t, 100))
	require.NoError(t, err)
	var refused atomic.Int64
	client, err := NewClient(config, kgo.Dialer(func(ctx context.Context, network, address string) (net.Conn, error) {
		if address == config.Brokers[1] && refused.Add(1) <= 3 {
			return nil, &net.OpError{Op: "dial", Net: network, Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)}
		}
		return new(net.Dialer).DialContext(ctx, network, address)
	}))
	require.NoError(t, err)
	defer client.Close()
	ends, err := AdminOf(config, client).EndOffsets(t.Context())
	require.NoError(t, err)
	var total int64
	for _, end := range ends {
		total += end
	}
	require.Equal(t, int64(100), total)
	require.Greater(t, refused.Load(), int64(3), "no broker was dead, so nothing was shown")
}

// BenchmarkBrokerDeath measures how long a producer of a thousand events a second waits between two acknowledgements when, of three
// brokers, the leader of a partition dies: killed (its connections are refused), or paused, as a machine that is gone or a network
// that is cut (its connections are silent). With Kafka's default settings, and with those that docs/operations.md names. Six deaths of
// each: -benchtime 6x.
func BenchmarkBrokerDeath(b *testing.B) {
	quick := map[string]string{"broker.session.timeout.ms": "3000", "broker.heartbeat.interval.ms": "500"}
	usual := map[string]string{"broker.session.timeout.ms": "9000", "broker.heartbeat.interval.ms": "2000"}
	for _, settings := range []struct {
		name    string
		configs map[string]string
	}{{"session=3s", quick}, {"session=9s", usual}} {
		b.Run(settings.name, func(b *testing.B) {
			d := newDeaths(b, stacktest.ApacheKafka(b, devstack.ApacheKafkaConfig{Brokers: 3, Configs: settings.configs}))
			b.Run("killed", func(b *testing.B) {
				d.measure(b, (*devstack.Broker).Kill, func(broker *devstack.Broker) error { return broker.Restart(b.Context()) })
			})
			b.Run("paused", func(b *testing.B) { d.measure(b, (*devstack.Broker).Pause, (*devstack.Broker).Resume) })
		})
	}
}

// deaths are brokers that die while events are published.
type deaths struct {
	kafka *devstack.ApacheKafka
	admin *Admin
	stop  chan struct{}

	mu   sync.Mutex
	acks map[TopicPartition]*acks
	err  error
}

// acks are the acknowledgements of one partition since a death.
type acks struct {
	death, last time.Time
	longest     time.Duration // between two
	goesOn      bool          // an event is acknowledged that was published after the death
}

func newDeaths(b *testing.B, kafka *devstack.ApacheKafka) *deaths {
	b.Helper()
	config := Config{Brokers: kafka.Brokers()}
	d := &deaths{kafka: kafka, admin: testTopics(b, config), stop: make(chan struct{}), acks: map[TopicPartition]*acks{}}
	var published sync.WaitGroup
	writer := testWriter(b, config)
	published.Go(func() { d.publish(b, writer) })
	b.Cleanup(func() { // before the writer is closed
		close(d.stop)
		published.Wait()
		require.NoError(b, writer.Flush(context.WithoutCancel(b.Context())))
	})
	return d
}

// publish appends a thousand events a second.
func (d *deaths) publish(b *testing.B, writer *Writer) {
	b.Helper()
	ticker := time.NewTicker(10 * time.Millisecond)
	defer ticker.Stop()
	for n := 0; ; {
		select {
		case <-d.stop:
			return
		case <-ticker.C:
		}
		for range 10 {
			n++
			published := time.Now()
			writer.Publish(context.WithoutCancel(b.Context()), sample(b, ledger.TypePaymentPosted, n), func(at Position, err error) {
				d.acknowledged(published, at, err)
			})
		}
	}
}

func (d *deaths) acknowledged(published time.Time, at Position, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err != nil {
		d.err = errors.Join(d.err, err)
		return
	}
	a := d.acks[at.TopicPartition()]
	if a == nil {
		return // nobody has begun to measure
	}
	now := time.Now()
	a.longest = max(a.longest, now.Sub(a.last))
	a.last = now
	a.goesOn = a.goesOn || published.After(a.death)
}

func (d *deaths) measure(b *testing.B, kill, revive func(*devstack.Broker) error) {
	b.Helper()
	stalls := make([]time.Duration, 0, b.N)
	for range b.N {
		leader, led := d.leader(b)
		victim := d.kafka.Broker(int(leader))
		d.begin(led)
		require.NoError(b, kill(victim))
		stalls = append(stalls, d.await(b))
		require.NoError(b, revive(victim))
	}
	slices.Sort(stalls)
	b.ReportMetric(stalls[len(stalls)/2].Seconds(), "p50_stall_s")
	b.ReportMetric(stalls[len(stalls)-1].Seconds(), "max_stall_s")
	b.ReportMetric(0, "ns/op") // restarts are no part of the figure
}

// leader waits until all replicas are in sync, and returns a broker that leads, and what.
func (d *deaths) leader(b *testing.B) (broker int32, led []TopicPartition) {
	b.Helper()
	d.until(b, func() bool {
		cluster, err := d.admin.Describe(b.Context())
		if err != nil {
			return false
		}
		led = nil
		for _, partition := range cluster.Topics[slices.Index(Topics(), TopicPayments)].Partitions {
			if partition.InSync < 3 {
				return false
			}
			if partition.Partition == 0 {
				broker = partition.Leader
			}
			if partition.Leader == broker {
				led = append(led, TopicPartition{Topic: TopicPayments, Partition: partition.Partition})
			}
		}
		return true
	})
	return broker, led
}

// begin begins to measure these partitions.
func (d *deaths) begin(partitions []TopicPartition) {
	d.mu.Lock()
	defer d.mu.Unlock()
	now := time.Now()
	clear(d.acks)
	for _, p := range partitions {
		d.acks[p] = &acks{death: now, last: now}
	}
}

// await waits until each partition goes on, and returns how long the slowest did not.
func (d *deaths) await(b *testing.B) (longest time.Duration) {
	b.Helper()
	d.until(b, func() bool {
		d.mu.Lock()
		defer d.mu.Unlock()
		for _, a := range d.acks {
			if !a.goesOn {
				return false
			}
			longest = max(longest, a.longest)
		}
		return true
	})
	d.mu.Lock()
	defer d.mu.Unlock()
	require.NoError(b, d.err)
	return longest
}

func (d *deaths) until(b *testing.B, done func() bool) {
	b.Helper()
	require.Eventually(b, done, 2*time.Minute, 10*time.Millisecond)
}
