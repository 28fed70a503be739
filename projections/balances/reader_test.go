package balances

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"github.com/tributary-ledger/tributary/ledger/eventlog"
	"github.com/tributary-ledger/tributary/projections"
	"github.com/tributary-ledger/tributary/projections/postgres"
)

// commit puts n posted payments into the tables, by the store alone.
func commit(t *testing.T, pool *pgxpool.Pool, n int) {
	t.Helper()
	store := postgres.NewStore(pool, New(pool, nil), postgres.Options{})
	at := eventlog.TopicPartition{Topic: eventlog.TopicPayments}
	owned, err := store.Acquire(t.Context(), []projections.Claim{{TopicPartition: at, TopicID: eventlog.TopicID{1}}})
	require.NoError(t, err)
	batch := projections.Batch{Ranges: []projections.Range{{
		TopicPartition: at, To: int64(n), Epoch: owned[at].Epoch, Generation: owned[at].Generation, RecordedAt: time.Now(),
	}}}
	for i := range n {
		batch.Records = append(batch.Records, eventlog.Record{Position: at.At(int64(i)), RecordedAt: time.Now(), Event: posted(i)})
	}
	change, err := store.Prepare(t.Context(), batch)
	require.NoError(t, err)
	_, err = change.Commit(t.Context())
	require.NoError(t, err)
}

func TestBalancesAndEntriesComeByPages(t *testing.T) {
	t.Parallel()
	pool := open(t)
	commit(t, pool, 100) // 10 merchants, platform:fees, provider:till:clearing
	var all []Balance
	filter := Filter{Limit: 5}
	for {
		page, err := List(t.Context(), pool, filter)
		require.NoError(t, err)
		all = append(all, page...)
		if len(page) < filter.Limit {
			break
		}
		filter.After = &page[len(page)-1]
	}
	require.Len(t, all, 12)
	for i := range 10 {
		require.Equal(t, Balance{
			Ledger: "main", Account: fmt.Sprintf("merchant:m%d:payable", i), AssetCode: "EUR", Debits: "0", Credits: "97.5", Balance: "97.5",
		}, all[i])
	}
	merchants, err := List(t.Context(), pool, Filter{Prefix: "merchant:m"})
	require.NoError(t, err)
	require.Equal(t, all[:10], merchants)
	for _, nothing := range []Filter{{Account: "merchant:m"}, {Ledger: "other"}, {Asset: "USD"}, {Prefix: "x"}} {
		none, err := List(t.Context(), pool, nothing)
		require.NoError(t, err)
		require.Empty(t, none)
	}

	var entries []Entry
	of := EntryFilter{Account: "platform:fees", Limit: 7}
	for {
		page, err := Entries(t.Context(), pool, of)
		require.NoError(t, err)
		entries = append(entries, page...)
		if len(page) < of.Limit {
			break
		}
		of.After = &page[len(page)-1]
	}
	require.Len(t, entries, 100)
	seen := map[string]bool{}
	for i := range entries {
		require.Equal(t, "0.25", entries[i].Amount)
		require.Equal(t, time.UTC, entries[i].OccurredAt.Location())
		require.False(t, i > 0 && entries[i].OccurredAt.After(entries[i-1].OccurredAt))
		seen[entries[i].Position().String()] = true
	}
	require.Len(t, seen, 100)
}

func TestReadersTellOfTheServersErrors(t *testing.T) {
	t.Parallel()
	pool := open(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := List(ctx, pool, Filter{})
	require.ErrorContains(t, err, "list balances")
	_, err = Entries(ctx, pool, EntryFilter{Account: "platform:fees"})
	require.ErrorContains(t, err, "list the entries of platform:fees")
}
