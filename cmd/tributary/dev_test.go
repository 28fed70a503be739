package main

import (
	"bytes"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/spf13/pflag"
	"github.com/stretchr/testify/require"

	"github.com/tributary-ledger/tributary/deploy/devstack"
)

// openFolder is a folder that the servers' user can enter, which t.TempDir() is not.
func openFolder(t *testing.T) string {
	t.Helper()
	folder, err := os.MkdirTemp("", "tributary-cli-") //nolint:usetesting // see above
	require.NoError(t, err)
	require.NoError(t, os.Chmod(folder, 0o755))
	t.Cleanup(func() { require.NoError(t, os.RemoveAll(folder)) })
	return folder
}

// ready waits for endpoints.env and points the commands at what it says.
func ready(t *testing.T, r *running, data string) books {
	t.Helper()
	file := filepath.Join(data, devstack.EndpointsFile)
	require.Eventually(t, func() bool {
		_, err := os.Stat(file)
		select {
		case code := <-r.done:
			r.done <- code
			require.FailNow(t, "dev has ended", "exit %d: %s", code, r.stderr)
		default:
		}
		return err == nil
	}, 5*time.Minute, 20*time.Millisecond)
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	var b books
	for line := range strings.Lines(string(text)) {
		b.environ = append(b.environ, strings.ReplaceAll(strings.TrimSpace(line), "'", ""))
	}
	return b
}

// variable is one of the environment.
func (b books) variable(name string) string {
	value, _ := lookup(b.environ, name)
	return value
}

func TestDevRunsAllOfItAndKeepsTheData(t *testing.T) {
	t.Parallel()
	data := filepath.Join(openFolder(t), "data")
	args := []string{"dev", "--data", data, "--ports", "auto"}
	key := ""
	for start := range 2 {
		dev := books{}.start(t, args...)
		b := ready(t, dev, data)
		url, given := b.variable(httpVariable), b.variable(keyVariable)
		require.Equal(t, http.StatusOK, served{url: url}.call(t, http.MethodGet, "/v1/caller", given, "").status)
		require.Contains(t, dev.stdout.String(), given)
		if start > 0 {
			require.Equal(t, key, given, "what was given the key goes on after a restart")
		}
		key = given
		payInDev(t, b, start == 0)
		if start == 0 {
			b.must(t, "publish", write(t, sample), "--wait")
			other := books{}.run(t, args...)
			require.Equal(t, exitNo, other.code)
			require.Contains(t, other.stderr, "another stack runs on the data in "+data)
		}
		require.Contains(t, b.must(t, "get", "balance", "bank:first:cash").stdout, " 50.00  EUR")
		require.Contains(t, b.must(t, "status").stdout, "ready")
		require.Equal(t, exitDone, dev.stop(t), dev.stderr)
		require.Contains(t, dev.stdout.String(), "tributary simulate")
		require.NoFileExists(t, filepath.Join(data, devstack.EndpointsFile))
	}
}

// payInDev takes a payment through the sandbox, and gives part of it back after the next start: the sandbox's book is kept, too.
func payInDev(t *testing.T, b books, first bool) {
	t.Helper()
	gateway, key := served{url: b.variable(httpVariable)}, b.variable(keyVariable)
	const amount = `"amount":{"value":"1250","asset_code":"EUR","asset_scale":2}`
	call := func(path, body string, status int) {
		t.Helper()
		got := gateway.call(t, http.MethodPost, "/v1/payments"+path, key, "{"+body+"}")
		require.Equal(t, status, got.status, got.body)
	}
	if first {
		call("", `"payment_id":"dev-1","user_id":"u","payment_type":"credit","merchant_id":"acme",`+amount, http.StatusCreated)
		call("/dev-1/post", `"transaction_id":"tx-1",`+amount, http.StatusOK)
		return
	}
	call("/dev-1/refunds", `"amount":{"value":"250","asset_code":"EUR","asset_scale":2}`, http.StatusCreated)
	book := served{url: b.variable(sandboxVariable)}.call(t, http.MethodGet, "/book", "", "")
	require.Contains(t, book.body, `"held":"10"`)
	require.Eventually(t, func() bool {
		got := b.run(t, "get", "balance", "provider:sandbox:clearing")
		return got.code == exitDone && strings.Contains(got.stdout, " 10.00  EUR")
	}, time.Minute, 100*time.Millisecond)
}

func TestDevRunsServersAlone(t *testing.T) {
	t.Parallel()
	data := filepath.Join(openFolder(t), "data")
	dev := books{}.start(t, "dev", "--data", data, "--ports", "auto", "--only", "kafka", "--json")
	b := ready(t, dev, data)
	require.Len(t, b.environ, 1)
	require.Equal(t, exitDone, dev.stop(t), dev.stderr)
	require.Contains(t, decode[map[string]string](t, dev.stdout.String()), "TRIBUTARY_KAFKA_BROKERS")
}

func TestDevSaysThatAProjectorStoppedAndGoesOn(t *testing.T) {
	t.Parallel()
	data := filepath.Join(openFolder(t), "data")
	dev := books{}.start(t, "dev", "--data", data, "--ports", "auto")
	b := ready(t, dev, data)
	for _, variable := range b.environ {
		if name, value, _ := strings.Cut(variable, "="); name == postgresVariable {
			b.url = value
		}
	}
	b.exec(t, `ALTER TABLE balances.entries_g1 ADD CONSTRAINT bug CHECK (amount < 100)`)
	b.must(t, "publish", write(t, sample))
	require.Eventually(t, func() bool {
		return strings.Contains(dev.stderr.String(), "projector balances has stopped, the others go on")
	}, time.Minute, 10*time.Millisecond)
	require.Equal(t, exitNo, dev.stop(t), dev.stderr)
}

func TestDemo(t *testing.T) {
	t.Parallel()
	folder := openFolder(t)
	got := books{environ: []string{"TMPDIR=" + folder}}.must(t, "demo")
	for _, words := range []string{
		"published 46 events", "every projection has them", "line 1: amount_negative at data.amount.value", "payments/",
		"merchant:acme:payable", "proven", "make dev",
	} {
		require.Contains(t, got.stdout, words)
	}
	require.NotContains(t, got.stdout, "DIFFERS")
	for line := range strings.Lines(got.stdout) {
		require.LessOrEqual(t, len([]rune(line)), 130, line)
	}
	left, err := os.ReadDir(folder)
	require.NoError(t, err)
	require.Empty(t, left)
}

// TestDevDoesWithoutClickHouse is what happens on machines that have no engine.
func TestDevDoesWithoutClickHouse(t *testing.T) {
	t.Parallel()
	var said bytes.Buffer
	a := &app{world: world{stdout: io.Discard, stderr: &said}}
	var err error
	a.settings, err = loadSettings(pflag.NewFlagSet("", pflag.ContinueOnError), nil)
	require.NoError(t, err)
	run, err := a.startDev(t.Context(), devstack.Options{
		Data: filepath.Join(openFolder(t), "data"), Ports: devstack.PortsAuto, Small: true, Logger: slog.New(slog.DiscardHandler),
		Only: []string{devstack.ServerKafka, devstack.ServerPostgres},
	}, "127.0.0.1:0")
	require.NoError(t, err)
	defer func() { require.NoError(t, run.stop(t.Context())) }()
	require.Equal(t, []string{"balances", "receipts", "receivers", "quarantine", "subjects"}, run.running.names())
	require.Contains(t, said.String(), "left out: revenue: no ClickHouse is configured")
	require.NoError(t, a.printDev(run, "data", "file", time.Second))
	require.NoError(t, a.verify(t.Context(), nil))
}
