package eventlog

import (
	"context"
	"io"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/tributary-ledger/tributary/deploy/devstack"
	"github.com/tributary-ledger/tributary/deploy/devstack/stacktest"
)

// A broker that fails for a while makes the writer try again: each event is acknowledged in the end, and is in the log once.
func TestRetriesNeitherLoseNorDouble(t *testing.T) {
	t.Parallel()
	kafka := stacktest.Cluster(t, devstack.KafkaConfig{})
	config := Config{Brokers: kafka.Brokers()}
	admin := testTopics(t, config)
	writer := testWriter(t, config)
	events := samples(t, 300)
	for i, refusal := range []*kerr.Error{kerr.NotLeaderForPartition, kerr.NotEnoughReplicas, kerr.RequestTimedOut} {
		refuseProduce(kafka.Cluster(), 1, refusal)
		_, err := writer.PublishAll(t.Context(), events[100*i:100*(i+1)])
		require.NoError(t, err)
	}
	requireOnce(t, config, admin, len(events))
}

// A broker that dies as a writer first connects closes connections on which nothing was said yet. The client takes that for a wrong
// configuration by default, and gives up what it has.
func TestConnectionsThatEndAtOnceAreTriedAgain(t *testing.T) {
	t.Parallel()
	for _, k := range eachKafka() {
		t.Run(k.name, func(t *testing.T) {
			t.Parallel()
			config, admin := k.log(t)
			var dialed atomic.Int64
			dial := func(ctx context.Context, network, address string) (net.Conn, error) {
				conn, err := new(net.Dialer).DialContext(ctx, network, address)
				const ended = 4
				if n := dialed.Add(1); err == nil && n > 1 && n <= ended { // the first learns of the brokers
					return silent{conn}, nil
				}
				return conn, err
			}
			writer, err := newWriter(config, kgo.Dialer(dial))
			require.NoError(t, err)
			t.Cleanup(writer.Close)
			events := samples(t, 30)
			_, err = writer.PublishAll(t.Context(), events)
			require.NoError(t, err)
			requireOnce(t, config, admin, len(events))
		})
	}
}

// silent is a connection that the other side closed at once.
type silent struct{ net.Conn }

func (silent) Read([]byte) (int, error) { return 0, io.EOF }

// The hard case: the broker has written the events, and its answer is lost with the connection.
func TestLostAnswersNeitherLoseNorDouble(t *testing.T) {
	t.Parallel()
	for _, k := range eachKafka() {
		t.Run(k.name, func(t *testing.T) {
			t.Parallel()
			config, admin := k.log(t)
			var produced, cut atomic.Int64
			dial := func(ctx context.Context, network, address string) (net.Conn, error) {
				conn, err := new(net.Dialer).DialContext(ctx, network, address)
				return &cutting{Conn: conn, produced: &produced, cut: &cut}, err
			}
			config.Hooks = append(config.Hooks, countProduced{&produced})
			writer, err := newWriter(config, kgo.Dialer(dial))
			require.NoError(t, err)
			t.Cleanup(writer.Close)
			events := samples(t, 300)
			for i := range 10 {
				_, err := writer.PublishAll(t.Context(), events[30*i:30*(i+1)])
				require.NoError(t, err)
			}
			require.Positive(t, cut.Load(), "no answer was lost, so nothing was shown")
			requireOnce(t, config, admin, len(events))
		})
	}
}

func requireOnce(t testing.TB, config Config, admin *Admin, events int) {
	t.Helper()
	ids := readAll(t, config, wholeLog(t, admin)).ids()
	require.Len(t, ids, events)
	for id, times := range ids {
		require.Equal(t, 1, times, id)
	}
}

// countProduced counts the produce requests that were sent.
type countProduced struct{ produced *atomic.Int64 }

func (c countProduced) OnBrokerWrite(_ kgo.BrokerMetadata, key int16, _ int, _, _ time.Duration, err error) {
	const produceKey = 0
	if key == produceKey && err == nil {
		c.produced.Add(1)
	}
}

// cutting breaks a connection when the answer to every third produce request has come, and withholds the answer.
type cutting struct {
	net.Conn

	produced, cut *atomic.Int64
}

func (c *cutting) Read(buf []byte) (int, error) {
	n, err := c.Conn.Read(buf)
	if sent := c.produced.Load(); err == nil && sent/3 > c.cut.Load() {
		c.cut.Store(sent / 3)
		_ = c.Close() // the client sees the end of the stream, whatever this says
		return 0, io.EOF
	}
	return n, err
}
