package devstack

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"net"
	"os"
	"path/filepath"
	"strconv"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
)

// KafkaConfig says how an embedded Kafka runs. It crosses to a child process as JSON.
type KafkaConfig struct {
	Dir     string            `json:"dir"`               // where records are kept; empty keeps them in memory
	Port    int               `json:"port"`              // on 127.0.0.1; 0 chooses a free one
	Brokers int               `json:"brokers"`           // 0 means 1; more than one needs Port 0
	Sync    bool              `json:"sync"`              // fsync every batch: survives a power cut too, not just kill -9; slower
	Configs map[string]string `json:"configs,omitempty"` // more broker settings, which win over ours
	// Advertise is the address, host:port, that clients are told to use, of a proxy in front of the one broker; empty means the broker's own.
	Advertise string `json:"advertise,omitempty"`
}

// Kafka is an embedded cluster in this process.
type Kafka struct {
	cluster *kfake.Cluster
	times   *appendTime
	unlock  func()
}

// OpenKafka starts a cluster in this process, on the data that an earlier one left in config.Dir. It fails with a clear message when
// the data is in use or the port taken.
func OpenKafka(ctx context.Context, config KafkaConfig, logger *slog.Logger) (*Kafka, error) {
	unlock := func() {}
	if config.Dir != "" {
		var err error
		if config.Dir, unlock, err = claim("Kafka", config.Dir, mkdirClosed); err != nil {
			return nil, err
		}
	}
	outside := &advertised{address: config.Advertise}
	cluster, err := newCluster(ctx, config, outside, logger)
	if err != nil {
		unlock()
		return nil, err
	}
	times, err := startAppendTime(ctx, cluster, kgo.Dialer(outside.dial))
	if err != nil {
		cluster.Close()
		unlock()
		return nil, err
	}
	return &Kafka{cluster: cluster, times: times, unlock: unlock}, nil
}

func newCluster(ctx context.Context, config KafkaConfig, outside *advertised, logger *slog.Logger) (*kfake.Cluster, error) {
	options := kafkaOptions(config, outside, logger)
	if max(config.Brokers, 1) > 1 {
		cluster, err := kfake.NewCluster(append(options, kfake.NumBrokers(config.Brokers))...)
		if err != nil {
			return nil, fmt.Errorf("starting Kafka: %w", err)
		}
		return cluster, dropStaleSequences(config.Dir)
	}
	return withPort(ctx, "Kafka", config.Port, func(port int) (*kfake.Cluster, error) {
		cluster, err := kfake.NewCluster(append(options, kfake.Ports(port))...)
		if err != nil {
			return nil, fmt.Errorf("starting Kafka on port %d: %w", port, err)
		}
		return cluster, dropStaleSequences(config.Dir)
	})
}

// kafkaOptions makes groups quick: a member that died is noticed when its client says so, not after a server's long minimum, and the
// next-generation protocol beats often enough for a rebalance to take less than a second.
func kafkaOptions(config KafkaConfig, outside *advertised, logger *slog.Logger) []kfake.Opt {
	configs := map[string]string{
		"group.min.session.timeout.ms":         "100",
		"group.consumer.heartbeat.interval.ms": "250",
		"default.replication.factor":           strconv.Itoa(max(config.Brokers, 1)),
	}
	maps.Copy(configs, config.Configs)
	options := []kfake.Opt{kfake.BrokerConfigs(configs), kfake.WithLogger(kafkaLogger{logger})}
	if config.Dir != "" {
		options = append(options, kfake.DataDir(config.Dir))
	}
	if config.Sync {
		options = append(options, kfake.SyncWrites())
	}
	if config.Advertise != "" {
		options = append(options, kfake.ListenFn(outside.listen))
	}
	return options
}

// advertised is the address, host:port, that the broker tells its clients: it takes it from its listener.
type advertised struct {
	address string
	own     string // where the broker listens
}

func (a *advertised) listen(network, address string) (net.Listener, error) {
	listener, err := net.Listen(network, address) //nolint:noctx // kfake gives none
	if err != nil {
		return nil, err //nolint:wrapcheck // withPort looks at it
	}
	a.own = listener.Addr().String()
	return advertisedListener{listener, a}, nil
}

// dial is for clients in the broker's own process: theirs is no business of a proxy.
func (a *advertised) dial(ctx context.Context, network, address string) (net.Conn, error) {
	if a.own != "" {
		address = a.own
	}
	return new(net.Dialer).DialContext(ctx, network, address) //nolint:wrapcheck // the client says what for
}

// advertisedListener is a listener that says it is elsewhere.
type advertisedListener struct {
	net.Listener

	advertised *advertised
}

func (l advertisedListener) Addr() net.Addr { return l.advertised }

// Network implements net.Addr.
func (*advertised) Network() string { return "tcp" }

// String implements net.Addr.
func (a *advertised) String() string { return a.address }

// dropStaleSequences removes the producers' sequence numbers, which are saved by an orderly stop alone, once they are loaded. After a
// crash those of the stop before it would be loaded again, and refuse what live producers send next.
func dropStaleSequences(dir string) error {
	if dir == "" {
		return nil
	}
	if err := os.Remove(filepath.Join(dir, "seq_windows.json")); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("clearing loaded sequence numbers: %w", err)
	}
	return nil
}

// Brokers are the addresses to connect to, as host:port.
func (k *Kafka) Brokers() []string {
	return k.cluster.ListenAddrs()
}

// Cluster gives tests the fake itself: its controls inject faults that a real cluster rarely shows.
func (k *Kafka) Cluster() *kfake.Cluster {
	return k.cluster
}

// Close stops the cluster and saves what only an orderly stop saves. Records were on disk before they were acknowledged.
func (k *Kafka) Close() {
	k.times.close()
	k.cluster.Close()
	k.unlock()
}

// kafkaLogger passes on the fake's warnings; its chatter below that is of use to nobody here.
type kafkaLogger struct{ logger *slog.Logger }

// Logf implements kfake.Logger.
func (l kafkaLogger) Logf(level kfake.LogLevel, format string, args ...any) {
	if l.logger == nil {
		return
	}
	switch level {
	case kfake.LogLevelError:
		l.logger.Error("kafka", "says", fmt.Sprintf(format, args...))
	case kfake.LogLevelWarn:
		l.logger.Warn("kafka", "says", fmt.Sprintf(format, args...))
	case kfake.LogLevelNone, kfake.LogLevelInfo, kfake.LogLevelDebug:
	}
}
