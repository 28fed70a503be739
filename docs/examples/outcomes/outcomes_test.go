package outcomes_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"github.com/tributary-ledger/tributary/deploy/devstack/stacktest"
	"github.com/tributary-ledger/tributary/docs/examples/outcomes"
	"github.com/tributary-ledger/tributary/ledger"
	"github.com/tributary-ledger/tributary/ledger/eventlog"
	"github.com/tributary-ledger/tributary/projections/postgres/foldtest"
)

func TestMain(m *testing.M) { stacktest.Main(m) }

// testdata/outcomes has events, a line each (time, type, provider), and below them the view. Every case is put in twice:
// forwards, and then all of it again on other partitions, which must change nothing.
func TestOutcomes(t *testing.T) {
	t.Parallel()
	datadriven.RunTest(t, "testdata/outcomes", func(t *testing.T, d *datadriven.TestData) string {
		t.Helper()
		pool := foldtest.Open(t, outcomes.Projection{})
		owner := foldtest.Own(t, pool, outcomes.Projection{})
		events := parse(t, d.Input)
		for round := range int32(2) {
			records := make([]eventlog.Record, len(events))
			for i, event := range events {
				records[i] = foldtest.Record(event, 5*round+int32(i%3), int64(i))
			}
			owner.Commit(t, records...)
		}
		return view(t, pool)
	})
}

func parse(t *testing.T, input string) []*ledger.Event {
	t.Helper()
	var events []*ledger.Event
	for line := range strings.Lines(input) {
		fields := strings.Fields(line)
		require.Len(t, fields, 3, line)
		data := `"reason_code": "declined"`
		if fields[1] == "posted" {
			data = `"transaction_id": "t", "user_id": "u", "payment_type": "credit", "merchant_id": "m",
				"amount": {"value": "100", "asset_code": "EUR", "asset_scale": 2}`
		}
		event, invalid := ledger.DecodeJSON(fmt.Appendf(nil, `{"specversion": "1.0", "id": %q, "source": "urn:test",
			"type": "tributary.payment.%s.v1", "time": %q, "subject": "p",
			"data": {"payment_id": "p", "provider": %q, %s}}`, uuid.New(), fields[1], fields[0], fields[2], data), ledger.Strict)
		require.Nil(t, invalid)
		events = append(events, event)
	}
	return events
}

func view(t *testing.T, pool *pgxpool.Pool) string {
	t.Helper()
	rows, err := pool.Query(t.Context(), `SELECT format('%s %s posted=%s failed=%s', day, provider, posted, failed)
		FROM books.outcomes ORDER BY day, provider`)
	require.NoError(t, err)
	all, err := pgx.CollectRows(rows, pgx.RowTo[string])
	require.NoError(t, err)
	return strings.Join(all, "\n") + "\n"
}
