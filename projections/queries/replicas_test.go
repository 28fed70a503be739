package queries

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tributary-ledger/tributary/deploy/devstack"
	"github.com/tributary-ledger/tributary/deploy/devstack/stacktest"
)

const patience, tick = time.Minute, 5 * time.Millisecond

// replicated are books with two standbys that stream.
func replicated(t *testing.T) (b *books, primary *devstack.Postgres, standbys [2]*devstack.Postgres) {
	t.Helper()
	primary = stacktest.PostgresServer(t)
	require.NoError(t, migrate(t.Context(), primary.URL()))
	urls := make([]string, 0, len(standbys))
	for i := range standbys {
		standbys[i] = stacktest.Standby(t, primary)
		urls = append(urls, standbys[i].URL())
	}
	return newBooks(t, primary.URL(), nil, urls, ofReceipts, ofBalances), primary, standbys
}

// readFrom is how many of a few reads went where.
func (b *books) readFrom(t *testing.T) map[string]int {
	t.Helper()
	const reads = 8
	from := map[string]int{}
	for range reads {
		name, err := ask(t.Context(), b.queries, ofReceipts, nil, func(ctx context.Context, s *store) (string, error) {
			return s.name, s.pool.Ping(ctx)
		})
		require.NoError(t, err)
		from[name]++
	}
	return from
}

func at(server *devstack.Postgres) string { return fmt.Sprintf("127.0.0.1:%d", server.Port()) }

func TestStandbys(t *testing.T) {
	t.Parallel()
	b, primary, standbys := replicated(t)
	position := b.publish(t, posted("1", "acme", noon()))
	require.Equal(t, http.StatusOK, b.get(t, "main", "/v1/payments/pay-1?after="+position).status)
	noReadFailsWithAStandby(t, b, standbys)
	readsGoToStandbys(t, b, primary, standbys)
}

// Reads go to standbys that keep up, in turn, and elsewhere from those that lag or are down.
func readsGoToStandbys(t *testing.T, b *books, primary *devstack.Postgres, standbys [2]*devstack.Postgres) {
	t.Helper()
	only := func(servers ...*devstack.Postgres) func() bool {
		return func() bool {
			from := b.readFrom(t)
			for _, server := range servers {
				if from[at(server)] != 8/len(servers) {
					return false
				}
			}
			return true
		}
	}
	require.Eventually(t, only(standbys[0], standbys[1]), patience, tick)

	// A standby that stands still is left out, and what was written since is read from the other.
	_, err := b.queries.replicas[0].pool.Exec(t.Context(), "SELECT pg_wal_replay_pause()")
	require.NoError(t, err)
	for n := range 10 {
		position := b.publish(t, refunded("1", "acme", noon().Add(time.Duration(n)*time.Hour), 100))
		require.Len(t, read200[PaymentDetails](t, b, "main", "/v1/payments/pay-1?after="+position).Refunds, n+1)
	}
	require.Eventually(t, only(standbys[1]), patience, tick)
	require.Len(t, read200[PaymentDetails](t, b, "main", "/v1/payments/pay-1").Refunds, 10)
	_, err = b.queries.replicas[0].pool.Exec(t.Context(), "SELECT pg_wal_replay_resume()")
	require.NoError(t, err)
	require.Eventually(t, only(standbys[0], standbys[1]), patience, tick)

	require.NoError(t, standbys[1].Kill())
	require.Eventually(t, only(standbys[0]), patience, tick)
	require.NoError(t, standbys[0].Kill())
	require.Eventually(t, only(primary), patience, tick)
	require.NoError(t, standbys[1].Restart(t.Context()))
	require.Eventually(t, only(standbys[1]), patience, tick)
	require.NoError(t, primary.Kill())
	require.Eventually(t, func() bool { return !b.queries.primary.up() }, patience, tick)
	require.Len(t, read200[PaymentDetails](t, b, "main", "/v1/payments/pay-1").Refunds, 10, "the books are read while nobody can write")
	require.NoError(t, primary.Restart(t.Context()))
}

// Of many who read all the time nobody notices that a standby is killed, or stands still.
func noReadFailsWithAStandby(t *testing.T, b *books, standbys [2]*devstack.Postgres) {
	t.Helper()
	paths := []string{"/v1/payments/pay-1", "/v1/receipts/rcpt-1", "/v1/balances/merchant:acme:payable", "/v1/accounts/platform:fees/entries"}
	position := b.publish(t, posted("2", "acme", noon()))
	for _, path := range paths {
		require.Equal(t, http.StatusOK, b.get(t, "main", path+"?after="+position).status)
	}
	ctx, stop := context.WithCancel(t.Context())
	var reads, failed atomic.Int64
	var readers sync.WaitGroup
	for _, path := range paths {
		readers.Go(func() {
			for ctx.Err() == nil {
				if got := b.get(t, "main", path); got.status != http.StatusOK { //nolint:contextcheck // the test's own
					failed.Add(1)
					t.Errorf("%s: %d %s", path, got.status, got.body)
					return
				}
				reads.Add(1)
			}
		})
	}
	more := func() {
		t.Helper()
		before := reads.Load()
		require.Eventually(t, func() bool { return reads.Load() > before+200 || failed.Load() > 0 }, patience, tick)
	}
	more()
	require.NoError(t, standbys[0].Kill())
	more()
	require.NoError(t, standbys[1].Pause())
	more()
	require.NoError(t, standbys[0].Restart(t.Context()))
	more()
	require.NoError(t, standbys[1].Resume())
	more()
	stop()
	readers.Wait()
	require.Zero(t, failed.Load())
}
