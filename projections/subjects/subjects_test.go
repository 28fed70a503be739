package subjects

import (
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/tributary-ledger/tributary/deploy/devstack/stacktest"
	"github.com/tributary-ledger/tributary/ledger"
	"github.com/tributary-ledger/tributary/ledger/eventlog"
	"github.com/tributary-ledger/tributary/projections/postgres/foldtest"
	"github.com/tributary-ledger/tributary/schemas/eventsv1"
)

func TestMain(m *testing.M) { stacktest.Main(m) }

// cancelled is an event about a payment.
func cancelled(payment string) *ledger.Event {
	return ledger.NewEvent(uuid.New(), time.Unix(1_700_000_000, 0), "urn:test", &eventsv1.PaymentCancelled{PaymentId: payment})
}

// Copies of an event are found, each of them, within a batch and later, and what was refused by each name that it has.
func TestEveryRecordIsFoundByItsNames(t *testing.T) {
	t.Parallel()
	pool := foldtest.Open(t, New())
	event, other := cancelled("a payment"), cancelled("another")
	refused := foldtest.Record(event, 7, 3)
	refused.Event = nil
	refused.Rejected = &eventlog.Rejection{
		Key: []byte(event.Subject), Payload: []byte(`{"subject":"its subject","data":{"payment_id":"its id"}}`),
	}
	owner := foldtest.Own(t, pool, New())
	require.Zero(t, owner.Commit(t, foldtest.Record(event, 7, 0), foldtest.Record(event, 7, 1), foldtest.Record(other, 7, 2)).Duplicates)
	owner.Commit(t, refused, foldtest.Record(event, 7, 4))

	for name, want := range map[string][]int64{
		event.Subject: {0, 1, 3, 4}, other.Subject: {2}, "its subject": {3}, "its id": {3}, "nothing": nil,
	} {
		var got []int64
		require.NoError(t, Places(t.Context(), pool, name, func(found eventlog.Position) {
			require.Equal(t, eventlog.TopicPartition{Topic: eventlog.TopicPayments, Partition: 7}, found.TopicPartition())
			got = append(got, found.Offset)
		}))
		require.ElementsMatch(t, want, got, name)
	}
	reached, err := Progress(t.Context(), pool)
	require.NoError(t, err)
	require.Len(t, reached, 1)
	for _, kept := range reached {
		require.Equal(t, int64(5), kept.Next)
		require.False(t, kept.TopicID.IsZero())
	}
}
