package chaos

import (
	"bytes"
	"context"
	"log/slog"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tributary-ledger/tributary/deploy/devstack"
	"github.com/tributary-ledger/tributary/deploy/devstack/stacktest"
)

// server is one that can be harmed.
type server interface {
	Kill() error
	Pause() error
	Resume() error
	Restart(ctx context.Context) error
}

// kafka is a cluster behind proxies.
type kafka struct {
	addresses []string // of the proxies
	proxies   []*stacktest.Proxy
	brokers   []server
	// forgetsSequences: a crash lets a batch that was not acknowledged yet be written twice, by its retry.
	forgetsSequences bool
}

// embeddedKafka is the one that `tributary dev` runs, in a process of its own. It has each batch on disk before it acknowledges it.
func embeddedKafka(t *testing.T) kafka {
	t.Helper()
	proxy := stacktest.NewProxy(t)
	dir, _ := home(t) // in memory, where a busy machine's disk holds up no heartbeats
	process := stacktest.KafkaProcess(t, devstack.KafkaConfig{Dir: dir, Advertise: proxy.Address(), Sync: true})
	proxy.To(process.Brokers()[0])
	return kafka{
		addresses: []string{proxy.Address()}, proxies: []*stacktest.Proxy{proxy}, brokers: []server{process}, forgetsSequences: true,
	}
}

// threeBrokers are of Apache Kafka, with all replicas on each and two of them in sync, or nothing is acknowledged.
func threeBrokers(t *testing.T) kafka {
	t.Helper()
	const brokers = 3
	k := kafka{}
	for range brokers {
		proxy := stacktest.NewProxy(t)
		k.proxies, k.addresses = append(k.proxies, proxy), append(k.addresses, proxy.Address())
	}
	cluster := stacktest.ApacheKafka(t, devstack.ApacheKafkaConfig{Brokers: brokers, Advertise: k.addresses})
	for i, address := range cluster.Brokers() {
		k.proxies[i].To(address)
		k.brokers = append(k.brokers, cluster.Broker(i+1))
	}
	return k
}

// stack are the servers, each behind a proxy for the program, and on a small disk where this machine allows that.
type stack struct {
	kafka      kafka
	postgres   *devstack.Postgres
	clickhouse *devstack.ClickHouse
	// The proxies and the disks of both stores.
	toPostgres, toClickHouse *stacktest.Proxy
	disks                    map[string]*disk // by victim
	down                     *outages
	crashes                  *crashes
}

// The victims. Two faults at once are of different ones.
const (
	ofPostgres   = "Postgres"
	ofClickHouse = "ClickHouse"
	ofKafka      = "Kafka"
	ofProjectors = "projectors"
	ofPublisher  = "publishers"
	ofReplay     = "replay"
	ofGateways   = "gateways"
	ofSandbox    = "sandbox"
)

func startStack(t *testing.T, k kafka) *stack {
	t.Helper()
	s := &stack{kafka: k, disks: map[string]*disk{}, down: newOutages(), crashes: &crashes{}}
	logger := slog.New(slog.NewTextHandler(s.crashes, nil))
	var err error
	const small = "128MB" // of write-ahead log, beside the tables
	s.postgres, err = devstack.StartPostgres(t.Context(), devstack.PostgresOptions{
		Home: s.home(t, ofPostgres), Small: true, Logger: logger, Settings: map[string]string{"max_wal_size": small},
	})
	require.NoError(t, err)
	t.Cleanup(func() {
		require.NoError(t, s.postgres.Kill()) // nobody wants its data any more
		require.NoError(t, s.postgres.Stop(context.WithoutCancel(t.Context())))
	})
	s.clickhouse, err = devstack.StartClickHouse(t.Context(), devstack.ClickHouseOptions{
		Home: s.home(t, ofClickHouse), Small: true, Logger: logger,
	})
	require.NoError(t, err)
	t.Cleanup(func() {
		require.NoError(t, s.clickhouse.Kill())
		require.NoError(t, s.clickhouse.Stop(context.WithoutCancel(t.Context())))
	})
	s.toPostgres, s.toClickHouse = stacktest.NewProxy(t), stacktest.NewProxy(t)
	s.toPostgres.To(local(s.postgres.Port()))
	s.toClickHouse.To(local(s.clickhouse.Port()))
	return s
}

func local(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }

// home is a folder for a store's data, on a disk that can be filled.
func (s *stack) home(t *testing.T, victim string) string {
	t.Helper()
	dir, made := home(t)
	if made == nil {
		t.Logf("NOT TESTED: a full disk of %s. It takes a small file system, which only root may mount, on Linux", victim)
		return dir
	}
	s.disks[victim] = made
	return dir
}

// home is a folder for a server's data, on a disk of its own; that is nil where none can be made.
func home(t *testing.T) (string, *disk) {
	t.Helper()
	dir := filepath.Join(stacktest.Dir(t), "disk")
	require.NoError(t, os.Mkdir(dir, 0o755))
	made, err := mountDisk(dir)
	if err != nil {
		return dir, nil
	}
	t.Cleanup(func() { require.NoError(t, made.unmount()) })
	return filepath.Join(dir, "home"), made
}

// environ points the program at the proxies.
func (s *stack) environ() []string {
	return []string{
		"TRIBUTARY_KAFKA_BROKERS=" + strings.Join(s.kafka.addresses, ","),
		"TRIBUTARY_POSTGRES_URL=" + through(s.postgres.URL(), s.toPostgres),
		"TRIBUTARY_CLICKHOUSE_URL=" + through(s.clickhouse.URL(), s.toClickHouse),
	}
}

func through(address string, proxy *stacktest.Proxy) string {
	parsed, err := url.Parse(address)
	if err != nil {
		panic(err) // devstack made it
	}
	parsed.Host = proxy.Address()
	return parsed.String()
}

// outages are when servers were down, by our hand.
type outages struct {
	mu   sync.Mutex
	open map[string]int
	last map[string]time.Time // when the last one ended
}

func newOutages() *outages { return &outages{open: map[string]int{}, last: map[string]time.Time{}} }

// begin says that a server is down from now on, until the returned function is called.
func (o *outages) begin(victim string) (end func()) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.open[victim]++
	return func() {
		o.mu.Lock()
		defer o.mu.Unlock()
		o.open[victim]--
		o.last[victim] = time.Now()
	}
}

// since tells whether a server, or any where none is named, was down at some moment since then.
func (o *outages) since(then time.Time, victims ...string) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, victim := range victims {
		if o.open[victim] > 0 || o.last[victim].After(then) {
			return true
		}
	}
	return false
}

// crashes counts the warnings of servers that ended by themselves, and keeps them.
type crashes struct {
	mu   sync.Mutex
	text bytes.Buffer
}

// Write implements io.Writer.
func (c *crashes) Write(line []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.text.Write(line)
}

// told are the warnings so far.
func (c *crashes) told() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.text.String()
}
