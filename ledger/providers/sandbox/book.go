package sandbox

import (
	"net/http"

	"github.com/tributary-ledger/tributary/ledger"
	"github.com/tributary-ledger/tributary/ledger/providers"
	"github.com/tributary-ledger/tributary/schemas/eventsv1"
)

// Entry is money that the sandbox took or gave back.
type Entry struct {
	providers.Operation

	TransactionID string          `json:"transaction_id"`
	Amount        *eventsv1.Money `json:"amount"`
}

// Balance is what the sandbox holds of an asset for a ledger: what provider:sandbox:clearing must say.
type Balance struct {
	Ledger    string `json:"ledger"`
	AssetCode string `json:"asset_code"`
	// Charged, Refunded and Held are decimals, in whole units of the asset.
	Charged  string `json:"charged"`
	Refunded string `json:"refunded"`
	Held     string `json:"held"`
}

// Book is the whole truth of the sandbox.
type Book struct {
	Charges  []Entry   `json:"charges"`
	Refunds  []Entry   `json:"refunds"`
	Balances []Balance `json:"balances"`
	// Pending are operations that will be settled.
	Pending []providers.Operation `json:"pending"`
}

func (s *Server) showBook(w http.ResponseWriter, _ *http.Request) { answer(w, s.Book()) }

// Book is what the sandbox took and gave back so far, in the order of it.
func (s *Server) Book() Book {
	s.mu.Lock()
	defer s.mu.Unlock()
	book := Book{Charges: []Entry{}, Refunds: []Entry{}, Balances: []Balance{}, Pending: []providers.Operation{}}
	sums := totals{at: map[[2]string]*[2]ledger.Amount{}}
	for _, key := range s.journal.keys {
		one := s.journal.acts[key]
		if one.Outcome.State == providers.StatePending {
			book.Pending = append(book.Pending, one.Operation)
		}
		if one.Outcome.State != providers.StateDone {
			continue
		}
		entry := Entry{one.Operation, one.Outcome.TransactionID, one.Outcome.Amount}
		switch one.Kind {
		case providers.KindCharge:
			book.Charges = append(book.Charges, entry)
			sums.add(entry, 0)
		case providers.KindRefund:
			book.Refunds = append(book.Refunds, entry)
			sums.add(entry, 1)
		default:
		}
	}
	for _, key := range sums.keys {
		sum := sums.at[key]
		book.Balances = append(book.Balances, Balance{
			Ledger: key[0], AssetCode: key[1],
			Charged: sum[0].String(), Refunded: sum[1].String(), Held: sum[0].Sub(sum[1]).String(),
		})
	}
	return book
}

// totals are what was charged and refunded, by ledger and asset.
type totals struct {
	keys [][2]string
	at   map[[2]string]*[2]ledger.Amount
}

func (t *totals) add(entry Entry, side int) {
	key := [2]string{entry.Ledger, entry.Amount.GetAssetCode()}
	if t.at[key] == nil {
		t.at[key] = &[2]ledger.Amount{}
		t.keys = append(t.keys, key)
	}
	t.at[key][side] = t.at[key][side].Add(ledger.MoneyAmount(entry.Amount))
}
