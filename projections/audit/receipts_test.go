package audit_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tributary-ledger/tributary/ledger"
	"github.com/tributary-ledger/tributary/projections/audit"
	"github.com/tributary-ledger/tributary/schemas/eventsv1"
)

const (
	paymentsCheck  = "every payment is as the log says"
	receiptsCheck  = "every receipt is as the log says"
	refundsCheck   = "every refund is as the log says"
	movementsCheck = "movements are the events that moved money"
)

// sold puts the lives of some payments into the log, out of order and with copies, and projects them.
func sold(t *testing.T) *stack {
	t.Helper()
	s := open(t)
	bought := posted(1, 1000)
	data, _ := bought.Data.(*eventsv1.PaymentPosted)
	data.Lines = []*eventsv1.Line{{Sku: "a", Description: "A \"thing\"", Quantity: "2", UnitPrice: money(500)}}
	refund := func(n, cents int) *ledger.Event {
		return event(n, &eventsv1.PaymentRefunded{
			PaymentId: "pay-1", RefundId: "r1", TransactionId: "tx-r", Provider: "till", MerchantId: "m1", Amount: money(cents),
			FeeReturned: money(1), Reason: "late",
		})
	}
	s.put(t, 0, refund(2, 300), bought, posted(3, 500))
	s.put(t, 1, event(4, &eventsv1.PaymentRefundRequested{PaymentId: "pay-1", RefundId: "r1", Amount: money(300)}), refund(2, 300))
	s.put(t, 2,
		event(5, &eventsv1.PaymentRefundFailed{PaymentId: "pay-3", RefundId: "r2", ReasonCode: "no"}),
		event(6, &eventsv1.PaymentDisputeOpened{PaymentId: "pay-3", DisputeId: "d", Provider: "till", MerchantId: "m1", Amount: money(7)}),
		event(7, &eventsv1.PaymentStarted{
			PaymentId: "pay-9", UserId: "u", PaymentType: "debit", Provider: "till", MerchantId: "m1", Amount: money(7),
		}))
	s.project(t, "receipts")
	return s
}

func TestReceiptsVerify(t *testing.T) {
	t.Parallel()
	p := sold(t).verify(t, "receipts")
	require.Empty(t, p.Differences)
	require.Empty(t, failed(p))
	require.EqualValues(t, 8, p.Records)
	require.EqualValues(t, 1, p.Duplicates)
	require.Equal(t, map[string]int64{
		progressCheck: 3, pastCheck: 7, identityCheck: 7, paymentsCheck: 3, receiptsCheck: 2, refundsCheck: 2, movementsCheck: 4,
	}, compared(p))
}

func TestChangedReceiptsAreFound(t *testing.T) {
	t.Parallel()
	type where struct{ check, table, key, column, kind string }
	payment, receipt := "main pay-1", "books.receipts"
	for name, c := range map[string]struct {
		sql  string
		want []where
	}{
		"state": {
			`UPDATE receipts.payments SET state = 9 WHERE payment_id = 'pay-1'`,
			[]where{{paymentsCheck, "books.payments", payment, "state", audit.KindDifferent}},
		},
		"fee": {
			`UPDATE receipts.payments SET fee = 1.01 WHERE payment_id = 'pay-1'`,
			[]where{{receiptsCheck, receipt, payment, "fee", audit.KindDifferent}},
		},
		"amount": {
			`UPDATE receipts.payments SET amount = 10.01 WHERE payment_id = 'pay-1'`,
			[]where{
				{paymentsCheck, "books.payments", payment, "amount", audit.KindDifferent},
				{receiptsCheck, receipt, payment, "amount", audit.KindDifferent},
			},
		},
		"lines": {
			`UPDATE receipts.payments SET lines = '[]' WHERE payment_id = 'pay-1'`,
			[]where{{receiptsCheck, receipt, payment, "lines", audit.KindDifferent}},
		},
		"version": {
			`UPDATE receipts.payments SET version = 3 WHERE payment_id = 'pay-1'`,
			[]where{{receiptsCheck, receipt, payment, "version", audit.KindDifferent}},
		},
		"receipt lost": {
			`UPDATE receipts.payments SET posted_at = NULL WHERE payment_id = 'pay-1'`,
			[]where{
				{paymentsCheck, "books.payments", payment, "posted_at", audit.KindDifferent},
				{receiptsCheck, receipt, payment, "", audit.KindMissing},
			},
		},
		"refund": {
			`UPDATE receipts.refunds SET state = 1 WHERE payment_id = 'pay-1'`,
			[]where{{refundsCheck, "books.refunds", "main pay-1 r1", "state", audit.KindDifferent}},
		},
		"refund lost": {
			`DELETE FROM receipts.refunds WHERE payment_id = 'pay-1'`,
			[]where{{refundsCheck, "books.refunds", "main pay-1 r1", "", audit.KindMissing}},
		},
		"payment invented": {
			`UPDATE receipts.payments SET ledger = 'other' WHERE payment_id = 'pay-9'`,
			[]where{
				{paymentsCheck, "books.payments", "main pay-9", "", audit.KindMissing},
				{paymentsCheck, "books.payments", "other pay-9", "", audit.KindExtra},
			},
		},
		"movement": {
			`UPDATE receipts.movements SET reference = 'x' WHERE event_id = '` + numbered(1).String() + `'`,
			[]where{{movementsCheck, "receipts.movements", numbered(1).String(), "reference", audit.KindDifferent}},
		},
		"identity": {
			`DELETE FROM receipts.identity WHERE event_id = '` + numbered(5).String() + `'`,
			[]where{{identityCheck, "receipts.identity", numbered(5).String(), "", audit.KindMissing}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := sold(t)
			s.tamper(t, 1, c.sql)
			p := s.verify(t, "receipts")
			found := make([]where, 0, len(c.want))
			for _, d := range p.Differences {
				found = append(found, where{"", d.Table, d.Key, d.Column, d.Kind})
				require.Equal(t, d.Kind == audit.KindExtra, len(d.Events) == 0, d)
			}
			checks := make([]string, 0, len(c.want))
			for i := range c.want {
				checks = append(checks, c.want[i].check)
				c.want[i].check = ""
			}
			require.Equal(t, c.want, found)
			require.Subset(t, checks, failed(p))
			require.Subset(t, failed(p), checks)
		})
	}
}
