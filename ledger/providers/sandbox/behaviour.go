package sandbox

import (
	"strings"

	"github.com/tributary-ledger/tributary/ledger/providers"
)

// Behaviour is what goes wrong with an operation.
type Behaviour string

// The behaviours. Each is of one key: the sandbox remembers how often it was called with it.
const (
	// Works: the answer comes at once.
	Works Behaviour = "works"
	// Declines: the answer is no.
	Declines Behaviour = "declines"
	// HangsBefore: the first call does nothing and gets no answer; the next one works.
	HangsBefore Behaviour = "hangs_before"
	// HangsAfter: the first call moves the money and gets no answer; the next one hears of it.
	HangsAfter Behaviour = "hangs_after"
	// Breaks: the first two calls are answered with status 500, the third works.
	Breaks Behaviour = "breaks"
	// Late: the answer is "pending"; the money moves some time later, which a webhook tells.
	Late Behaviour = "late"
	// DeclinesLate: the answer is "pending"; some time later it is no.
	DeclinesLate Behaviour = "declines_late"
	// TellsTwice: works, and its webhook comes twice.
	TellsTwice Behaviour = "tells_twice"
)

// Special is one row of the sandbox's table.
type Special struct {
	Behaviour Behaviour
	// Kind is the operation that it changes; all others work.
	Kind providers.Kind
	// Ending is that of amount.value: its last two digits.
	Ending string
	// Token is how a transaction_id begins that does the same for a charge of any amount; empty for other operations.
	Token string
}

// Specials are the amounts and transaction ids that go wrong. docs/payments.md shows them.
func Specials() []Special {
	create, charge, refund := providers.KindCreate, providers.KindCharge, providers.KindRefund
	return []Special{
		{Declines, charge, "01", "tok_declines"},
		{HangsBefore, charge, "02", "tok_hangs_before"},
		{HangsAfter, charge, "03", "tok_hangs_after"},
		{Breaks, charge, "04", "tok_breaks"},
		{Late, charge, "05", "tok_late"},
		{DeclinesLate, charge, "06", "tok_late_declines"},
		{TellsTwice, charge, "07", "tok_tells_twice"},
		{Declines, create, "11", ""},
		{HangsBefore, create, "12", ""},
		{HangsAfter, create, "13", ""},
		{Breaks, create, "14", ""},
		{Declines, refund, "21", ""},
		{HangsBefore, refund, "22", ""},
		{HangsAfter, refund, "23", ""},
		{Breaks, refund, "24", ""},
		{Late, refund, "25", ""},
		{DeclinesLate, refund, "26", ""},
		{TellsTwice, refund, "27", ""},
	}
}

// behaviour is what an operation's amount, or a charge's transaction id, chooses.
func behaviour(kind providers.Kind, value, transactionID string) Behaviour {
	for _, s := range Specials() {
		if s.Kind == kind && s.Token != "" && strings.HasPrefix(transactionID, s.Token) {
			return s.Behaviour
		}
	}
	for _, s := range Specials() {
		if s.Kind == kind && strings.HasSuffix(value, s.Ending) {
			return s.Behaviour
		}
	}
	return Works
}
