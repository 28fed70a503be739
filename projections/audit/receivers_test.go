package audit_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tributary-ledger/tributary/ledger"
	"github.com/tributary-ledger/tributary/projections/audit"
	"github.com/tributary-ledger/tributary/schemas/eventsv1"
)

const (
	receiversCheck        = "every receiver is as the log says"
	receiverPaymentsCheck = "every payment to a receiver is as the log says"
	decisionsCheck        = "payments to receivers name the events that decided them"
)

func detected(n int, receiver string, vout uint32, cents int) *ledger.Event {
	return event(n, &eventsv1.ReceiverPaymentDetected{
		ReceiverId: receiver, MerchantId: "m1", Chain: "dash", Txid: "tx", Vout: &vout, Address: "a", Amount: money(cents),
		InstantLocked: new(true),
	})
}

// received puts the lives of some receivers into the log, out of order and with copies, and projects them.
func received(t *testing.T) *stack {
	t.Helper()
	s := open(t)
	confirmed := event(3, &eventsv1.ReceiverPaymentConfirmed{
		ReceiverId: "r1", MerchantId: "m1", Chain: "dash", Txid: "tx", Vout: new(uint32(0)), Address: "a", Amount: money(400),
	})
	s.put(t, 0, confirmed, event(1, &eventsv1.ReceiverCreated{
		ReceiverId: "r1", MerchantId: "m1", Chain: "dash", Address: "a", AmountFiat: money(1000), BaseFiat: "01.50",
		AmountDue: money(1000), CallbackUrl: "https://shop.example", ExpiresAt: "2026-03-04T05:06:11+00:00",
	}))
	s.put(t, 1, detected(2, "r1", 0, 400), confirmed, event(4, &eventsv1.ReceiverExpired{ReceiverId: "r1", MerchantId: "m1"}))
	s.put(t, 2, detected(5, "r1", 1, 600), detected(6, "unknown", 0, 7), event(7, &eventsv1.ReceiverPaymentReversed{
		ReceiverId: "r1", MerchantId: "m1", Chain: "dash", Txid: "tx", Vout: new(uint32(1)), Address: "a", Amount: money(600),
		Reason: "spent twice", WasConfirmed: new(false),
	}))
	s.project(t, "receivers")
	return s
}

func TestReceiversVerify(t *testing.T) {
	t.Parallel()
	p := received(t).verify(t, "receivers")
	require.Empty(t, p.Differences)
	require.Empty(t, failed(p))
	require.EqualValues(t, 8, p.Records)
	require.EqualValues(t, 1, p.Duplicates)
	require.Equal(t, map[string]int64{
		progressCheck: 3, pastCheck: 7, identityCheck: 7, receiversCheck: 2, receiverPaymentsCheck: 3, decisionsCheck: 3,
	}, compared(p))
}

func TestChangedReceiversAreFound(t *testing.T) {
	t.Parallel()
	type difference struct{ table, key, column, kind string }
	const receiver, payment, decision = "books.receivers", "books.receiver_payments", "receivers.payments"
	for name, c := range map[string]struct {
		sql  string
		want []difference
	}{
		"due": {
			`UPDATE receivers.receivers SET amount_due = 4 WHERE receiver_id = 'r1'`,
			[]difference{{receiver, "main r1", "state", audit.KindDifferent}, {receiver, "main r1", "amount_due", audit.KindDifferent}},
		},
		"rate": {
			`UPDATE receivers.receivers SET base_fiat = 1.51 WHERE receiver_id = 'r1'`,
			[]difference{{receiver, "main r1", "base_fiat", audit.KindDifferent}},
		},
		"callback": {
			`UPDATE receivers.receivers SET callback_url = NULL WHERE receiver_id = 'r1'`,
			[]difference{{receiver, "main r1", "callback_url", audit.KindDifferent}},
		},
		"expiry": {
			`UPDATE receivers.receivers SET expired_at = NULL WHERE receiver_id = 'r1'`,
			[]difference{{receiver, "main r1", "state", audit.KindDifferent}},
		},
		"late": {
			`UPDATE receivers.payments SET seen_at = seen_at - interval '1 minute' WHERE receiver_id = 'r1' AND vout = 1`,
			[]difference{{payment, "main r1 tx 1", "late", audit.KindDifferent}},
		},
		"payment reversed no more": {
			`UPDATE receivers.payments SET state = 2 WHERE receiver_id = 'r1' AND vout = 1`,
			[]difference{
				{receiver, "main r1", "state", audit.KindDifferent},
				{receiver, "main r1", "confirmed", audit.KindDifferent},
				{payment, "main r1 tx 1", "state", audit.KindDifferent},
			},
		},
		"lock": {
			`UPDATE receivers.payments SET instant_locked = false WHERE receiver_id = 'unknown'`,
			[]difference{{payment, "main unknown tx 0", "instant_locked", audit.KindDifferent}},
		},
		"decision": {
			`UPDATE receivers.payments SET event_id = '` + numbered(5).String() + `' WHERE vout = 1`,
			[]difference{{decision, "main r1 tx 1", "event_id", audit.KindDifferent}},
		},
		"receiver lost": {
			`DELETE FROM receivers.receivers WHERE receiver_id = 'unknown'`,
			[]difference{{receiver, "main unknown", "", audit.KindMissing}},
		},
		"identity": {
			`DELETE FROM receivers.identity WHERE event_id = '` + numbered(4).String() + `'`,
			[]difference{{"receivers.identity", numbered(4).String(), "", audit.KindMissing}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := received(t)
			s.tamper(t, 1, c.sql)
			p := s.verify(t, "receivers")
			found := make([]difference, 0, len(c.want))
			for _, d := range p.Differences {
				found = append(found, difference{d.Table, d.Key, d.Column, d.Kind})
				require.NotEmpty(t, d.Events, d)
			}
			require.ElementsMatch(t, c.want, found)
		})
	}
}

// A projection that is live and that nothing here can prove is no proof of all.
func TestAProjectionWithoutProofIsNotPassedOver(t *testing.T) {
	t.Parallel()
	s := open(t)
	s.tamper(t, 1, `INSERT INTO tributary.live (projection, generation) SELECT 'novelty', generation FROM tributary.live
		WHERE projection = 'balances'`)
	_, err := audit.New(s.pool, s.kafka, nil).Verify(t.Context(), nil, nil)
	require.ErrorContains(t, err, `no projection "novelty" that can be verified`)
}
