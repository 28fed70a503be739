package receivers

import (
	"context"
	"time"

	"github.com/tributary-ledger/tributary/projections/postgres"
)

// ErrNotFound says that the books have no such receiver.
var ErrNotFound = postgres.ErrNotFound

// Receiver is a row of books.receivers. Amounts and the rate base_fiat are decimals, times are in UTC, and what no event
// named is null.
type Receiver struct {
	Ledger      string     `json:"ledger"`
	ReceiverID  string     `json:"receiver_id"`
	State       string     `json:"state"`
	MerchantID  *string    `json:"merchant_id"`
	Chain       *string    `json:"chain"`
	Address     *string    `json:"address"`
	AssetCode   *string    `json:"asset_code"`
	AmountDue   *string    `json:"amount_due"`
	Pending     string     `json:"pending"`
	Confirmed   string     `json:"confirmed"`
	AmountFiat  *string    `json:"amount_fiat"`
	FiatCode    *string    `json:"fiat_code"`
	BaseFiat    *string    `json:"base_fiat"`
	CallbackURL *string    `json:"callback_url"`
	ExpiresAt   *time.Time `json:"expires_at"`
	CreatedAt   *time.Time `json:"created_at"`
	UpdatedAt   time.Time  `json:"updated_at"`
}

const receiverColumns = `ledger, receiver_id, state, merchant_id, chain, address, asset_code, amount_due::text, pending::text,
	confirmed::text, amount_fiat::text, fiat_code, base_fiat::text, callback_url, expires_at, created_at, updated_at`

// Payment is a row of books.receiver_payments.
type Payment struct {
	Ledger     string `json:"ledger"`
	ReceiverID string `json:"receiver_id"`
	TxID       string `json:"txid"`
	Vout       int64  `json:"vout"`
	State      string `json:"state"`
	AssetCode  string `json:"asset_code"`
	Amount     string `json:"amount"`
	// InstantLocked is null where no event says it.
	InstantLocked *bool      `json:"instant_locked"`
	DetectedAt    *time.Time `json:"detected_at"`
	ConfirmedAt   *time.Time `json:"confirmed_at"`
	Late          bool       `json:"late"`
}

const paymentColumns = `ledger, receiver_id, txid, vout, state, asset_code, amount::text, instant_locked, detected_at,
	confirmed_at, late`

// Get gives a receiver, or ErrNotFound.
func Get(ctx context.Context, db postgres.Querier, ledger, receiverID string) (Receiver, error) {
	return postgres.One[Receiver](ctx, db, "the receiver "+receiverID, `SELECT `+receiverColumns+`
		FROM books.receivers WHERE ledger = $1 AND receiver_id = $2`, ledger, receiverID)
}

// ListPayments gives a receiver's payments, by txid and vout; at most 1,000.
func ListPayments(ctx context.Context, db postgres.Querier, ledger, receiverID string) ([]Payment, error) {
	return postgres.List[Payment](ctx, db, "the payments of "+receiverID, `SELECT `+paymentColumns+` FROM books.receiver_payments
		WHERE ledger = $1 AND receiver_id = $2 ORDER BY txid, vout LIMIT 1000`, ledger, receiverID)
}

// List gives the receivers that a merchant created, the latest first; after goes on behind a page's last receiver (its
// CreatedAt and ReceiverID).
func List(
	ctx context.Context, db postgres.Querier, ledger, merchantID string, after *postgres.Cursor, limit int,
) ([]Receiver, error) {
	at, id := after.From()
	return postgres.List[Receiver](ctx, db, "the receivers of "+merchantID, `SELECT `+receiverColumns+`
		FROM books.receivers WHERE ledger = $1 AND merchant_id = $2 AND created_at <= $3 AND (created_at, receiver_id) < ($3, $4)
		ORDER BY created_at DESC, receiver_id DESC LIMIT $5`, ledger, merchantID, at, id, limit)
}
