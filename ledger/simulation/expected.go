package simulation

import (
	"cmp"
	"maps"
	"math/big"
	"slices"

	"github.com/tributary-ledger/tributary/ledger"
)

// Expected is what the events that a simulation has made must come to in the tables, whatever happened to them on the way. It
// is added up while they are made, by the stories that make them, and shares no rule with the projections. Amounts are
// decimals in whole units, such as "139.12", and names those of docs/tables.md. Rows are sorted by their keys.
type Expected struct {
	Ledger string `json:"ledger"`
	// Events are the different ones, each of which counts once; Types says how many there are of each.
	Events int64                 `json:"events"`
	Types  map[ledger.Type]int64 `json:"types"`
	// Accounts are those of books.account_balances.
	Accounts []ExpectedAccount `json:"accounts"`
	// Payments, Refunds and Receipts add up the views of these names, by state and asset.
	Payments []ExpectedPayments `json:"payments"`
	Refunds  []ExpectedRefunds  `json:"refunds"`
	Receipts []ExpectedReceipts `json:"receipts"`
	// Receivers and ReceiverPayments do so, too.
	Receivers        []ExpectedReceivers        `json:"receivers"`
	ReceiverPayments []ExpectedReceiverPayments `json:"receiver_payments"`
	// Revenue is by month in UTC, of revenue.by_month.
	Revenue []ExpectedRevenue `json:"revenue"`
	// Quarantine is how many of each reason books.quarantine has.
	Quarantine map[ledger.Code]int64 `json:"quarantine"`
	// Traffic is what was sent, which is more than the events where that was asked for.
	Traffic ExpectedTraffic `json:"traffic"`
}

// ExpectedAccount is what an account has of an asset.
type ExpectedAccount struct {
	Account   string `json:"account"`
	AssetCode string `json:"asset_code"`
	Debits    string `json:"debits"`
	Credits   string `json:"credits"`
	Balance   string `json:"balance"`
}

// ExpectedPayments are those of a state.
type ExpectedPayments struct {
	State     string `json:"state"`
	AssetCode string `json:"asset_code"`
	Payments  int64  `json:"payments"`
	Amount    string `json:"amount"`
	Refunded  string `json:"refunded"`
	Disputed  string `json:"disputed"`
}

// ExpectedRefunds are those of a state.
type ExpectedRefunds struct {
	State     string `json:"state"`
	AssetCode string `json:"asset_code"`
	Refunds   int64  `json:"refunds"`
	Amount    string `json:"amount"`
}

// ExpectedReceipts are those in an asset.
type ExpectedReceipts struct {
	AssetCode string `json:"asset_code"`
	Receipts  int64  `json:"receipts"`
	Amount    string `json:"amount"`
	Fee       string `json:"fee"`
	Refunded  string `json:"refunded"`
}

// ExpectedReceivers are those of a state.
type ExpectedReceivers struct {
	State     string `json:"state"`
	AssetCode string `json:"asset_code"`
	Receivers int64  `json:"receivers"`
	AmountDue string `json:"amount_due"`
	Pending   string `json:"pending"`
	Confirmed string `json:"confirmed"`
}

// ExpectedReceiverPayments are those of a state; Late are how many of them came late.
type ExpectedReceiverPayments struct {
	State     string `json:"state"`
	AssetCode string `json:"asset_code"`
	Payments  int64  `json:"payments"`
	Amount    string `json:"amount"`
	Late      int64  `json:"late"`
}

// ExpectedRevenue is what an owner earned in a month, in UTC, from 1.
type ExpectedRevenue struct {
	Stream    string `json:"stream"`
	Owner     string `json:"owner"`
	Year      int    `json:"year"`
	Month     int    `json:"month"`
	AssetCode string `json:"asset_code"`
	Gross     string `json:"gross"`
	Refunds   string `json:"refunds"`
	Fees      string `json:"fees"`
	Net       string `json:"net"`
	Events    int64  `json:"events"`
}

// ExpectedTraffic is how often something was sent that is not a new event in its turn.
type ExpectedTraffic struct {
	// Messages are all that was sent.
	Messages int64 `json:"messages"`
	// Late events came out of turn, long after they happened. They are among the events.
	Late int64 `json:"late"`
	// Duplicates are events that were sent before; Conflicts have the id of such a one, and another content.
	Duplicates int64 `json:"duplicates"`
	Conflicts  int64 `json:"conflicts"`
	// Refused are what is no valid event, by the reason: in the log they come to the quarantine, of a file they are what
	// publish names and skips.
	Refused map[ledger.Code]int64 `json:"refused"`
}

// Expected is what the events so far come to; it is nil unless Options.Expect is set.
func (s *Simulation) Expected() *Expected {
	t := s.world.tally
	if t == nil {
		return nil
	}
	e := &Expected{
		Ledger: s.options.Ledger, Events: s.made, Types: maps.Clone(t.types),
		Accounts: []ExpectedAccount{}, Payments: []ExpectedPayments{}, Refunds: []ExpectedRefunds{}, Receipts: []ExpectedReceipts{},
		Receivers: []ExpectedReceivers{}, ReceiverPayments: []ExpectedReceiverPayments{}, Revenue: []ExpectedRevenue{},
		Quarantine: map[ledger.Code]int64{},
		Traffic:    ExpectedTraffic{Messages: s.made, Refused: map[ledger.Code]int64{}},
	}
	t.tellBooks(e)
	t.tellReceivers(e)
	t.tellRevenue(e)
	return e
}

// tellBooks tells of the books and of payments.
func (t *tally) tellBooks(e *Expected) {
	for at, is := range t.accounts {
		e.Accounts = append(e.Accounts, ExpectedAccount{
			Account: at.account.String(), AssetCode: at.asset.code,
			Debits: is.debits.in(at.asset), Credits: is.credits.in(at.asset), Balance: at.asset.decimal(is.balance(at.account.kind)),
		})
	}
	for at, is := range t.payments {
		if is.count != 0 {
			e.Payments = append(e.Payments, ExpectedPayments{
				State: at.state, AssetCode: at.asset.code, Payments: is.count, Amount: is.amount.in(at.asset),
				Refunded: is.refunded.in(at.asset), Disputed: is.disputed.in(at.asset),
			})
		}
	}
	for at, is := range t.refunds {
		if is.count != 0 {
			e.Refunds = append(e.Refunds, ExpectedRefunds{at.state, at.asset.code, is.count, is.amount.in(at.asset)})
		}
	}
	for at, is := range t.receipts {
		e.Receipts = append(e.Receipts, ExpectedReceipts{
			AssetCode: at.code, Receipts: is.count, Amount: is.amount.in(at), Fee: is.fee.in(at), Refunded: is.refunded.in(at),
		})
	}
	slices.SortFunc(e.Accounts, func(a, b ExpectedAccount) int {
		return cmp.Or(cmp.Compare(a.Account, b.Account), cmp.Compare(a.AssetCode, b.AssetCode))
	})
	slices.SortFunc(e.Payments, func(a, b ExpectedPayments) int {
		return cmp.Or(cmp.Compare(a.State, b.State), cmp.Compare(a.AssetCode, b.AssetCode))
	})
	slices.SortFunc(e.Refunds, func(a, b ExpectedRefunds) int {
		return cmp.Or(cmp.Compare(a.State, b.State), cmp.Compare(a.AssetCode, b.AssetCode))
	})
	slices.SortFunc(e.Receipts, func(a, b ExpectedReceipts) int { return cmp.Compare(a.AssetCode, b.AssetCode) })
}

func (t *tally) tellReceivers(e *Expected) {
	for at, is := range t.receivers {
		if is.count != 0 {
			e.Receivers = append(e.Receivers, ExpectedReceivers{
				State: at.state, AssetCode: at.asset.code, Receivers: is.count, AmountDue: is.amount.in(at.asset),
				Pending: is.pending.in(at.asset), Confirmed: is.confirmed.in(at.asset),
			})
		}
	}
	for at, is := range t.coins {
		if is.count != 0 {
			e.ReceiverPayments = append(e.ReceiverPayments, ExpectedReceiverPayments{
				State: at.state, AssetCode: at.asset.code, Payments: is.count, Amount: is.amount.in(at.asset), Late: is.late,
			})
		}
	}
	slices.SortFunc(e.Receivers, func(a, b ExpectedReceivers) int {
		return cmp.Or(cmp.Compare(a.State, b.State), cmp.Compare(a.AssetCode, b.AssetCode))
	})
	slices.SortFunc(e.ReceiverPayments, func(a, b ExpectedReceiverPayments) int {
		return cmp.Or(cmp.Compare(a.State, b.State), cmp.Compare(a.AssetCode, b.AssetCode))
	})
}

func (t *tally) tellRevenue(e *Expected) {
	for at, is := range t.revenue {
		fees := new(big.Int).Sub(is.fees.big(), is.feesReturned.big())
		net := new(big.Int).Sub(is.gross.big(), is.refunds.big())
		e.Revenue = append(e.Revenue, ExpectedRevenue{
			Stream: at.stream, Owner: at.owner, Year: int(at.month) / 12, Month: int(at.month)%12 + 1, AssetCode: at.asset.code,
			Gross: is.gross.in(at.asset), Refunds: is.refunds.in(at.asset), Fees: at.asset.decimal(fees),
			Net: at.asset.decimal(net.Sub(net, fees)), Events: is.events,
		})
	}
	slices.SortFunc(e.Revenue, func(a, b ExpectedRevenue) int {
		return cmp.Or(cmp.Compare(a.Stream, b.Stream), cmp.Compare(a.Owner, b.Owner), cmp.Compare(a.Year, b.Year),
			cmp.Compare(a.Month, b.Month), cmp.Compare(a.AssetCode, b.AssetCode))
	})
}

// balance is on the side that grows for accounts of this kind.
func (s *sides) balance(kind string) *big.Int {
	debits, credits := s.debits.big(), s.credits.big()
	switch kind {
	case "provider", "chain", "interledger", "bank", "expense":
		return debits.Sub(debits, credits)
	default:
		return credits.Sub(credits, debits)
	}
}

func (s *sum) big() *big.Int {
	n := new(big.Int).SetUint64(s.high)
	return n.Lsh(n, 64).Or(n, new(big.Int).SetUint64(s.low))
}

func (s *sum) in(a asset) string { return a.decimal(s.big()) }

// decimal writes a number of the asset's smallest units in whole ones.
func (a asset) decimal(units *big.Int) string {
	factor := new(big.Int).SetUint64(powerOf10(ledger.AmountScale - a.scale))
	return ledger.FormatUnits(factor.Mul(factor, units))
}
