package ledger

import (
	"strings"

	"github.com/tributary-ledger/tributary/schemas/eventsv1"
)

// Direction is a posting's side.
type Direction bool

// The two sides.
const (
	Debit  Direction = false
	Credit Direction = true
)

// String is "debit" or "credit".
func (d Direction) String() string {
	if d == Credit {
		return "credit"
	}
	return "debit"
}

// Posting moves an amount of an asset into one side of an account. Amount is above zero.
type Posting struct {
	Account   Account
	Direction Direction
	Asset     string
	Amount    Amount
}

// Postings appends to buf what the event does to the books of its ledger, in the order of docs/events.md: for each asset
// debits equal credits. An event that moves nothing appends nothing.
func Postings(buf []Posting, e *Event) []Posting {
	p := poster{out: buf}
	switch d := e.Data.(type) {
	case *eventsv1.PaymentPosted:
		amount, fee := p.money(d.GetAmount()), amountOf(d.GetFee())
		p.debit(clearing("provider", d.GetProvider()), amount)
		p.credit(merchant(d.GetMerchantId(), "payable"), amount.Sub(fee))
		p.credit(platformFees(), fee)
	case *eventsv1.PaymentRefunded:
		amount, fee := p.money(d.GetAmount()), amountOf(d.GetFeeReturned())
		p.debit(merchant(d.GetMerchantId(), "payable"), amount.Sub(fee))
		p.debit(platformFees(), fee)
		p.credit(clearing("provider", d.GetProvider()), amount)
	case *eventsv1.PaymentDisputeOpened:
		p.move(d.GetAmount(), merchant(d.GetMerchantId(), "payable"), merchant(d.GetMerchantId(), "disputed"))
	case *eventsv1.PaymentDisputeWon:
		p.move(d.GetAmount(), merchant(d.GetMerchantId(), "disputed"), merchant(d.GetMerchantId(), "payable"))
	case *eventsv1.PaymentDisputeLost:
		p.move(d.GetAmount(), merchant(d.GetMerchantId(), "disputed"), clearing("provider", d.GetProvider()))
	case *eventsv1.MonetizationReceived:
		host, _ := PointerHost(d.GetPaymentPointer())
		p.move(d.GetAmount(), clearing("interledger", host), Account{"site", d.GetPluginId(), "revenue"})
	default:
		p.bookkeeping(e.Data)
		p.receivers(e.Data)
	}
	return p.out
}

// bookkeeping posts what happens between the platform, its providers, its banks and its merchants.
func (p *poster) bookkeeping(data Data) {
	switch d := data.(type) {
	case *eventsv1.SettlementReceived:
		amount, fee := p.money(d.GetAmount()), amountOf(d.GetProviderFee())
		p.debit(bankCash(d.GetBank()), amount)
		p.debit(Account{Kind: "expense", Name: "provider", Leaf: d.GetProvider()}, fee)
		p.credit(clearing("provider", d.GetProvider()), amount.Add(fee))
	case *eventsv1.PayoutSent:
		p.move(d.GetAmount(), merchant(d.GetMerchantId(), "payable"), bankCash(d.GetBank()))
	case *eventsv1.PayoutReturned:
		p.move(d.GetAmount(), bankCash(d.GetBank()), merchant(d.GetMerchantId(), "payable"))
	case *eventsv1.JournalPosted:
		for _, entry := range d.GetEntries() {
			account, _ := ParseAccount(entry.GetAccount())
			p.post(account, entry.GetDirection() == Credit.String(), p.money(entry.GetAmount()))
		}
	}
}

// receivers posts what is seen on a chain.
func (p *poster) receivers(data Data) {
	switch d := data.(type) {
	case *eventsv1.ReceiverPaymentDetected:
		p.move(d.GetAmount(), unconfirmed(d.GetChain()), merchant(d.GetMerchantId(), "pending"))
	case *eventsv1.ReceiverPaymentConfirmed:
		p.move(d.GetAmount(), wallet(d.GetChain()), unconfirmed(d.GetChain()))
		p.move(d.GetAmount(), merchant(d.GetMerchantId(), "pending"), merchant(d.GetMerchantId(), "payable"))
	case *eventsv1.ReceiverPaymentReversed:
		if d.GetWasConfirmed() {
			p.move(d.GetAmount(), merchant(d.GetMerchantId(), "payable"), wallet(d.GetChain()))
		} else {
			p.move(d.GetAmount(), merchant(d.GetMerchantId(), "pending"), unconfirmed(d.GetChain()))
		}
	}
}

type poster struct {
	out   []Posting
	asset string
}

func (p *poster) money(m *eventsv1.Money) Amount {
	p.asset = m.GetAssetCode()
	return amountOf(m)
}

func (p *poster) post(account Account, direction Direction, amount Amount) {
	if !amount.IsZero() {
		p.out = append(p.out, Posting{account, direction, p.asset, amount})
	}
}

func (p *poster) debit(account Account, amount Amount)  { p.post(account, Debit, amount) }
func (p *poster) credit(account Account, amount Amount) { p.post(account, Credit, amount) }

func (p *poster) move(m *eventsv1.Money, debit, credit Account) {
	amount := p.money(m)
	p.debit(debit, amount)
	p.credit(credit, amount)
}

func clearing(kind, name string) Account { return Account{kind, name, "clearing"} }
func merchant(id, leaf string) Account   { return Account{"merchant", id, leaf} }
func unconfirmed(chain string) Account   { return Account{"chain", chain, "unconfirmed"} }
func wallet(chain string) Account        { return Account{"chain", chain, "wallet"} }
func bankCash(bank string) Account       { return Account{"bank", bank, "cash"} }
func platformFees() Account              { return Account{Kind: "platform", Name: "fees"} }

// PointerHost is the host of a payment pointer, "$host/path" or "https://host/path": lower case, without port. It
// reports false where the pointer has no host that can be a segment of an account.
func PointerHost(pointer string) (string, bool) {
	rest, ok := strings.CutPrefix(pointer, "$")
	if !ok {
		if rest, ok = strings.CutPrefix(pointer, "https://"); !ok {
			return "", false
		}
	}
	if i := strings.IndexAny(rest, "/?#"); i >= 0 {
		rest = rest[:i]
	}
	host, port, _ := strings.Cut(rest, ":")
	for i := range len(port) {
		if port[i] < '0' || port[i] > '9' {
			return "", false
		}
	}
	host = strings.ToLower(host)
	return host, isHost(host)
}

// isHost reports whether a name has the letters, digits and hyphens of a host's labels, none of them empty or with a
// hyphen at its end, and is short enough for an account.
func isHost(name string) bool {
	if !isAccountID(name) || strings.Contains(name, "_") {
		return false
	}
	for label := range strings.SplitSeq(name, ".") {
		if label == "" || label[0] == '-' || label[len(label)-1] == '-' {
			return false
		}
	}
	return true
}
