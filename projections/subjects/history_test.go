package subjects

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/tributary-ledger/tributary/ledger"
	"github.com/tributary-ledger/tributary/ledger/eventlog"
	"github.com/tributary-ledger/tributary/projections/postgres/foldtest"
)

// What is acknowledged behind somebody's open transaction is not shown yet. A history without it would refuse what it allows.
func TestAHistoryWaitsForOpenTransactions(t *testing.T) {
	t.Parallel()
	log := foldtest.Log(t)
	history, err := NewHistory(foldtest.Open(t, New()), log)
	require.NoError(t, err)
	t.Cleanup(history.Close)
	writer, err := eventlog.NewWriter(log)
	require.NoError(t, err)
	t.Cleanup(writer.Close)
	event := cancelled("a payment")
	before, err := writer.PublishAll(t.Context(), []*ledger.Event{event})
	require.NoError(t, err)
	other, err := eventlog.NewClient(log, kgo.TransactionalID("of another"), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	require.NoError(t, err)
	t.Cleanup(other.Close)
	require.NoError(t, other.BeginTransaction())
	open := &kgo.Record{Topic: before[0].Topic, Partition: before[0].Partition, Value: []byte("{}")}
	require.NoError(t, other.ProduceSync(t.Context(), open).FirstErr())
	after, err := writer.PublishAll(t.Context(), []*ledger.Event{cancelled("a payment")})
	require.NoError(t, err)

	const moment = 300 * time.Millisecond
	soon, cancel := context.WithTimeout(t.Context(), moment)
	defer cancel()
	_, err = history.Payment(soon, event.Ledger, event.Subject, eventlog.Position{})
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.NoError(t, other.EndTransaction(t.Context(), kgo.TryAbort))
	found, err := history.Payment(t.Context(), event.Ledger, event.Subject, eventlog.Position{})
	require.NoError(t, err)
	require.Len(t, found, 2)
	require.Equal(t, after[0], found[1].Position)
}
