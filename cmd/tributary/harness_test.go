package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tributary-ledger/tributary/deploy/devstack/stacktest"
	"github.com/tributary-ledger/tributary/ledger/eventlog"
	"github.com/tributary-ledger/tributary/projections/postgres"
	"github.com/tributary-ledger/tributary/schemas/views"
)

// answer is what a command said, and how it ended.
type answer struct {
	code           int
	stdout, stderr string
}

// books are servers of a test's own, and the environment that points commands at them.
type books struct {
	environ []string
	kafka   eventlog.Config
	url     string // of Postgres
	// clickhouse is the URL of it, empty where there is none.
	clickhouse string
}

// newBooks gives the test empty servers.
func newBooks(t *testing.T) books {
	t.Helper()
	return booksAt(stacktest.Kafka(t), stacktest.Postgres(t))
}

func booksAt(brokers []string, url string) books {
	return books{
		environ: []string{"TRIBUTARY_KAFKA_BROKERS=" + strings.Join(brokers, ","), "TRIBUTARY_POSTGRES_URL=" + url},
		kafka:   eventlog.Config{Brokers: brokers}, url: url,
	}
}

// migrated gives the test servers with topics and tables.
func migrated(t testing.TB) books {
	t.Helper()
	url := stacktest.PostgresFrom(t, "migrated", func(ctx context.Context, url string) error {
		pool, err := postgres.Open(ctx, url)
		if err != nil {
			return err
		}
		defer pool.Close()
		_, err = postgres.Migrate(ctx, pool, keptInPostgres(pool), views.Migrations())
		return err
	})
	b := booksAt(stacktest.Kafka(t), url)
	b.makeTopics(t)
	return b
}

// makeTopics makes the log's topics.
func (b books) makeTopics(t testing.TB) {
	t.Helper()
	admin, err := eventlog.NewAdmin(b.kafka)
	require.NoError(t, err)
	defer admin.Close()
	_, err = admin.Ensure(t.Context(), eventlog.TopicSettings{Partitions: 3})
	require.NoError(t, err)
}

// withClickHouse gives the books a ClickHouse of the test's own, and makes the tables there.
func (b books) withClickHouse(t testing.TB) books {
	t.Helper()
	b.clickhouse = stacktest.ClickHouse(t)
	b.environ = append(slices.Clone(b.environ), clickhouseVariable+"="+b.clickhouse)
	b.must(t, "migrate")
	return b
}

// run runs a command to its end.
func (b books) run(t testing.TB, args ...string) answer {
	t.Helper()
	return b.feed(t, "", args...)
}

// feed runs a command with something on its stdin.
func (b books) feed(t testing.TB, stdin string, args ...string) answer {
	t.Helper()
	var stdout, stderr bytes.Buffer
	code := run(t.Context(), world{args: args, stdin: strings.NewReader(stdin), stdout: &stdout, stderr: &stderr, environ: b.environ})
	return answer{code, stdout.String(), stderr.String()}
}

// must runs a command that has to succeed.
func (b books) must(t testing.TB, args ...string) answer {
	t.Helper()
	got := b.run(t, args...)
	require.Equal(t, exitDone, got.code, "tributary %v\n%s%s", args, got.stdout, got.stderr)
	return got
}

// logEnd is how many records the log has.
func (b books) logEnd(t *testing.T) int64 {
	t.Helper()
	admin, err := eventlog.NewAdmin(b.kafka)
	require.NoError(t, err)
	defer admin.Close()
	ends, err := admin.EndOffsets(t.Context())
	require.NoError(t, err)
	var total int64
	for _, end := range ends {
		total += end
	}
	return total
}

// exec changes the tables behind the program's back.
func (b books) exec(t *testing.T, sql string) {
	t.Helper()
	pool, err := postgres.Open(t.Context(), b.url)
	require.NoError(t, err)
	defer pool.Close()
	_, err = pool.Exec(t.Context(), sql)
	require.NoError(t, err)
}

// running is a command that runs until it is stopped.
type running struct {
	stdout, stderr *syncBuffer
	done           chan int

	cancel context.CancelFunc
}

// start starts a command; it is stopped with the test at the latest.
func (b books) start(t testing.TB, args ...string) *running {
	t.Helper()
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	r := &running{stdout: &syncBuffer{}, stderr: &syncBuffer{}, done: make(chan int, 1), cancel: cancel}
	go func() {
		r.done <- run(ctx, world{args: args, stdin: strings.NewReader(""), stdout: r.stdout, stderr: r.stderr, environ: b.environ})
	}()
	t.Cleanup(func() { r.stop(t) })
	return r
}

// stop is Ctrl-C; it returns the exit code. A second one returns the same.
func (r *running) stop(t testing.TB) int {
	t.Helper()
	r.cancel()
	select {
	case code := <-r.done:
		r.done <- code
		return code
	case <-time.After(time.Minute):
		require.FailNow(t, "the command does not stop", "%s", r.stderr)
		return -1
	}
}

// project runs projectors for as long as the test, and returns the URL of their health.
func (b books) project(t *testing.T, names ...string) (r *running, health string) {
	t.Helper()
	r = b.start(t, append([]string{"project", "--metrics-addr", "127.0.0.1:0", "--log-format", "json"}, names...)...)
	require.Eventually(t, func() bool {
		for line := range strings.Lines(r.stderr.String()) {
			var entry struct {
				Msg    string `json:"msg"`
				Health string `json:"health"`
			}
			if json.Unmarshal([]byte(line), &entry) == nil && entry.Msg == "projecting" {
				health = entry.Health
				return true
			}
		}
		return false
	}, time.Minute, 5*time.Millisecond)
	return r, health
}

// syncBuffer is a buffer that may be read while it is written.
type syncBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

// get asks over HTTP, without keeping the connection.
func get(t *testing.T, url, accept string) (int, string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, http.NoBody)
	require.NoError(t, err)
	request.Close = true
	request.Header.Set("Accept", accept)
	transport := &http.Transport{DisableKeepAlives: true}
	defer transport.CloseIdleConnections()
	response, err := (&http.Client{Transport: transport, Timeout: time.Minute}).Do(request)
	require.NoError(t, err)
	defer func() { require.NoError(t, response.Body.Close()) }()
	body, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	return response.StatusCode, string(body)
}

// write makes a file of these lines.
func write(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "events.ndjson")
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	return path
}

// sampleLines are the sample's events, a line each.
func sampleLines() []string {
	return strings.Split(strings.TrimSpace(sample), "\n")
}

// decode reads one JSON value.
func decode[T any](t *testing.T, text string) T {
	t.Helper()
	var value T
	decoder := json.NewDecoder(strings.NewReader(text))
	require.NoError(t, decoder.Decode(&value), text)
	require.False(t, decoder.More(), "more than one value: %s", text)
	return value
}

// decodeLines reads a JSON value a line.
func decodeLines[T any](t *testing.T, text string) []T {
	t.Helper()
	var values []T
	for line := range strings.Lines(text) {
		values = append(values, decode[T](t, line))
	}
	return values
}
