package audit

import (
	"fmt"
	"math/big"
	"net/url"
	"strings"

	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/tributary-ledger/tributary/ledger"
	"github.com/tributary-ledger/tributary/schemas/eventsv1"
)

const (
	debit  = "debit"
	credit = "credit"
)

// posting is what an event does to one side of one account.
type posting struct {
	account, side, asset string
	amount               *big.Int
}

// rule is a line of the table below: which side of which account gets how much, and if anything.
type rule struct {
	side    string
	account string // {field} stands for the field's value.
	amount  string // A field, or two with a sign between them.
	when    string // A boolean field, perhaps behind "not"; empty is always.
}

// postingRules is the table of docs/events.md, line by line. What is not in it posts nothing, but for journals, which
// say themselves what they post.
//
//nolint:goconst // A table is read, and compared with that of the documentation, as it stands.
func postingRules() map[ledger.Type][]rule {
	return map[ledger.Type][]rule{
		"tributary.payment.posted.v1": {
			{debit, "provider:{provider}:clearing", "amount", ""},
			{credit, "merchant:{merchant_id}:payable", "amount - fee", ""},
			{credit, "platform:fees", "fee", ""},
		},
		"tributary.payment.refunded.v1": {
			{debit, "merchant:{merchant_id}:payable", "amount - fee_returned", ""},
			{debit, "platform:fees", "fee_returned", ""},
			{credit, "provider:{provider}:clearing", "amount", ""},
		},
		"tributary.payment.dispute_opened.v1": {
			{debit, "merchant:{merchant_id}:payable", "amount", ""},
			{credit, "merchant:{merchant_id}:disputed", "amount", ""},
		},
		"tributary.payment.dispute_won.v1": {
			{debit, "merchant:{merchant_id}:disputed", "amount", ""},
			{credit, "merchant:{merchant_id}:payable", "amount", ""},
		},
		"tributary.payment.dispute_lost.v1": {
			{debit, "merchant:{merchant_id}:disputed", "amount", ""},
			{credit, "provider:{provider}:clearing", "amount", ""},
		},
		"tributary.settlement.received.v1": {
			{debit, "bank:{bank}:cash", "amount", ""},
			{debit, "expense:provider:{provider}", "provider_fee", ""},
			{credit, "provider:{provider}:clearing", "amount + provider_fee", ""},
		},
		"tributary.payout.sent.v1": {
			{debit, "merchant:{merchant_id}:payable", "amount", ""},
			{credit, "bank:{bank}:cash", "amount", ""},
		},
		"tributary.payout.returned.v1": {
			{debit, "bank:{bank}:cash", "amount", ""},
			{credit, "merchant:{merchant_id}:payable", "amount", ""},
		},
		"tributary.receiver.payment_detected.v1": {
			{debit, "chain:{chain}:unconfirmed", "amount", ""},
			{credit, "merchant:{merchant_id}:pending", "amount", ""},
		},
		"tributary.receiver.payment_confirmed.v1": {
			{debit, "chain:{chain}:wallet", "amount", ""},
			{credit, "chain:{chain}:unconfirmed", "amount", ""},
			{debit, "merchant:{merchant_id}:pending", "amount", ""},
			{credit, "merchant:{merchant_id}:payable", "amount", ""},
		},
		"tributary.receiver.payment_reversed.v1": {
			{debit, "merchant:{merchant_id}:pending", "amount", "not was_confirmed"},
			{credit, "chain:{chain}:unconfirmed", "amount", "not was_confirmed"},
			{debit, "merchant:{merchant_id}:payable", "amount", "was_confirmed"},
			{credit, "chain:{chain}:wallet", "amount", "was_confirmed"},
		},
		"tributary.monetization.received.v1": {
			{debit, "interledger:{HOST}:clearing", "amount", ""},
			{credit, "site:{plugin_id}:revenue", "amount", ""},
		},
	}
}

// debitNormal are the first segments of accounts whose balance is debits less credits.
func debitNormal(account string) bool {
	kind, _, _ := strings.Cut(account, ":")
	switch kind {
	case "provider", "chain", "interledger", "bank", "expense":
		return true
	default:
		return false
	}
}

// postings applies the rules to an event, and appends what they say. Amounts of zero post nothing. Texts share memory with the event.
func (a *Auditor) postings(postings []posting, event *ledger.Event) []posting {
	if journal, ok := event.Data.(*eventsv1.JournalPosted); ok {
		return journalPostings(postings, journal)
	}
	rules := a.rules[event.Type]
	if len(rules) == 0 {
		return postings
	}
	data := fields{event.Data}
	for _, r := range rules {
		if !data.holds(r.when) {
			continue
		}
		if amount := data.sum(r.amount); amount.Sign() != 0 {
			postings = append(postings, posting{data.fill(r.account), r.side, data.money("amount").GetAssetCode(), amount})
		}
	}
	return postings
}

func journalPostings(postings []posting, journal *eventsv1.JournalPosted) []posting {
	for _, entry := range journal.GetEntries() {
		if amount := units(entry.GetAmount()); amount.Sign() != 0 {
			postings = append(postings, posting{entry.GetAccount(), entry.GetDirection(), entry.GetAmount().GetAssetCode(), amount})
		}
	}
	return postings
}

// fields reads an event's data by the names of its fields.
type fields struct{ ledger.Data }

func (f fields) value(name string) protoreflect.Value {
	message := f.ProtoReflect()
	field := message.Descriptor().Fields().ByName(protoreflect.Name(name))
	if field == nil {
		panic(fmt.Sprintf("a posting rule names the field %s, which %s has not", name, message.Descriptor().FullName()))
	}
	return message.Get(field)
}

func (f fields) holds(condition string) bool {
	if condition == "" {
		return true
	}
	name, negated := strings.CutPrefix(condition, "not ")
	return f.value(name).Bool() != negated
}

func (f fields) money(name string) *eventsv1.Money {
	switch name {
	case "amount":
		if d, ok := f.Data.(interface{ GetAmount() *eventsv1.Money }); ok {
			return d.GetAmount()
		}
	case "fee":
		if d, ok := f.Data.(interface{ GetFee() *eventsv1.Money }); ok {
			return d.GetFee()
		}
	}
	money, _ := f.value(name).Message().Interface().(*eventsv1.Money)
	return money
}

// text is a field that is a text. Those that nearly all rules name are read without reflection, which takes longer than all the rest.
//
//nolint:goconst // The names are those of the tables.
func (f fields) text(name string) string {
	switch name {
	case "merchant_id":
		if d, ok := f.Data.(interface{ GetMerchantId() string }); ok {
			return d.GetMerchantId()
		}
	case "provider":
		if d, ok := f.Data.(interface{ GetProvider() string }); ok {
			return d.GetProvider()
		}
	case "plugin_id":
		if d, ok := f.Data.(interface{ GetPluginId() string }); ok {
			return d.GetPluginId()
		}
	case "payment_pointer":
		if d, ok := f.Data.(interface{ GetPaymentPointer() string }); ok {
			return d.GetPaymentPointer()
		}
	case "chain":
		if d, ok := f.Data.(interface{ GetChain() string }); ok {
			return d.GetChain()
		}
	}
	return f.value(name).String()
}

func (f fields) sum(terms string) *big.Int {
	first, rest, both := strings.Cut(terms, " ")
	sum := units(f.money(first))
	if !both {
		return sum
	}
	sign, second, _ := strings.Cut(rest, " ")
	if sign == "-" {
		return sum.Sub(sum, units(f.money(second)))
	}
	return sum.Add(sum, units(f.money(second)))
}

func (f fields) fill(account string) string {
	before, rest, found := strings.Cut(account, "{")
	if !found {
		return account
	}
	name, after, _ := strings.Cut(rest, "}")
	if name == "HOST" {
		return before + pointerHost(f.text("payment_pointer")) + after
	}
	return before + f.text(name) + after
}

// pointerHost is the host of a payment pointer, which may start with $ in place of https://.
func pointerHost(pointer string) string {
	if host, ok := plainHost(pointer); ok {
		return host
	}
	if rest, ok := strings.CutPrefix(pointer, "$"); ok {
		pointer = "https://" + rest
	}
	address, err := url.Parse(pointer)
	if err != nil {
		// Paths of a pointer may hold what a URL's may not; the host stands before them.
		host, _, _ := strings.Cut(strings.TrimPrefix(pointer, "https://"), "/")
		address = &url.URL{Host: host}
	}
	return strings.ToLower(address.Hostname())
}

// plainHost is the host of a payment pointer whose host is written in small letters, as it nearly always is; not ok is any other.
func plainHost(pointer string) (host string, ok bool) {
	rest, short := strings.CutPrefix(pointer, "$")
	if !short {
		if rest, ok = strings.CutPrefix(pointer, "https://"); !ok {
			return "", false
		}
	}
	host, _, _ = strings.Cut(rest, "/")
	for i := range len(host) {
		if c := host[i]; (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '.' && c != '-' {
			return "", false
		}
	}
	return host, host != ""
}
