package simulation_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tributary-ledger/tributary/ledger"
	"github.com/tributary-ledger/tributary/ledger/simulation"
	"github.com/tributary-ledger/tributary/schemas/eventsv1"
)

// TestEveryPathIsTaken writes down what happens to each payment, receiver and payout, a word an event, and looks for each way that
// can be gone.
func TestEveryPathIsTaken(t *testing.T) {
	t.Parallel()
	lives := map[string]*strings.Builder{}
	s := start(t, simulation.Options{Seed: 6, Events: 40_000, Accounts: 100, Span: 365 * 24 * time.Hour})
	for e, ok := s.Next(); ok; e, ok = s.Next() {
		if lives[e.Subject] == nil {
			lives[e.Subject] = &strings.Builder{}
		}
		lives[e.Subject].WriteString(word(e))
	}
	const charge = "started,prepared,post_requested,"
	const refund = "refund_requested,refunded,"
	missing := map[string]bool{
		"started,":                                                 true,
		"started,failed,":                                          true,
		"started,prepared,":                                        true,
		"started,prepared,cancelled,":                              true,
		charge:                                                     true,
		charge + "failed,":                                         true,
		charge + "failed,posted,":                                  true,
		charge + "posted,":                                         true,
		charge + "posted," + refund:                                true,
		charge + "posted," + refund + refund:                       true,
		charge + "posted,refund_requested,":                        true,
		charge + "posted,dispute_opened,":                          true,
		charge + "posted,dispute_opened,dispute_won,":              true,
		charge + "posted,dispute_opened,dispute_lost,":             true,
		charge + "posted,refund_requested,refund_failed,":          true,
		charge + "posted,refund_requested,refund_failed," + refund: true,
		"created,":                    true,
		"created,expired,":            true,
		"created,detected,":           true,
		"created,detected,confirmed,": true,
		"created,detected,detected,confirmed,confirmed,":                 true,
		"created,expired,detected,confirmed,":                            true,
		"created,detected,confirmed,reversed:true,":                      true,
		"created,detected,reversed:false,expired,":                       true,
		"created,detected,confirmed,callback_delivered,":                 true,
		"created,detected,confirmed,callback_failed,callback_delivered,": true,
		"created,detected,confirmed,callback_failed,callback_failed,":    true,
		"sent,":          true,
		"sent,returned,": true,
	}
	for _, life := range lives {
		delete(missing, life.String())
	}
	require.Empty(t, missing)
}

// word is what an event says in short.
func word(e *ledger.Event) string {
	name := strings.TrimSuffix(string(e.Type), ".v1")
	name = strings.TrimPrefix(name[strings.LastIndexByte(name, '.')+1:], "payment_")
	if d, ok := e.Data.(*eventsv1.ReceiverPaymentReversed); ok && d.GetWasConfirmed() {
		return name + ":true,"
	} else if ok {
		return name + ":false,"
	}
	return name + ","
}
