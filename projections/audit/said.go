package audit

import (
	"bytes"
	"cmp"
	"math/big"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/tributary-ledger/tributary/ledger"
	"github.com/tributary-ledger/tributary/schemas/eventsv1"
)

// said is what an event says of a payment or a refund. Whatever field it does not have, or leaves out, is empty, or nil.
type said struct {
	kind ledger.Type
	at   time.Time
	id   uuid.UUID

	merchant, user, provider, paymentType, asset string
	transaction, receipt, reason                 string
	amount, fee                                  *big.Int
	lines                                        string // Their hash.
}

// mostWords is how many names are kept at a time.
const mostWords = 50_000

// words keeps one copy of names that many events say.
type words map[string]string

func (w words) keep(s string) string {
	kept, ok := w[s]
	if !ok {
		if len(w) == mostWords {
			clear(w)
		}
		kept = strings.Clone(s)
		w[kept] = kept
	}
	return kept
}

func (w words) keepBytes(b []byte) string {
	if kept, ok := w[string(b)]; ok {
		return kept
	}
	return w.keep(string(b))
}

// hear takes down what an event of a payment says. It shares no memory with the event.
func (w words) hear(event *ledger.Event) said {
	s := said{kind: ledger.Type(w.keep(string(event.Type))), at: event.Time, id: event.ID}
	if d, ok := event.Data.(interface{ GetMerchantId() string }); ok {
		s.merchant = w.keep(d.GetMerchantId())
	}
	if d, ok := event.Data.(interface{ GetUserId() string }); ok {
		s.user = strings.Clone(d.GetUserId())
	}
	if d, ok := event.Data.(interface{ GetProvider() string }); ok {
		s.provider = w.keep(d.GetProvider())
	}
	if d, ok := event.Data.(interface{ GetPaymentType() string }); ok {
		s.paymentType = w.keep(d.GetPaymentType())
	}
	if d, ok := event.Data.(interface{ GetAmount() *eventsv1.Money }); ok {
		s.asset, s.amount = w.keep(d.GetAmount().GetAssetCode()), units(d.GetAmount())
	}
	w.hearMore(&s, event.Data)
	return s
}

// hearMore takes down what only some say.
func (w words) hearMore(s *said, data ledger.Data) {
	switch d := data.(type) {
	case *eventsv1.PaymentPostRequested:
		s.transaction = strings.Clone(d.GetTransactionId())
	case *eventsv1.PaymentPosted:
		s.transaction = strings.Clone(d.GetTransactionId())
		s.receipt = strings.Clone(cmp.Or(d.GetReceiptId(), d.GetPaymentId()))
		s.lines = hashedLines(d.GetLines())
		if d.GetFee() != nil {
			s.fee = units(d.GetFee())
		}
	case *eventsv1.PaymentRefunded:
		s.reason = strings.Clone(d.GetReason())
		if d.GetFeeReturned() != nil {
			s.fee = units(d.GetFeeReturned())
		}
	case *eventsv1.PaymentRefundRequested:
		s.reason = strings.Clone(d.GetReason())
	}
}

// newer tells which of two counts: the one that happened last, of several at once the one with the highest id.
func (s *said) newer(than *said) bool {
	return cmp.Or(s.at.Compare(than.at), bytes.Compare(s.id[:], than.id[:])) > 0
}

// facts are the newest event of each group of types.
type facts []said

// hear replaces what was said before, if it is older, by an event of the same types.
func (f facts) hear(s said, group ...ledger.Type) facts {
	before := f.of(group...)
	switch {
	case before == nil:
		return append(f, s)
	case s.newer(before):
		*before = s
	}
	return f
}

// of is what an event of a type says, nil where there is none.
func (f facts) of(group ...ledger.Type) *said {
	for i := range f {
		if slices.Contains(group, f[i].kind) {
			return &f[i]
		}
	}
	return nil
}

// first is the first text that is not empty, asking the types in this order; NULL where all are.
func (f facts) first(order [][]ledger.Type, field func(*said) string) string {
	for _, group := range order {
		if s := f.of(group...); s != nil && field(s) != "" {
			return field(s)
		}
	}
	return null
}

// moment is a time for a cell, NULL where there is none.
func moment(s *said) string {
	if s == nil {
		return null
	}
	return timestamp(s.at)
}

// amountCell is an amount for a cell, NULL where there is none.
func amountCell(amount *big.Int) string {
	if amount == nil {
		return null
	}
	return decimal(amount)
}
