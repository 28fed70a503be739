package main

import (
	"io"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tributary-ledger/tributary/deploy/devstack"
	"github.com/tributary-ledger/tributary/deploy/devstack/stacktest"
)

// TestOnApacheKafka tells the demo's story on a real broker, and then of copies that come and go, and of a broker that is restarted:
// groups, leaders and their epochs are not there what they are in the embedded one.
func TestOnApacheKafka(t *testing.T) {
	t.Parallel()
	kafka := stacktest.ApacheKafka(t, devstack.ApacheKafkaConfig{})
	b := booksAt(kafka.Brokers(), stacktest.Postgres(t)).withClickHouse(t)
	b.must(t, "migrate") // again, with nothing to do
	first, _ := b.project(t)
	b.tellStory(t)
	b.awaitMembers(t, 1)

	second, _ := b.project(t)
	b.awaitMembers(t, 2)
	b.publishMore(t, "1")
	require.Equal(t, exitDone, first.stop(t))
	b.awaitMembers(t, 1)
	b.publishMore(t, "2")

	require.NoError(t, kafka.Broker(1).Restart(t.Context()))
	b.publishMore(t, "3")
	b.awaitMembers(t, 1)
	require.Equal(t, exitDone, second.stop(t))
}

// tellStory does what the demo does, with these servers.
func (b books) tellStory(t *testing.T) {
	t.Helper()
	a := &app{world: world{stdout: io.Discard, stderr: io.Discard, environ: b.environ}}
	require.NoError(t, a.prepare(newRootCommand(a)))
	require.NoError(t, a.demoSteps(t.Context(), t.TempDir()))
}

// publishMore publishes simulated events, waits until every projection has them, and proves all.
func (b books) publishMore(t *testing.T, seed string) {
	t.Helper()
	lines := b.must(t, "simulate", "--events", "300", "--seed", seed, "--out", "-").stdout
	b.must(t, "publish", write(t, lines), "--wait")
	b.must(t, "verify")
}

// awaitMembers waits until every projection is ready and has so many copies.
func (b books) awaitMembers(t *testing.T, members int) {
	t.Helper()
	require.Eventually(t, func() bool {
		for _, p := range decode[statusReport](t, b.must(t, "status", "--json").stdout).Projections {
			if p.State != stateReady || p.Members == nil || *p.Members != members {
				return false
			}
		}
		return true
	}, patience, 50*time.Millisecond, "%d copies of every projection", members)
}
