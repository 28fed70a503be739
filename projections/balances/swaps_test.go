package balances

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/tributary-ledger/tributary/ledger"
	"github.com/tributary-ledger/tributary/ledger/eventlog"
	"github.com/tributary-ledger/tributary/projections"
	"github.com/tributary-ledger/tributary/projections/postgres"
	"github.com/tributary-ledger/tributary/projections/postgres/foldtest"
	"github.com/tributary-ledger/tributary/projections/storetest"
)

// What readers see through swaps to and fro: both sides equal in each answer, the balances those of the entries, and nothing back.
func TestBooksStayEvenThroughSwaps(t *testing.T) {
	t.Parallel()
	pool := open(t)
	var made atomic.Int32
	storetest.FollowSwaps(t, storetest.Live{
		Pool: pool, Log: foldtest.Log(t), ErrBehind: postgres.ErrBehind,
		Open: func(generation int32) projections.Store {
			return postgres.NewStore(pool, New(pool, nil), postgres.Options{Generation: generation})
		},
		Create: func(ctx context.Context) (int32, error) { return postgres.CreateGeneration(ctx, pool, New(pool, nil)) },
		Swap: func(ctx context.Context, to int32, catchUp func(context.Context, map[eventlog.TopicPartition]int64) error) error {
			return postgres.Swap(ctx, pool, New(pool, nil).Definition(), to, catchUp)
		},
		Event: func() *ledger.Event { return posted(int(made.Add(1))) },
		Questions: []storetest.Question{
			func(ctx context.Context) (storetest.Answer, string, error) { return askTotals(ctx, pool) },
			func(ctx context.Context) (storetest.Answer, string, error) { return askEntries(ctx, pool) },
		},
	})
}

// querier is a pool, or a transaction.
type querier interface {
	Query(ctx context.Context, sql string, arguments ...any) (pgx.Rows, error)
}

// askTotals asks for the sums of all accounts, of each asset. Each event is a payment of 10 with a fee of 0.25.
func askTotals(ctx context.Context, from querier) (answer storetest.Answer, impossible string, err error) {
	rows, err := from.Query(ctx, `SELECT asset_code, (sum(debits) * 100)::int8, (sum(credits) * 100)::int8,
		(sum(debits) FILTER (WHERE account LIKE 'provider:%') / 10)::int8 FROM books.account_balances GROUP BY 1`)
	if err != nil {
		return answer, "", err
	}
	answer.Totals = map[string]int64{}
	var wrong []string
	var asset string
	var debits, credits, events int64
	_, err = pgx.ForEachRow(rows, []any{&asset, &debits, &credits, &events}, func() error {
		if debits != credits {
			wrong = append(wrong, fmt.Sprintf("debits of %d and credits of %d in %s", debits, credits, asset))
		}
		answer.Totals["debits in "+asset] = debits
		answer.Events += events
		return nil
	})
	return answer, strings.Join(wrong, "; "), err
}

// askEntries asks for the entries, and holds the balances of the same snapshot to them.
func askEntries(ctx context.Context, from querier) (answer storetest.Answer, impossible string, err error) {
	rows, err := from.Query(ctx, `SELECT count(DISTINCT event_id), coalesce(sum(amount) FILTER (WHERE direction = 'debit'), 0)
		= (SELECT coalesce(sum(debits), 0) FROM books.account_balances), count(*) = count(DISTINCT (event_id, entry)) FROM books.entries`)
	if err != nil {
		return answer, "", err
	}
	type row struct {
		Events      int64
		Even, Apart bool
	}
	got, err := pgx.CollectExactlyOneRow(rows, pgx.RowToStructByPos[row])
	if err == nil && !got.Even {
		impossible = "the balances are not those of the entries"
	}
	if err == nil && !got.Apart {
		impossible += "an entry comes twice"
	}
	return storetest.Answer{Events: got.Events}, impossible, err
}

// The questions find what they are asked for.
func TestQuestionsFindUnevenBooks(t *testing.T) {
	t.Parallel()
	pool := open(t)
	foldtest.Own(t, pool, New(pool, nil)).Commit(t, foldtest.Record(posted(1), 0, 0))
	for _, harm := range []string{
		`UPDATE balances.totals SET debits = debits + 1 WHERE debits > 0`,
		`INSERT INTO balances.entries SELECT * FROM balances.entries`,
	} {
		tx, err := pool.Begin(t.Context())
		require.NoError(t, err)
		_, impossible, err := askEntries(t.Context(), tx)
		require.NoError(t, err)
		require.Empty(t, impossible)
		answer, impossible, err := askTotals(t.Context(), tx)
		require.NoError(t, err)
		require.Empty(t, impossible)
		require.EqualValues(t, 1, answer.Events)
		_, err = tx.Exec(t.Context(), harm)
		require.NoError(t, err)
		_, impossible, err = askEntries(t.Context(), tx)
		require.NoError(t, err)
		require.NotEmpty(t, impossible, harm)
		_, impossible, err = askTotals(t.Context(), tx)
		require.NoError(t, err)
		require.Equal(t, strings.HasPrefix(harm, "UPDATE"), impossible != "", harm)
		require.NoError(t, tx.Rollback(t.Context()))
	}
}
