package floors

import (
	"math/rand/v2"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/tributary-ledger/tributary/deploy/devstack/stacktest"
)

func TestMain(m *testing.M) { stacktest.Main(m) }

// An id counts once, however long ago it came: what is measured keeps the invariant that it is measured for.
func TestAnIDIsNewOnce(t *testing.T) {
	t.Parallel()
	conn, err := pgx.Connect(t.Context(), stacktest.Postgres(t))
	require.NoError(t, err)
	defer func() { require.NoError(t, conn.Close(t.Context())) }()
	_, err = conn.Exec(t.Context(), runsTable)
	require.NoError(t, err)
	const batches, perBatch = 80, 600
	all := newRuns(batches * perBatch / 4) // A filter that is too small says "perhaps" often.
	seen := map[uuid.UUID]bool{}
	var before []uuid.UUID
	for n := range batches {
		fresh := map[uuid.UUID]bool{}
		ids := make([]uuid.UUID, perBatch)
		for i := range ids {
			switch {
			case i%10 == 0 && len(before) > 0:
				ids[i] = before[rand.IntN(len(before))]
			case i%10 == 1:
				ids[i] = ids[i-1]
			case n%2 == 0:
				ids[i] = uuid.New()
			default:
				ids[i] = uuid.Must(uuid.NewV7())
			}
			if !seen[ids[i]] {
				seen[ids[i]], fresh[ids[i]] = true, true
				before = append(before, ids[i])
			}
		}
		require.NoError(t, pgx.BeginFunc(t.Context(), conn, func(tx pgx.Tx) error {
			got, err := all.add(t.Context(), tx, ids)
			require.Len(t, got, len(fresh))
			for _, id := range got {
				require.True(t, fresh[id])
			}
			return err
		}))
	}
	require.Positive(t, all.looked)
	require.Greater(t, len(all.levels), 2, "runs were merged")
	var kept int
	require.NoError(t, conn.QueryRow(t.Context(), "SELECT sum(length(ids)) / 16 FROM runs").Scan(&kept))
	require.Equal(t, len(seen), kept)
}
